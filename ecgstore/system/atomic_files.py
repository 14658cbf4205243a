"""Write files that get their name only when they are complete and on the disk."""

import errno
import io
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final, cast

from ecgstore.errors import EcgStoreError
from ecgstore.system.locks import try_lock

FULL_DISK: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Numbers of the errors of a full disk, which no reading raises."""

_ABANDONED_S: Final = 24 * 3600
"""Age in s at which an unfinished file is abandoned, where there are no locks."""

_NO_LINKS: Final = (
    errno.EPERM,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.ENOSYS,
    errno.EMLINK,
)
"""What links fail with where the file system does not have them."""


def sync_file(path: Path) -> None:
    """Wait until a file's content is on the disk."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish(unfinished: Path, final: Path, *, replace: bool = True) -> None:
    """Give a finished file its final name, in place of an older file of that name.

    Afterwards, even if the machine stops, the final name belongs either to the whole
    new file or to the older one. The permissions of an older file are kept. If the
    process is killed while it may not replace one, the new file may have both names.

    Parameters
    ----------
    unfinished, final : Path
        The names, in one folder.
    replace : bool
        Whether an older file may be replaced.

    Raises
    ------
    FileExistsError
        If there is one that may not.
    """
    sync_file(unfinished)
    if replace:
        with suppress(OSError):  # there is no older file, or no permissions to keep
            os.chmod(unfinished, stat.S_IMODE(os.stat(final).st_mode))
        os.replace(unfinished, final)
    else:
        _rename(unfinished, final)
    if os.name == "posix":  # Windows can neither open folders nor needs it
        descriptor = os.open(final.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _rename(unfinished: Path, final: Path) -> None:
    """Rename a file, unless the new name exists."""
    if os.name != "posix":
        os.rename(unfinished, final)  # replaces no file there
        return
    try:
        os.link(unfinished, final)  # unlike a rename, it replaces no file
    except OSError as error:
        if is_same_file(unfinished, final):
            pass  # a network may repeat a request that succeeded
        elif error.errno not in _NO_LINKS:
            raise
        elif os.path.lexists(final):
            raise FileExistsError(errno.EEXIST, "exists", str(final)) from error
        else:
            os.replace(unfinished, final)
            return
    os.unlink(unfinished)


def is_same_file(one: Path, other: Path) -> bool:
    """Return whether two names belong to one file; False if one does not exist."""
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, unless they exist.

    Raises
    ------
    EcgStoreError
        If it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EcgStoreError(
            f"{folder}: cannot be created ({error.strerror}); choose another folder"
        ) from error


@contextmanager
def folder_for_files(folder: Path) -> Iterator[None]:
    """Create a folder and its parents; remove them again if an error leaves them empty.

    Raises
    ------
    EcgStoreError
        If it cannot be created.
    """
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        make_folder(folder)
        yield
    except BaseException:
        with suppress(OSError):  # not empty, or used by another process
            for path in new:
                path.rmdir()
        raise


def check_writable(path: Path) -> None:
    """Check that `replace_file` can write to a path, without changing it.

    Raises
    ------
    EcgStoreError
        If the file cannot be written.
    """
    with write_errors(path):
        unfinished, descriptor = _create_unfinished(_target(path))
        os.close(descriptor)
        unfinished.unlink()


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Convert errors of the operating system to one that names what was written.

    Raises
    ------
    EcgStoreError
        In place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> EcgStoreError:
    """Return the error for a file that cannot be written."""
    return EcgStoreError(
        f"{path}: cannot be written ({error.strerror or error}); check that the "
        "folder exists, is writable and has room"
    )


def _target(path: Path) -> Path:
    """Return the file that is replaced: where a link leads, else the path itself.

    Raises
    ------
    OSError
        If it is a folder, a device such as ``/dev/null``, or a link to itself.
    """
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    if target.is_symlink() or (target.exists() and not target.is_file()):
        raise OSError("not a file")  # a device would be removed, by root
    return target


def _create_unfinished(target: Path) -> tuple[Path, int]:
    """Create the file that is written in place of a target, and lock it.

    Its name is random, not made of the number of the process: processes of two machines
    or containers may have the same number, and share a folder.

    Returns
    -------
    path : Path
        The file.
    descriptor : int
        Its lock ends when this descriptor is closed.
    """
    path = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    try_lock(descriptor)
    return path, descriptor


def _remove_abandoned(target: Path) -> None:
    """Remove unfinished files of a target whose processes have ended."""
    name = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]+\.partial")
    with suppress(OSError), os.scandir(target.parent) as entries:
        found = [Path(entry.path) for entry in entries if name.fullmatch(entry.name)]
        for path in found:
            descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
            try:
                is_free = try_lock(descriptor)
                if is_free is None:
                    age = time.time() - os.fstat(descriptor).st_mtime
                    is_free = age > _ABANDONED_S
            finally:
                os.close(descriptor)
            if is_free:
                path.unlink()


