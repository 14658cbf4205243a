"""Folders for unfinished files on a local disk, which do not outlive their process."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ecgstore.system.locks import try_lock

_PREFIX: Final = "ecgstore-scratch-"


@contextmanager
def scratch_folder(parent: Path | None) -> Iterator[Path]:
    """Make a folder, and remove it at the end.

    Folders of processes that were killed are removed too, where files have locks: a
    cluster kills workers every day, and each may leave a gigabyte.

    Parameters
    ----------
    parent : Path or None
        An existing folder; the system's for temporary files if None.

    Raises
    ------
    OSError
        If no folder can be made there.
    """
    place = Path(parent or tempfile.gettempdir())
    if os.name != "posix":  # Windows cannot open folders
        with tempfile.TemporaryDirectory(
            prefix=_PREFIX, dir=place, ignore_cleanup_errors=True
        ) as name:
            yield Path(name)
        return
    _remove_abandoned(place)
    folder, descriptor = _locked_folder(place)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _locked_folder(place: Path) -> tuple[Path, int]:
    """Return a new folder, and a descriptor that locks it until it is closed."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
        # Another process may take it for abandoned before it is locked.
        with suppress(FileNotFoundError):
            descriptor = os.open(folder, os.O_RDONLY)
            if try_lock(descriptor) is not False and folder.exists():
                return folder, descriptor
            os.close(descriptor)


def _remove_abandoned(place: Path) -> None:
    """Remove the folders of this user that no process has locked."""
    for folder in place.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                is_own = os.fstat(descriptor).st_uid == os.getuid()
                if is_own and try_lock(descriptor):
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)
