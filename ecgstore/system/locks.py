"""Locks of files and folders, which the system releases when their process ends."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ecgstore.errors import EcgStoreError

_WAIT_S: Final = 0.005
"""Time between two attempts to lock a file, in s."""


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


@contextmanager
def locked_file(path: Path, wait_s: float) -> Iterator[None]:
    """Hold the lock of a file that its writers replace; wait for it.

    A writer that waited finds the new file, not the one that was replaced meanwhile.
    Where there are no locks, other writers are not noticed.

    Parameters
    ----------
    path : Path
        An existing file.
    wait_s : float
        The longest time to wait, in s.

    Raises
    ------
    EcgStoreError
        If another process holds the lock all the time.
    FileNotFoundError
        If there is no such file.
    """
    end = time.monotonic() + wait_s
    while True:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            is_locked = try_lock(descriptor)
            if is_locked is not False and _is_file(descriptor, path):
                yield
                return
        finally:
            os.close(descriptor)
        if time.monotonic() > end:
            raise EcgStoreError(
                f"{path}: another process has locked this file for {wait_s:g} s; wait "
                "for it, or end it"
            )
        time.sleep(_WAIT_S if is_locked is False else 0)


def _is_file(descriptor: int, path: Path) -> bool:
    """Return whether a name belongs to an open file, and was not given to another."""
    return os.path.samestat(os.fstat(descriptor), os.stat(path))
