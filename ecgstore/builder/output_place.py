"""Where a file made of other stores may be written."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from ecgstore.errors import EcgStoreError
from ecgstore.storage.label_file import label_file_path


def check_output_place(final: Path, sources: Iterable[Path], overwrite: bool) -> None:
    """Refuse to replace a file unasked, or one that is read.

    Parameters
    ----------
    final : Path
        The file to write.
    sources : iterable of Path
        The stores that it is made of. They are never replaced: what is written may need
        them for ever, as a collection needs its parts.
    overwrite : bool
        Whether any other file of that name may be replaced.

    Raises
    ------
    EcgStoreError
        If it may not be written there.
    """
    if not final.parent.is_dir():
        raise EcgStoreError(
            f"{final.parent}: no such folder; create it, or choose another output"
        )
    if not os.path.lexists(final):
        return
    for source in sources:
        if final.exists() and source.exists() and os.path.samefile(final, source):
            raise EcgStoreError(
                f"{final}: is one of the stores that are read; choose another output"
            )
    if not overwrite:
        raise EcgStoreError(
            f"{final}: exists already; choose another output, or replace it with "
            "--overwrite (overwrite=True)"
        )
    beside = label_file_path(final)
    if beside.exists():
        raise EcgStoreError(
            f"{beside}: holds labels of the store that is to be replaced; delete it "
            "first, or choose another output"
        )


def check_room(final: Path, needed: int) -> None:
    """Raise an error if the disk has no room for a store of so many bytes."""
    free = shutil.disk_usage(final.parent).free
    if needed > free:
        raise EcgStoreError(
            f"{final.parent}: the store needs {needed / 1e6:,.0f} MB and the disk has "
            f"{free / 1e6:,.0f} MB free; make room or choose another folder"
        )
