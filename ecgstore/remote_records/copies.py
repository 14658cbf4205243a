"""Copies of records below URLs, in the cache or in a folder that is removed again."""

import os
import posixpath
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from ecgstore.errors import EcgStoreError, counted, short_repr
from ecgstore.remote_records.checksums import has_checksums, read_checksums
from ecgstore.remote_records.download import Download
from ecgstore.remote_records.listing import (
    HEADER,
    RECORDS,
    Listing,
    header_of,
    list_pages,
    list_records,
)
from ecgstore.remote_records.names import is_safe
from ecgstore.remote_records.remote_folder import RemoteFolder
from ecgstore.sources import file_of
from ecgstore.storage.remote.cache import DEFAULT_CACHE, chosen_cache
from ecgstore.storage.remote.hub import HUB
from ecgstore.system.scratch import scratch_folder

_FOLDER: Final = "records"
"""The folder of copies in the cache."""


class NoSuchRecordError(EcgStoreError):
    """The one record of a URL cannot be fetched."""


@dataclass(frozen=True, slots=True)
class RecordsCopy:
    """The copy of the records below a URL, or of one record.

    Attributes
    ----------
    root : Path
        The folder, or the header of the one record.
    url : str
        The URL of which it is a copy, as it may be shown.
    folder : Path
        The folder of the files.
    left_out : tuple of (Path, str)
        Where something could not be fetched, and the problem.
    names : frozenset of str
        Names below `folder` of the files that are listed, and were fetched. What else
        is there may have been deleted at the URL.
    """

    root: Path
    url: str
    folder: Path
    left_out: tuple[tuple[Path, str], ...]
    names: frozenset[str] = field(repr=False)

    def holds(self, header: Path) -> bool:
        """Return whether a header below the root is one that the URL lists."""
        file = Path(file_of(str(header)))
        return file.relative_to(self.folder).as_posix() in self.names

    def with_url(self, text: str) -> str:
        """Return a text in which the URL stands in place of the path of the copy."""
        url = self.url if self.root == self.folder else posixpath.dirname(self.url)
        return text.replace(f"{self.folder}{os.sep}", f"{url}/").replace(
            str(self.folder), url
        )


@contextmanager
def cache_of_records() -> Iterator[Path]:
    """Return the folder for all copies: in the cache, or one that is removed again."""
    cache = chosen_cache(DEFAULT_CACHE)
    if cache is not None:
        yield cache / _FOLDER
        return
    with scratch_folder(None) as folder:
        yield folder / _FOLDER


@contextmanager
def copies_of(
    urls: Sequence[str], *, quiet: bool = False
) -> Iterator[tuple[Path, list[RecordsCopy]]]:
    """Copy the records below URLs to the disk.

    Copies stay in the cache, where the next call fetches only what is different. If the
    cache is off, they are removed at the end.

    Parameters
    ----------
    urls : sequence of str
        URLs of folders that list their files, or of single records: their headers,
        signal files beside a header, or ``.hea`` headers without the suffix.
    quiet : bool
        Show no progress.

    Yields
    ------
    place : Path
        The folder of all copies. Paths below it depend on the URLs alone.
    copies : list of RecordsCopy
        The copy for each URL.

    Raises
    ------
    EcgStoreError
        If a URL lists no records, its list cannot be read, the server is gone, or the
        disk is full.
    """
    with cache_of_records() as place:
        yield place, [_copy_of(url, place, quiet) for url in urls]


def _copy_of(url: str, place: Path, quiet: bool) -> RecordsCopy:
    """Copy the records below a URL, or the one record of a URL."""
    if url.startswith(HUB):
        raise EcgStoreError(
            f"{url}: the Hub does not list records; expected a folder of s3, gs, az, "
            "http or https, or download the data set: hf download --repo-type dataset"
        )
    parts = urlsplit(url)
    above, _, name = parts.path.rstrip("/").rpartition("/")
    folder = parts._replace(path=above).geturl()
    name = unquote(name) if parts.scheme.startswith("http") else name
    header = header_of(name)
    if header is not None:
        return _copy_of_record(RemoteFolder(folder), header, place, quiet)
    remote = RemoteFolder(url)
    listing = list_records(remote)
    if listing is None and name:
        with suppress(NoSuchRecordError):
            name += HEADER
            return _copy_of_record(RemoteFolder(folder), name, place, quiet)
    if listing is None:
        listing = list_pages(remote)
    if listing is None:
        raise EcgStoreError(
            f"{remote.shown}: lists no records; expected a folder of a bucket, a "
            f"folder with a file {RECORDS} or a page with links to its files, or a "
            "record"
        )
    return _copy_of_folder(remote, listing, place, quiet)


def _copy_of_record(
    remote: RemoteFolder, header: str, place: Path, quiet: bool
) -> RecordsCopy:
    """Return the copy of one record in a folder."""
    if not is_safe(header):
        raise EcgStoreError(
            f"{remote.shown}/{quote(header)}: is no name of a file; expected the URL "
            "of a record, such as https://host/ecg/A0001.hea"
        )
    folder = _folder_for(remote, place)
    download = Download(remote, folder, {})
    download.fetch(Listing({header: None}, is_complete=False), quiet=quiet)
    problem = download.failures.pop(header, None)
    if problem is not None:
        raise NoSuchRecordError(problem)
    return RecordsCopy(
        folder / header,
        f"{remote.shown}/{header}",
        folder,
        _left_out(folder, download),
        frozenset([header]),
    )


def _copy_of_folder(
    remote: RemoteFolder, listing: Listing, place: Path, quiet: bool
) -> RecordsCopy:
    """Return the copy of the records that a folder lists."""
    folder = _folder_for(remote, place)
    checksums = read_checksums(remote) if has_checksums(listing) else {}
    download = Download(remote, folder, checksums)
    download.fetch(listing, quiet=quiet)
    left_out = _left_out(folder, download)
    if listing.unsafe:
        problem = (
            f"lists {counted(listing.n_unsafe, 'name')} that no file below it can "
            f"have, such as {short_repr(listing.unsafe[0])}"
        )
        left_out = (*left_out, (folder, problem))
    names = frozenset(listing.files).difference(download.failures)
    return RecordsCopy(folder, remote.shown, folder, left_out, names)


def _left_out(folder: Path, download: Download) -> tuple[tuple[Path, str], ...]:
    """Return the paths of what could not be fetched, and the problems."""
    return tuple((folder / name, why) for name, why in download.failures.items())


def _folder_for(remote: RemoteFolder, place: Path) -> Path:
    """Return the folder for the copy of a folder: its URL, as folders."""
    parts = urlsplit(remote.url)
    host = parts.netloc.rpartition("@")[2].lower()
    path = unquote(parts.path) if parts.scheme.startswith("http") else parts.path
    name = "/".join([parts.scheme, quote(host, safe=""), *path.split("/")[1:]])
    if not is_safe(name):
        raise EcgStoreError(
            f"{remote.shown}: a part of it is no name of a folder; expected a plain URL"
        )
    return place / name
