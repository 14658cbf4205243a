"""Locks of files and folders, which the system releases when their process ends."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ecgstore.errors import EcgStoreError


def try_lock(descriptor: int) -> bool | None:
    """Lock an open file or folder without waiting, until the descriptor is closed.

    Returns
    -------
    bool or None
        True if it is locked now, False if another process has locked it, None if the
        file system or the operating system has no such locks.
    """
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # ENOLCK, ENOTSUP, ... by file system; EBADF for folders of NFS
        return None
    return True


def lock_shared(descriptor: int) -> None:
    """Hold a lock that others can hold too, and `try_lock` cannot get meanwhile.

    Waits while another process holds that of `try_lock`. The lock ends when the
    descriptor is closed. Nothing happens where there are no locks.
    """
    if sys.platform == "win32":
        return
    import fcntl

    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_SH)


@contextmanager
def only_writer(folder: Path, work: str) -> Iterator[None]:
    """Refuse to work in a folder in which another process does; no file is left behind.

    Where there are no locks, as on some network file systems, other processes are not
    noticed.

    Parameters
    ----------
    folder : Path
        An existing folder.
    work : str
        What is done in it, such as ``"training"``, for the error message.

    Raises
    ------
    EcgStoreError
        If another process is in this context with the same folder.
    """
    if os.name != "posix":  # Windows cannot open folders
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if try_lock(descriptor) is False:
            raise EcgStoreError(
                f"{folder}: another {work} is writing to this folder; wait for it, or "
                "choose another folder"
            )
        yield
    finally:
        os.close(descriptor)
