"""Claim a file for one process, also on file systems that have no locks."""

import errno
import json
import os
import socket
import sys
from pathlib import Path

from ecgstore.errors import EcgStoreError
from ecgstore.system.locks import try_lock

if sys.platform == "win32":
    import msvcrt


class FileClaim:
    """The only claim on a file, until it is released or the process ends, even killed.

    Without locks of the file system (some network file systems), the claim is a file
    ``<path>.lock`` that names the process. One that is left by a process of this
    machine that ended is taken over; whether a process of another machine ended cannot
    be known.

    Parameters
    ----------
    path : Path
        The file; created if it does not exist.

    Raises
    ------
    BlockingIOError
        If another process has claimed it.
    EcgStoreError
        If the file system has no locks, and the file is claimed by a process that lives
        or is on another machine.
    OSError
        If the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._claim: Path | None = None
        self._descriptor = self._opened()
        try:
            while not self._is_current():  # it was removed between opening and locking
                os.close(self._descriptor)
                self._descriptor = self._opened()
        except BaseException:
            self.release()
            raise

    def release(self, *, remove: bool = False) -> None:
        """Give up the claim.

        Parameters
        ----------
        remove : bool
            Remove the file, before another process can claim it.
        """
        if remove and sys.platform != "win32":
            self._path.unlink(missing_ok=True)
        if self._claim is not None:
            self._claim.unlink(missing_ok=True)
        os.close(self._descriptor)
        if remove and sys.platform == "win32":  # Windows does not remove an open file
            try:
                self._path.unlink(missing_ok=True)
            except PermissionError:
                return  # it belongs to another process already

    def _opened(self) -> int:
        """Return a descriptor of the file."""
        return os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)

    def _is_current(self) -> bool:
        """Lock the file; return whether it still has its name."""
        is_locked = _locked(self._descriptor)
        if is_locked is None:
            self._claim = self._claim or _claim(self._path)
        elif not is_locked:
            raise BlockingIOError(errno.EWOULDBLOCK, "claimed already", str(self._path))
        try:
            named = os.stat(self._path)
        except FileNotFoundError:
            return False
        return os.path.samestat(os.fstat(self._descriptor), named)


def _locked(descriptor: int) -> bool | None:
    """Lock an open file without waiting, as `try_lock`, on Windows too."""
    if sys.platform == "win32":
        os.lseek(descriptor, 2**31 - 2, os.SEEK_SET)  # beyond the end: nobody reads it
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    return try_lock(descriptor)


def _claim(path: Path) -> Path:
    """Create the file that stands for a lock, and return its path."""
    claim = path.with_name(f"{path.name}.lock")
    text = json.dumps({"machine": socket.gethostname(), "process": os.getpid()})
    while True:
        try:
            descriptor = os.open(claim, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            _remove_if_abandoned(claim)
            continue
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        return claim


def _remove_if_abandoned(claim: Path) -> None:
    """Remove a claim if its process ended; else raise."""
    try:
        owner = json.loads(claim.read_text(encoding="utf-8"))
        machine, process = str(owner["machine"]), int(owner["process"])
    except FileNotFoundError:
        return  # given up meanwhile
    except (ValueError, KeyError, TypeError):
        machine, process = "an unknown machine", 0
    if machine == socket.gethostname() and not _is_alive(process):
        claim.unlink(missing_ok=True)
        return
    raise EcgStoreError(
        f"{claim}: claimed by process {process} on {machine}, and the file system has "
        "no locks to tell whether it still runs; wait for it, or delete this file if "
        "it does not"
    )


def _is_alive(process: int) -> bool:
    """Return whether a process of this machine runs."""
    if sys.platform == "win32":  # there, signal 0 would end the process
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
