"""Copy the records of a folder at a URL to the disk, several files at a time."""

import errno
import fnmatch
import hashlib
import os
import posixpath
import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from ecgstore.errors import EcgStoreError, RecordError, StoreClosedError, counted
from ecgstore.remote_records.listing import Listing
from ecgstore.remote_records.names import is_safe
from ecgstore.remote_records.remote_folder import FileVersion, RemoteFolder
from ecgstore.sources import format_of, known_formats
from ecgstore.sources.array_layout import read_layout
from ecgstore.storage.remote.attempts import is_missing
from ecgstore.storage.remote.cache import cannot_be_written
from ecgstore.system.atomic_files import sync_file
from ecgstore.system.progress import Progress

UNFINISHED: Final = ".unfinished"
"""Folder of files that are not complete; a search for records leaves it out."""

_AT_ONCE: Final = 32
_MOST_WAITING: Final = 4 * _AT_ONCE

_MOST_BYTES: Final = 1 << 34
"""Bytes of a file; a record of more is not read."""

_MOST_NAMED: Final = 10_000
"""Files of a record."""

_MOST_IN_A_ROW: Final = 32
"""Files that fail one after the other, by which a server is taken to be gone."""

_NOT_A_NAME: Final = (
    errno.EEXIST,
    errno.EILSEQ,
    errno.EINVAL,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
)
"""Numbers of errors of a name that the file system does not take beside others."""

_ARRAYS: Final = ".toml"

_ABANDONED_S: Final = 24 * 3600
"""Age of an unfinished file that nothing writes any more."""