class _Output(io.FileIO):
    """A file that remembers the first failure to write, and discards what follows.

    Libraries hide such a failure in errors of their own; and HDF5 tries again when it
    closes a file, and ends the process if it fails again.
    """

    failure: OSError | None = None

    def write(self, content: Any, /) -> int:
        """Write bytes; return their number."""
        written = self._attempt(lambda: super(_Output, self).write(content))
        return memoryview(content).nbytes if written is None else written

    def truncate(self, size: int | None = None, /) -> int:
        """Change the size of the file; return it."""
        new_size = self._attempt(lambda: super(_Output, self).truncate(size))
        return (size or self.tell()) if new_size is None else new_size

    def _attempt(self, change: Callable[[], int]) -> int | None:
        """Return the result of a change, None after a failure."""
        if self.failure is not None:
            return None
        try:
            return change()
        except OSError as error:
            self.failure = error
            raise


@contextmanager
def replace_file(
    path: Path, mode: str = "w", *, replace: bool = True
) -> Iterator[IO[Any]]:
    r"""Open a file that gets its name only when it is complete.

    A link stays, and the file that it leads to is replaced; permissions of an older
    file stay. What an earlier process that was killed has left unfinished is removed.

    Parameters
    ----------
    path : Path
        The final name; an older file of that name stays until the new one is complete.
    mode : {"w", "wb"}
        Text in UTF-8, or bytes, which can be read back. Characters that UTF-8 does not
        have, as from file names that are not UTF-8, are written as ``\udcff``.
    replace : bool
        Whether an older file of that name may be replaced.

    Raises
    ------
    EcgStoreError
        If the file cannot be written there, whatever the library that writes it makes
        of that; from a FileExistsError if there is an older file that may not be
        replaced.
    """
    with write_errors(path):
        target = _target(path)
        _remove_abandoned(target)
        unfinished, descriptor = _create_unfinished(target)
        if os.name != "posix":  # Windows renames no file that is open
            os.close(descriptor)
    try:
        raw = _Output(unfinished, "r+")
        try:
            with _buffered(raw, mode) as file:
                yield file
        except Exception as error:
            failure = raw.failure
            if failure is None and getattr(error, "errno", None) in FULL_DISK:
                failure = cast(OSError, error)
            if failure is None:
                raise
            raise _unwritable(path, failure) from error
        with write_errors(path):
            if raw.failure is not None:
                raise raw.failure
            publish(unfinished, target, replace=replace)
    finally:
        unfinished.unlink(missing_ok=True)
        if os.name == "posix":
            os.close(descriptor)


def _buffered(raw: io.FileIO, mode: str) -> IO[Any]:
    """Return a file object for text or bytes."""
    buffered = io.BufferedRandom(raw)
    if mode == "wb":
        return buffered
    text = io.TextIOWrapper(
        buffered, encoding="utf-8", errors="backslashreplace", newline=""
    )
    return cast(IO[Any], text)
