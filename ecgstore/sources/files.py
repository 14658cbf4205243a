"""Read files that may be missing, damaged, or not regular files."""

import errno
import functools
import os
import stat
from typing import Final

from ecgstore.errors import RecordError
from ecgstore.reasons import Reason

# Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


_PROBLEMS: Final = {
    errno.ENOENT: "no such file",
    errno.ENOTDIR: "no such file",
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.ELOOP: "its links form a loop",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EIO: "the disk or network fails",
}


class _CannotReadError(ValueError):
    """A file cannot be read; the message says why."""


def read_start(path: str, n_bytes: int, reason: Reason) -> tuple[bytes, int]:
    """Return the first bytes of a file, and the file's size; see `read_range`."""
    return read_range(path, 0, n_bytes, reason)


def read_range(
    path: str, begin: int, n_bytes: int, reason: Reason
) -> tuple[bytes, int]:
    """Return some bytes of a file, and the file's size.

    Uses plain system calls: `open` would take as long as the reading itself.

    Parameters
    ----------
    path : str
        The file.
    begin : int
        Bytes before the first one that is read.
    n_bytes : int
        Maximum number of bytes; memory is allocated only for bytes that exist.
    reason : Reason
        Reason of the error if the file cannot be read.

    Returns
    -------
    tuple of bytes and int
        The bytes, fewer if the file is shorter; the file's size in bytes.

    Raises
    ------
    RecordError
        If the file does not exist, is not a regular file, or cannot be read.
    """
    try:
        _regular_size(os.stat(path))  # to open a device may change its state
        handle = os.open(path, _FLAGS)
        try:
            size = _regular_size(os.fstat(handle))
            n_bytes = max(0, min(n_bytes, size - begin))
            if begin and n_bytes:  # else the position may be beyond any file's
                os.lseek(handle, begin, os.SEEK_SET)
            data = os.read(handle, n_bytes)
            while len(data) < n_bytes:  # a call reads at most 2 GiB
                more = os.read(handle, n_bytes - len(data))
                if not more:
                    raise _CannotReadError("it became shorter while being read")
                data += more
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        raise _cannot_read(path, reason, error) from error
    return data, size


def file_size(path: str, reason: Reason) -> int:
    """Return the size of a regular file in bytes.

    Raises
    ------
    RecordError
        With `reason`, if the file does not exist or is not a regular file.
    """
    try:
        return _regular_size(os.stat(path))
    except (OSError, ValueError) as error:
        raise _cannot_read(path, reason, error) from error


def with_its_suffix(path: str) -> str:
    """Return the path of a file whose suffix may be in the other case on disk.

    Discs and tools that write names in capitals change ``A0001.mat`` to ``A0001.MAT``,
    but not the name in the header.
    """
    if os.path.lexists(path):
        return path
    stem, suffix = os.path.splitext(path)
    for other in (suffix.upper(), suffix.lower()):
        if os.path.lexists(stem + other):
            return stem + other
    return path


def in_proc_or_sys(status: os.stat_result) -> bool:
    """Return whether a file or folder is in Linux's ``/proc`` or ``/sys``.

    Files there look regular, but to read one may wait for an event or act on a device,
    and their links lead through the folders of all processes.
    """
    return status.st_dev in _devices_of_proc_and_sys()


@functools.cache
def _devices_of_proc_and_sys() -> frozenset[int]:
    """Return the numbers of these file systems; none where they do not exist."""
    return frozenset(
        os.stat(folder).st_dev
        for folder in ("/proc", "/sys")
        if os.path.ismount(folder)
    )


def printable(path: str) -> str:
    """Return a path as valid Unicode text; other bytes are escaped."""
    return path.encode("utf-8", "backslashreplace").decode()


def check_name(path: str) -> None:
    """Refuse a path that is not valid Unicode, because tables hold UTF-8 only.

    Raises
    ------
    RecordError
        With the reason `UNREADABLE_HEADER`.
    """
    if printable(path) != path:
        raise RecordError(
            Reason.UNREADABLE_HEADER,
            f"{printable(path)}: the name is not valid UTF-8; rename file or folder",
        )


def _regular_size(status: os.stat_result) -> int:
    """Return the size of a regular file; folders, pipes and devices are refused."""
    if not stat.S_ISREG(status.st_mode) or in_proc_or_sys(status):
        raise _CannotReadError("not a regular file")
    return status.st_size


def _cannot_read(path: str, reason: Reason, error: OSError | ValueError) -> RecordError:
    """Return the error for a file that cannot be read."""
    return RecordError(
        reason, f"{printable(path)}: cannot read the file ({_problem(error)})"
    )


def _problem(error: OSError | ValueError) -> str:
    """Say why a file cannot be read, in words that are the same on every system."""
    if isinstance(error, _CannotReadError):
        return str(error)
    if isinstance(error, ValueError):
        return "no file can have this name"
    code = error.errno or 0
    return _PROBLEMS.get(code, f"error {errno.errorcode.get(code, code)}")