class Download:
    """The files of a folder at a URL, on their way to a folder on the disk.

    A file gets its name when it is complete, and what is there in the version of the
    server is not fetched again.

    Parameters
    ----------
    remote : RemoteFolder
        The folder at a URL.
    folder : Path
        The folder on the disk.
    checksums : dict
        SHA-256 of files, by their names below the folder.

    Attributes
    ----------
    failures : dict of str to str
        Names of files that could not be fetched, and why; not of those that the server
        does not have, where only the header of a record names them.
    """

    def __init__(
        self, remote: RemoteFolder, folder: Path, checksums: dict[str, bytes]
    ) -> None:
        self.failures: dict[str, str] = {}
        self._remote = remote
        self._folder = folder
        self._checksums = checksums
        self._lock = threading.Lock()
        self._n_in_a_row = 0
        self._n_bytes = 0

    def fetch(self, listing: Listing, *, quiet: bool) -> None:
        """Fetch the records that are listed.

        Raises
        ------
        EcgStoreError
            If the server is gone, or the disk is full. The next call goes on.
        """
        try:
            (self._folder / UNFINISHED).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_be_written(self._folder, error) from error
        self._remove_abandoned()
        wanted = [name for name in listing.files if _is_wanted(name)]
        unit = "files" if listing.is_complete else "records"
        with (
            Progress("fetch", len(wanted), unit=unit, quiet=quiet) as progress,
            ThreadPoolExecutor(_AT_ONCE, "ecgstore-fetch") as pool,
        ):
            waiting: set[Future[None]] = set()
            try:
                for name in wanted:
                    if len(waiting) >= _MOST_WAITING:
                        waiting = self._next(waiting, progress)
                    waiting.add(pool.submit(self._fetch_listed, name, listing))
                while waiting:
                    waiting = self._next(waiting, progress)
            except BaseException:
                self._remote.closed.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _remove_abandoned(self) -> None:
        """Remove unfinished files of processes that were killed."""
        with suppress(OSError), os.scandir(self._folder / UNFINISHED) as entries:
            for entry in entries:
                # Its own time is that of the server when it is complete.
                status = entry.stat(follow_symlinks=False)
                changed_s = max(status.st_mtime, status.st_ctime)
                if time.time() - changed_s > _ABANDONED_S:
                    os.unlink(entry)

    def _next(
        self, waiting: set[Future[None]], progress: Progress
    ) -> set[Future[None]]:
        """Wait for the next files; return those that are still under way."""
        done, rest = wait(waiting, return_when=FIRST_COMPLETED)
        if any(map(_was_ended, done)):
            done |= wait(rest).done
        # What ended the others says why they ended.
        for future in sorted(done, key=_was_ended):
            future.result()
        progress.update(len(done), f"{self._n_bytes / 1e6:.1f} MB")
        return rest

    def _fetch_listed(self, name: str, listing: Listing) -> None:
        """Fetch a file of the list, and the others that it says a record has."""
        if not self._fetched(name, listing.files[name], is_listed=True):
            return
        done = {name}
        while more := [*self._named(name, listing, done)]:
            for other in more[: _MOST_NAMED - len(done)]:
                self._fetched(other, listing.files.get(other), is_listed=False)
            done.update(more)
            if len(done) >= _MOST_NAMED:
                return

    def _named(self, name: str, listing: Listing, done: set[str]) -> Iterator[str]:
        """Yield the files that a header names, and that nothing else fetches."""
        path = self._folder / name
        suffix = path.suffix.lower()
        folder = posixpath.dirname(name)
        try:
            if suffix == _ARRAYS and listing.is_complete:
                pattern = read_layout(str(path)).files
                beside = [
                    posixpath.basename(other)
                    for other in listing.files
                    if posixpath.dirname(other) == folder
                ]
                files = fnmatch.filter(beside, pattern)
            elif suffix in known_formats() and format_of(str(path)).signal_suffixes:
                files = format_of(str(path)).read_header(str(path)).files(path)
            else:
                return
        except (RecordError, ValueError):
            return  # its scan says what is wrong
        for file in files:
            other = posixpath.join(folder, file)
            is_elsewhere = "/" in file or file.startswith(("~", "."))
            if other in done or is_elsewhere or not is_safe(other):
                continue
            if not (other in listing.files and _is_wanted(other)):
                yield other

    def _fetched(
        self, name: str, version: FileVersion | None, *, is_listed: bool
    ) -> bool:
        """Fetch a file unless it is there; return whether it is now."""
        try:
            self._fetch(name, version)
        except EcgStoreError as error:
            if self._remote.closed.is_set():
                raise
            if is_listed or not is_missing(error):
                self._fail(name, error)
            # What is not the server's is not used in its place.
            with suppress(OSError):
                (self._folder / name).unlink()
            return False
        with self._lock:
            self._n_in_a_row = 0
        return True

    def _fail(self, name: str, error: EcgStoreError) -> None:
        """Note a file that cannot be fetched."""
        with self._lock:
            self.failures[name] = str(error)
            if is_missing(error):
                self._n_in_a_row = 0
                return
            self._n_in_a_row += 1
            if self._n_in_a_row < _MOST_IN_A_ROW:
                return
        self._remote.closed.set()
        raise EcgStoreError(
            f"{self._remote.shown}: {counted(_MOST_IN_A_ROW, 'file')} one after the "
            f"other cannot be fetched, such as {error}; run the same command again to "
            "go on"
        )

    def _fetch(self, name: str, version: FileVersion | None) -> None:
        """Fetch a file unless it is there in the version of the server."""
        target = self._folder / name
        try:
            self._check_place(target)
            there = _version_there(target)
            if there is not None and version is None:
                version = self._remote.version(name)
            if there is None or there != version or not there.time_ns:
                self._replace(target, name)
        except OSError as error:
            if error.errno in _NOT_A_NAME:
                raise EcgStoreError(
                    f"{self._remote.shown}/{name}: a file of this name cannot be "
                    f"written beside the others ({error.strerror})"
                ) from error
            self._remote.closed.set()
            raise cannot_be_written(self._folder, error) from error

    def _check_place(self, target: Path) -> None:
        """Make the folder of a file; refuse one to which a link leads."""
        real = os.path.realpath(self._folder)
        below = target.parent.relative_to(self._folder)
        if ".." in below.parts or os.path.realpath(target.parent) != os.path.normpath(
            os.path.join(real, below)
        ):
            raise EcgStoreError(
                f"{target}: a link leads out of the folder of fetched records; remove "
                "it"
            )
        target.parent.mkdir(parents=True, exist_ok=True)

    def _replace(self, target: Path, name: str) -> None:
        """Fetch a file, and give it its name."""
        unfinished = self._folder / UNFINISHED / secrets.token_hex(8)
        try:
            with unfinished.open("xb") as file:
                body = _Body(self._remote, name, file, self._checksums.get(name))
                version = self._remote.repeated(body.request, name)
            os.utime(unfinished, ns=(version.time_ns, version.time_ns))
            sync_file(unfinished)
            os.replace(unfinished, target)
        finally:
            unfinished.unlink(missing_ok=True)
        with self._lock:
            self._n_bytes += version.n_bytes


