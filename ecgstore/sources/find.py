"""Find the headers of records in a tree of folders."""

import os
from collections.abc import Iterator
from pathlib import Path

from ecgstore.errors import EcgStoreError
from ecgstore.sources.formats import FORMATS, HEADER_FILES


def find_headers(root: Path) -> Iterator[Path]:
    """Find every header (``.hea`` file) below a folder, in any layout of folders.

    Headers are sorted by name within each folder, so that the order is the same on
    every machine. Only the names in one folder and its parents are in memory at a time.
    Hidden files and folders are left out. Links to folders are followed, but no folder
    is read twice, so that a loop of links ends.

    Parameters
    ----------
    root : Path
        A folder, or a single ``.hea`` file, which is then the only one yielded.

    Returns
    -------
    iterator of Path
        The headers; each begins with `root`.

    Raises
    ------
    EcgStoreError
        If `root` is neither, or, during iteration, if a folder cannot be read.
    """
    if root.is_dir():
        return _walk(os.fspath(root))
    if not root.exists():
        raise EcgStoreError(
            f"{root}: no such folder or file; give the folder that holds the records' "
            f"{HEADER_FILES} files, or one such file"
        )
    if root.suffix not in FORMATS:
        raise EcgStoreError(
            f"{root}: expected a folder or a {HEADER_FILES} file; give the folder that "
            "holds it"
        )
    return iter((root,))


def _walk(root: str) -> Iterator[Path]:
    """Yield the headers below a folder, depth first, with a stack of open folders."""
    visited = {_identity(root)}
    stack = [(root, iter(_names(root)))]
    while stack:
        folder, names = stack[-1]
        name = next(names, None)
        if name is None:
            stack.pop()
            continue
        path = os.path.join(folder, name)
        if not name.endswith("/"):
            yield Path(path)
        elif (identity := _identity(path)) not in visited:
            visited.add(identity)
            stack.append((path, iter(_names(path))))


def _names(folder: str) -> list[str]:
    """Return the sorted names of a folder's headers, and of its subfolders with "/"."""
    names = []
    suffixes = tuple(FORMATS)
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    names.append(f"{entry.name}/")
                elif entry.name.endswith(suffixes):
                    names.append(entry.name)
    except OSError as error:
        raise _unreadable(folder, error) from error
    names.sort()
    return names


def _identity(folder: str) -> tuple[int, int]:
    """Return the device and inode of a folder, equal for all paths to it."""
    try:
        status = os.stat(folder)
    except OSError as error:
        raise _unreadable(folder, error) from error
    return status.st_dev, status.st_ino


def _unreadable(folder: str, error: OSError) -> EcgStoreError:
    """Return the error for a folder that cannot be listed."""
    return EcgStoreError(
        f"{folder}: cannot read this folder ({error.strerror}); get permission to read "
        "it, or move it out of the source folder"
    )
