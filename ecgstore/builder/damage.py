"""Whether a finished store is what was written."""

from pathlib import Path

from ecgstore.errors import EcgStoreError
from ecgstore.storage.verify import verify


def damage_of(store: Path) -> str | None:
    """Return what is wrong with a store whose content is compared with its checksums.

    Disks forget what the power did not let them write, and files are damaged in years.
    """
    try:
        damage = next(verify(store), None)
    except (EcgStoreError, OSError) as error:
        return str(error)
    return None if damage is None else str(damage)


def check_written(store: Path) -> None:
    """Read a store that was just finished.

    Raises
    ------
    EcgStoreError
        If it is damaged.
    """
    damage = damage_of(store)
    if damage is not None:
        raise EcgStoreError(
            f"{store}: is not what was written ({damage}); expected a disk that keeps "
            "what it is given: choose another scratch folder, and run the same command "
            "again to resume"
        )
