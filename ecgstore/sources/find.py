"""Find the headers of records in a tree of folders."""

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from ecgstore.chosen_leads import if_a_lead
from ecgstore.errors import EcgStoreError
from ecgstore.sources.files import in_proc_or_sys
from ecgstore.sources.formats import file_of, format_of, header_files, known_formats
from ecgstore.system.known_files import known_file

OnUnreadable = Callable[[str, str], object]
"""Called with the path of a file or folder that cannot be read, and the problem."""

_N_NAMED: Final = 3

_MOST_CHARACTERS: Final = 200
"""Characters of a path in a sentence."""

# PTB-XL at 100 Hz. A build of a few records should take the originals at 500 Hz.
_LAST: Final = "records100/"


def find_headers(
    root: Path, on_unreadable: OnUnreadable | None = None
) -> Iterator[Path]:
    """Find the header of every record below a folder, in any layout of folders.

    Headers are sorted by name within each folder, so that the order is the same on
    every machine; PTB-XL's folder ``records100`` comes after the others beside it. Only
    the names in one folder and its parents are in memory at a time. Hidden files and
    folders are left out. Links to folders are followed, but not into ``/proc`` or
    ``/sys``, and no folder is read twice, so that a loop of links ends.

    Segments and layouts are parts of a multi-segment record and no records, so their
    headers are left out, as are files of other formats that hold no ECG. Only headers
    without a signal file of the same name are opened to find segments, because a
    multi-segment record has no signal file of its own.

    Parameters
    ----------
    root : Path
        A folder, a single header, which is then the only one yielded, even if it is a
        segment, or a file of many records, or the path of one in it.
    on_unreadable : callable, optional
        Called for every folder or link below `root` that cannot be read; the rest is
        searched. If left out, the first one is an error.

    Returns
    -------
    iterator of Path
        The headers; each begins with `root`.

    Raises
    ------
    EcgStoreError
        If `root` is neither, or, during iteration, if a folder cannot be read: `root`
        itself, or any other without `on_unreadable`.
    """
    if os.path.isdir(root):
        return _walk(os.fspath(root), on_unreadable or _refuse)
    name = os.fspath(root)
    file = file_of(name)
    if not os.path.exists(file):
        raise EcgStoreError(
            f"{root}: no such folder or file; give the folder that holds the records' "
            f"{header_files()} files, or one such file{if_a_lead(root)}"
        )
    if os.path.splitext(file)[1].lower() in known_formats():
        if file != name:
            return iter((root,))
        if records := [*map(Path, format_of(name).discover(name))]:
            return iter(records)
    known = known_file(root)
    raise EcgStoreError(
        f"{root}: {f'is {known}; ' if known else 'holds no ECG; '}expected a folder or "
        f"a {header_files()} file with an ECG; give the folder that holds it"
    )


def describe_unreadable(paths: Iterable[tuple[str, str]]) -> str:
    """Return a sentence about what `find_headers` could not read.

    Parameters
    ----------
    paths : iterable of tuple of str
        Path and problem of each, one or more.

    Examples
    --------
    >>> describe_unreadable([("a/b", "Permission denied")])
    "folders or links that cannot be read are left out (1): 'a/b' (Permission denied)"
    """
    rest = iter(paths)
    named = [
        f"{_shortened(path)!a} ({problem})" for path, problem in islice(rest, _N_NAMED)
    ]
    n_paths = len(named) + sum(1 for _ in rest)
    more = ", ..." if n_paths > _N_NAMED else ""
    return (
        f"folders or links that cannot be read are left out ({n_paths}): "
        f"{', '.join(named)}{more}"
    )


def _shortened(path: str) -> str:
    """Return a path of which only the beginning and the end are shown if it is long."""
    if len(path) <= _MOST_CHARACTERS:
        return path
    half = _MOST_CHARACTERS // 2
    return f"{path[:half]}...{path[-half:]}"


def _walk(root: str, on_unreadable: OnUnreadable) -> Iterator[Path]:
    """Yield the headers below a folder, depth first, with a stack of open folders."""
    try:
        status = os.stat(root)
        visited = {(status.st_dev, status.st_ino)}
        stack = [(root, iter(_names(root, on_unreadable)))]
    except OSError as error:
        raise _unreadable(root, _problem(error)) from error
    while stack:
        folder, names = stack[-1]
        name = next(names, None)
        if name is None:
            stack.pop()
            continue
        path = os.path.join(folder, name)
        if not name.endswith("/"):
            yield from map(Path, format_of(path).discover(path))
            continue
        try:
            status = os.stat(path)
            identity = status.st_dev, status.st_ino
            if in_proc_or_sys(status):
                on_unreadable(path.removesuffix("/"), "in /proc or /sys, not on a disk")
            elif identity not in visited:
                visited.add(identity)
                stack.append((path, iter(_names(path, on_unreadable))))
        except OSError as error:
            on_unreadable(path.removesuffix("/"), _problem(error))


def _names(folder: str, on_unreadable: OnUnreadable) -> list[str]:
    """Return the sorted names of a folder's records, and of its subfolders with "/".

    Raises OSError if the folder cannot be read.
    """
    formats = known_formats()
    signal_suffixes = {
        suffix for format_ in formats.values() for suffix in format_.signal_suffixes
    }
    folders: list[str] = []
    headers: dict[str, str] = {}  # the part of each name before the suffix
    with_signal: set[str] = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name.startswith("."):
                continue
            problem = ""
            try:
                if entry.is_dir():
                    folders.append(f"{name}/")
                    continue
            except OSError as error:
                problem = _problem(error)
            stem, dot, ending = name.rpartition(".")
            suffix = dot + ending.lower()
            if suffix in formats:
                headers[name] = stem  # if it cannot be read, its scan says so
            elif suffix in signal_suffixes:
                with_signal.add(stem)
            elif entry.is_symlink() and (problem := problem or _dangling(entry.path)):
                on_unreadable(entry.path, problem)
    parts: set[str] = set()
    masters: set[str] = set()
    for name, stem in headers.items():
        if stem not in with_signal:
            path = os.path.join(folder, name)
            named = format_of(path).parts(path)
            parts |= named
            if named and stem not in named:
                masters.add(stem)
    # A master is never hidden as a segment of another: that other record is refused.
    hidden = parts - masters
    names = [name for name, stem in headers.items() if stem not in hidden]
    return sorted(names + folders, key=_place)


def _place(name: str) -> tuple[bool, str]:
    """Return the key by which the names in a folder are sorted."""
    return name == _LAST, name


def _dangling(link: str) -> str:
    """Return the problem of a link that leads nowhere; "" for another."""
    try:
        os.stat(link)
    except OSError as error:
        return _problem(error)
    return ""


def _problem(error: OSError) -> str:
    """Return what is wrong with a file, in the words of the operating system."""
    return error.strerror or type(error).__name__


def _refuse(path: str, problem: str) -> None:
    """Raise the error for something that cannot be read."""
    raise _unreadable(path, problem)


def _unreadable(path: str, problem: str) -> EcgStoreError:
    """Return the error for a folder that cannot be listed."""
    return EcgStoreError(
        f"{path}: cannot read this folder ({problem}); get permission to read it, or "
        "move it out of the source folder"
    )
