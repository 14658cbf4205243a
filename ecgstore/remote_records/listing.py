"""Which files a folder at a URL has, by a bucket's list, RECORDS files or web pages."""

import os
import posixpath
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from ecgstore.errors import EcgStoreError
from ecgstore.remote_records.index_page import links_of_page
from ecgstore.remote_records.names import is_hidden, is_safe
from ecgstore.remote_records.remote_folder import FileVersion, RemoteFolder
from ecgstore.sources import known_formats

RECORDS: Final = "RECORDS"
"""The file of PhysioNet that lists the records of a folder, and its folders."""

HEADER: Final = ".hea"
"""Suffix of the headers of records whose names have none in RECORDS."""

_MOST_FILES: Final = 10_000_000
_MOST_FOLDERS: Final = 1_000_000
_MOST_DEPTH: Final = 16
_UNSAFE_SHOWN: Final = 1000
_MOST_BYTES: Final = 1 << 28
"""Bytes of a file RECORDS; that of the 800,000 records of MIMIC-IV-ECG has 2^25."""


@dataclass(slots=True)
class Listing:
    """The files that a folder at a URL lists.

    Attributes
    ----------
    files : dict
        Their names below the folder, and the version of each where it is known.
    is_complete : bool
        Whether signal files are listed, too, and not the headers of records only.
    unsafe : list of str
        Some of the names that lead out of the folder, or that no file can have.
    n_unsafe : int
        Number of all of them.
    """

    files: dict[str, FileVersion | None] = field(default_factory=dict)
    is_complete: bool = True
    unsafe: list[str] = field(default_factory=list)
    n_unsafe: int = 0

    def add(self, name: str, version: FileVersion | None = None) -> None:
        """Add a file, unless its name is not safe, or hidden."""
        if not is_safe(name):
            self.refuse(name)
        elif not is_hidden(name):
            self.files[name] = version

    def refuse(self, name: str) -> None:
        """Note a name that is not safe."""
        self.n_unsafe += 1
        if len(self.unsafe) < _UNSAFE_SHOWN:
            self.unsafe.append(name)


def list_records(remote: RemoteFolder) -> Listing | None:
    """Return what a bucket lists of a folder, or its file ``RECORDS`` on a web server.

    None if there is neither.

    Raises
    ------
    EcgStoreError
        If the list cannot be read, or is too long.
    """
    if remote.is_bucket:
        listing = Listing()
        for name, version in remote.objects(_MOST_FILES):
            listing.add(name, version)
        return listing if listing.files or listing.unsafe else None
    text = _records_file(remote, "")
    return None if text is None else _by_records(remote, text)


def header_of(name: str) -> str | None:
    """Return the name of the header of a record; None if a name is that of no record.

    Parameters
    ----------
    name : str
        The name of a header, or of a signal file beside it.

    Examples
    --------
    >>> header_of("A0001.mat"), header_of("A0001.HEA"), header_of("A0001")
    ('A0001.hea', 'A0001.HEA', None)
    """
    stem, suffix = os.path.splitext(name)
    for header, format_ in known_formats().items():
        if suffix.lower() == header:
            return name
        if suffix.lower() in format_.signal_suffixes:
            return stem + header
    return None


def _by_records(remote: RemoteFolder, text: str) -> Listing:
    """Return the records of a file RECORDS, and of those of the folders that it names.

    Each line is a record without its suffix, or a folder with ``/`` at its end, which
    has a RECORDS of its own.
    """
    listing = Listing(is_complete=False)
    waiting = [("", text)]
    seen = {""}
    n_bytes = len(text)
    while waiting:
        folder, text = waiting.pop()
        for line in filter(None, map(str.strip, text.splitlines())):
            name = posixpath.join(folder, line) if not line.startswith("/") else line
            if not line.endswith("/"):
                suffix = os.path.splitext(name)[1].lower()
                known = suffix in known_formats()
                listing.add(name if known else name + HEADER)
                continue
            below = name.rstrip("/")
            if not is_safe(below):
                listing.refuse(name)
            elif below not in seen:
                seen.add(below)
                more = _records_file(remote, f"{below}/")
                if more is None:
                    raise EcgStoreError(
                        f"{remote.shown}/{below}/{RECORDS}: there is no such file, but "
                        f"a {RECORDS} above names the folder; give the URL of a folder "
                        "whose list is complete"
                    )
                n_bytes += len(more)
                if n_bytes > _MOST_BYTES:
                    raise EcgStoreError(
                        f"{remote.shown}: its files {RECORDS} have more than "
                        f"{_MOST_BYTES} bytes; give the folders in it one by one"
                    )
                waiting.append((below, more))
        _check_number(remote, listing, seen)
    return listing


def _records_file(remote: RemoteFolder, folder: str) -> str | None:
    """Return the content of the file RECORDS of a folder; None if it has none."""
    text = remote.text(f"{folder}{RECORDS}", _MOST_BYTES)
    # Some servers answer with a page where there is no file.
    return None if text is None or text.lstrip().startswith("<") else text


def list_pages(remote: RemoteFolder) -> Listing | None:
    """Return the files that web pages link to, as servers make them of folders.

    None if there is no such page, or no link in it.

    Raises
    ------
    EcgStoreError
        If a page cannot be read, or there are too many.
    """
    if remote.is_bucket:
        return None
    listing = Listing()
    waiting = [""]
    seen = {""}
    while waiting:
        folder = waiting.pop()
        links = links_of_page(remote, folder)
        if links is None:
            if not folder:
                return None
            continue  # a link to what is no folder
        for link in links:
            name = folder + link
            if not link.endswith("/"):
                listing.add(name)
            elif not is_safe(name.rstrip("/")):
                listing.refuse(name)
            elif name not in seen and name.count("/") <= _MOST_DEPTH:
                seen.add(name)
                if not is_hidden(name):
                    waiting.append(name)
        _check_number(remote, listing, seen)
    return listing if listing.files or listing.unsafe else None


def _check_number(
    remote: RemoteFolder, listing: Listing, folders: Collection[str]
) -> None:
    """Refuse a folder that has no end."""
    n_files = len(listing.files) + listing.n_unsafe
    if n_files > _MOST_FILES or len(folders) > _MOST_FOLDERS:
        raise EcgStoreError(
            f"{remote.shown}: lists more than {_MOST_FILES} files or {_MOST_FOLDERS} "
            "folders; give the folders in it one by one"
        )