def _was_ended(future: Future[None]) -> bool:
    """Return whether a file was not fetched because fetching was ended."""
    return isinstance(future.exception(), StoreClosedError)


class _Body:
    """The content of a file, which is written as it comes.

    After a break, the rest of the same version is asked for, if the server can tell
    versions apart, or else the whole again.
    """

    def __init__(
        self, remote: RemoteFolder, name: str, file: Any, sha256: bytes | None
    ) -> None:
        self._remote, self._name, self._file = remote, name, file
        self._expected = sha256
        self._sha256 = hashlib.sha256()
        self._n_bytes = self._n_expected = 0
        self._e_tag: str | None = None
        self._version: FileVersion | None = None

    def request(self) -> FileVersion:
        """Request the file, or its rest, once, and write it; return its version."""
        from obstore import exceptions

        rest = (self._n_bytes, self._n_expected) if self._n_bytes else None
        try:
            meta, pieces = self._remote.get(self._name, rest, self._e_tag)
        except (exceptions.NotSupportedError, exceptions.PreconditionError):
            if rest is None:
                raise
            self._begin_anew()
            return self.request()
        version = FileVersion.of(meta)
        if rest is not None and version != self._version:
            # Not every server knows the condition.
            self._begin_anew()
            raise ValueError("was replaced while it was fetched")
        self._version = version
        self._n_expected = version.n_bytes
        if version.n_bytes > _MOST_BYTES:
            raise EcgStoreError(
                f"{self._remote.shown}/{self._name}: has {version.n_bytes} bytes; "
                f"expected at most {_MOST_BYTES}"
            )
        e_tag = meta.get("e_tag") or ""
        self._e_tag = e_tag if e_tag and not e_tag.startswith("W/") else None
        try:
            for piece in pieces:
                self._write(piece)
            if self._n_bytes != version.n_bytes:
                raise ValueError(f"{self._n_bytes} bytes of {version.n_bytes}")
        except Exception:
            if self._e_tag is None or self._n_bytes == self._n_expected:
                self._begin_anew()
            raise
        if self._expected not in (None, self._sha256.digest()):
            self._begin_anew()
            raise ValueError("its SHA-256 is not the one of the list")
        return version

    def _write(self, piece: bytes) -> None:
        """Write the next bytes."""
        if self._remote.closed.is_set():
            raise EcgStoreError(f"{self._remote.shown}: fetching was stopped")
        if self._n_bytes + len(piece) > self._n_expected:
            raise ValueError(f"more than {self._n_expected} bytes")
        try:
            self._file.write(piece)
        except OSError as error:
            self._remote.closed.set()
            raise cannot_be_written(Path(self._file.name), error) from error
        self._sha256.update(piece)
        self._n_bytes += len(piece)

    def _begin_anew(self) -> None:
        """Forget what was written."""
        self._file.seek(0)
        self._file.truncate()
        self._sha256 = hashlib.sha256()
        self._n_bytes, self._e_tag = 0, None


def _is_wanted(name: str) -> bool:
    """Return whether a file may be one of a record, by its suffix."""
    suffix = os.path.splitext(name)[1].lower()
    formats = known_formats()
    return suffix in formats or any(
        suffix in format_.signal_suffixes for format_ in formats.values()
    )


def _version_there(path: Path) -> FileVersion | None:
    """Return the version of the server of which a file is a copy; None without one."""
    with suppress(OSError, ValueError):
        status = os.lstat(path)
        return FileVersion(status.st_size, status.st_mtime_ns)
    return None
