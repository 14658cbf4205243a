"""A folder at a URL: its files, and what a bucket lists of it."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import quote, urlsplit

from ecgstore.errors import EcgStoreError
from ecgstore.storage.remote.attempts import is_denied, is_missing, repeated
from ecgstore.storage.remote.object_reader import Connections
from ecgstore.system.urls import shown

Answer = TypeVar("Answer")

_PIECE: Final = 1 << 20
"""Bytes that are in memory of each file under way."""


class FileVersion(NamedTuple):
    """What tells one version of a file from others.

    Attributes
    ----------
    n_bytes : int
        Its size.
    time_ns : int
        Time of its last change in whole seconds, and a hash of its ETag below them: a
        copy on the disk gets this time, so that nothing else need remember its version.
        0 if the server tells neither.
    """

    n_bytes: int
    time_ns: int

    @classmethod
    def of(cls, meta: Any) -> "FileVersion":
        """Return the version that an answer names."""
        modified: datetime = meta["last_modified"]
        e_tag = meta.get("e_tag") or ""
        digest = hashlib.sha256(e_tag.encode()).digest()
        # Whole microseconds, because some file systems have no shorter times.
        below = int.from_bytes(digest[:8], "big") % 1_000_000 if e_tag else 0
        seconds = max(0, int(modified.timestamp()))
        return cls(int(meta["size"]), seconds * 1_000_000_000 + below * 1000)


class RemoteFolder:
    """A folder at a URL. Can be used from several threads.

    Parameters
    ----------
    url : str
        Its URL.

    Attributes
    ----------
    url, shown : str
        Its URL, and what may be shown of it.
    is_bucket : bool
        Whether it is in a bucket, which lists its files.
    closed : threading.Event
        Set if no further requests shall be made.

    Raises
    ------
    EcgStoreError
        If the library for URLs is not installed.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        path = parts.path.rstrip("/")
        self.url = parts._replace(path=path, fragment="").geturl()
        self.shown = shown(self.url)
        self.is_bucket = not parts.scheme.startswith("http")
        self.closed = threading.Event()
        self._store = Connections().to(self.url, self.shown, {})

    def repeated(self, request: Callable[[], Answer], name: str) -> Answer:
        """Return what a request for a file returns, after some attempts.

        Raises
        ------
        EcgStoreError
            If it fails for good.
        """
        return repeated(
            request,
            f"{self.shown}/{name}".rstrip("/"),
            self.closed,
            expected="a file of a record",
        )

    def page_url(self, folder: str) -> str:
        """Return the URL of a folder below this one, whose name ends with ``/``."""
        parts = urlsplit(self.url)
        return parts._replace(path=f"{parts.path}/{quote(folder)}").geturl()

    def version(self, name: str) -> FileVersion:
        """Return the version of a file, without its bytes."""
        return self.repeated(lambda: FileVersion.of(self._store.head(name)), name)

    def get(
        self, name: str, rest: tuple[int, int] | None = None, e_tag: str | None = None
    ) -> tuple[dict[str, Any], Iterator[bytes]]:
        """Request a file once, or the rest of one of its versions.

        Parameters
        ----------
        name : str
            Its name below the folder.
        rest : tuple of int, optional
            Begin and end of the bytes to send.
        e_tag : str, optional
            The ETag of the version that they are of.

        Returns
        -------
        meta : dict
            What is known of it.
        pieces : iterator of bytes
            Its content.
        """
        options: dict[str, Any] = {}
        if rest is not None:
            options = {"range": rest, "if_match": e_tag}
        answer = self._store.get(name, options=options)
        return answer.meta, map(bytes, answer.stream(min_chunk_size=_PIECE))

    def text(self, name: str, most_bytes: int) -> str | None:
        """Return the content of a small file of text; None if there is none.

        Raises
        ------
        EcgStoreError
            If it cannot be read, or is larger than that.
        """

        def request() -> str:
            meta, pieces = self.get(name)
            content = bytearray()
            if meta["size"] <= most_bytes:
                for piece in pieces:
                    content += piece
                    if len(content) > most_bytes:
                        break
            if max(meta["size"], len(content)) > most_bytes:
                raise EcgStoreError(
                    f"{self.shown}/{name}: has {meta['size']} bytes; expected at most "
                    f"{most_bytes}"
                )
            if len(content) != meta["size"]:
                raise ValueError(f"{len(content)} bytes of {meta['size']}")
            return content.decode("utf-8", "surrogateescape")

        try:
            return self.repeated(request, name)
        except EcgStoreError as error:
            # Buckets on the web deny access to what they do not have.
            if is_missing(error) or is_denied(error):
                return None
            raise

    def objects(self, most: int) -> list[tuple[str, FileVersion]]:
        """Return name and version of everything in the folder of a bucket.

        Raises
        ------
        EcgStoreError
            If it cannot be listed, or holds more than that.
        """

        def request() -> list[tuple[str, FileVersion]]:
            found: list[tuple[str, FileVersion]] = []
            for page in self._store.list(chunk_size=1000):
                found += ((meta["path"], FileVersion.of(meta)) for meta in page)
                if len(found) > most:
                    raise EcgStoreError(
                        f"{self.shown}: holds more than {most} objects; give the "
                        "folders in it one by one"
                    )
            return found

        return self.repeated(request, "")
