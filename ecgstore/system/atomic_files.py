"""Write files that get their name only when they are complete and on the disk."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ecgstore.errors import EcgStoreError


def sync_file(path: Path) -> None:
    """Wait until a file's content is on the disk."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish(unfinished: Path, final: Path) -> None:
    """Give a finished file its final name, in place of an older file of that name.

    Afterwards, even if the machine stops, the final name belongs either to the whole
    new file or to the older one.
    """
    sync_file(unfinished)
    os.replace(unfinished, final)
    if os.name == "posix":  # Windows can neither open folders nor needs it
        descriptor = os.open(final.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


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


def check_writable(path: Path) -> None:
    """Check that `replace_file` can write to a path, without changing it.

    Raises
    ------
    EcgStoreError
        If the file cannot be written.
    """
    unfinished = _unfinished(path)
    try:
        _require_file(path)
        unfinished.touch()
        unfinished.unlink()
    except OSError as error:
        raise _unwritable(path, error) from error


def _unfinished(path: Path) -> Path:
    """Return the temporary path of a file that is being written."""
    return path.with_name(f".{path.name}.{os.getpid()}.partial")


def _require_file(path: Path) -> None:
    """Raise an OSError if a path is a folder, or a device such as ``/dev/null``."""
    if path.exists() and not path.is_file():
        raise OSError("not a file")  # a device would be removed, by root


def _unwritable(path: Path, error: OSError) -> EcgStoreError:
    """Return the error for a file that cannot be written."""
    return EcgStoreError(
        f"{path}: cannot be written ({error.strerror or error}); check that the "
        "folder exists, is writable and has room"
    )


@contextmanager
def replace_path(path: Path) -> Iterator[Path]:
    """Yield the path of an empty file that is renamed when it is complete.

    For libraries that write to a path only; otherwise see `replace_file`.

    Parameters
    ----------
    path : Path
        The final name; an older file of that name stays until the new one is complete.

    Raises
    ------
    EcgStoreError
        If the file cannot be written.
    """
    unfinished = _unfinished(path)
    try:
        _require_file(path)
        try:
            unfinished.touch()  # fails at once if the folder is not writable
            yield unfinished
            publish(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


@contextmanager
def replace_file(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file that gets its name only when it is complete.

    Parameters
    ----------
    path : Path
        The final name; an older file of that name stays until the new one is complete.
    mode : {"w", "wb"}
        Text in UTF-8, or bytes.

    Raises
    ------
    EcgStoreError
        If the file cannot be written there.
    """
    encoding, newline = ("utf-8", "") if mode == "w" else (None, None)
    with (
        replace_path(path) as unfinished,
        unfinished.open(mode, encoding=encoding, newline=newline) as file,
    ):
        yield file
