"""Read ranges of one version of an object at a URL, several at the same time."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ecgstore.errors import EcgStoreError
from ecgstore.storage.remote.attempts import cause, check_process, repeated
from ecgstore.storage.remote.hub import HUB, http_of_hub, hub_headers
from ecgstore.system.urls import divided, shown

_SILENCE_S: Final = 30
"""How long a server may send nothing."""

_TIMEOUT_S: Final = 600
"""How long a request may take. All those that are under way, 64 MB, share the line: at
10 Mbit/s they take a minute."""


class Version(NamedTuple):
    """What tells one version of an object from another.

    Attributes
    ----------
    n_bytes : int
        Its size.
    e_tag : str
        Its ETag; empty where the server gives none.
    modified : str
        Time of its last change.
    """

    n_bytes: int
    e_tag: str
    modified: str

    @property
    def is_strong(self) -> bool:
        """Whether requests can be made for this version only."""
        return bool(self.e_tag) and not self.e_tag.startswith("W/")


@dataclass(slots=True)
class Transfers:
    """What was transferred from one object, or from several.

    Attributes
    ----------
    n_requests : int
        Requests that succeeded.
    n_bytes : int
        Bytes of their answers.
    n_repeated : int
        Requests that failed, and were made again.
    """

    n_requests: int = 0
    n_bytes: int = 0
    n_repeated: int = 0

    def __sub__(self, other: "Transfers") -> "Transfers":
        return Transfers(
            self.n_requests - other.n_requests,
            self.n_bytes - other.n_bytes,
            self.n_repeated - other.n_repeated,
        )

    def __add__(self, other: "Transfers") -> "Transfers":
        return Transfers(
            self.n_requests + other.n_requests,
            self.n_bytes + other.n_bytes,
            self.n_repeated + other.n_repeated,
        )


class Connections:
    """Connections to the folders of objects, one for each, whatever it holds."""

    def __init__(self) -> None:
        self._stores: dict[str, Any] = {}

    def to(self, folder: str, url: str, headers: dict[str, str]) -> Any:
        """Return the connection to a folder; `url` is for messages."""
        if folder not in self._stores:
            self._stores[folder] = connect(folder, url, headers, _SILENCE_S, _TIMEOUT_S)
        return self._stores[folder]


class ObjectReader:
    """An object at a URL, pinned to the version that was found first.

    Can be used from several threads, and by processes that were not forked after the
    first request.

    Parameters
    ----------
    url : str
        Its URL.
    connections : Connections
        Those of all objects that are read together.

    Raises
    ------
    EcgStoreError
        If the library for URLs is not installed, or this process was forked from one
        that has made requests.
    """

    def __init__(self, url: str, connections: Connections) -> None:
        self.url = url
        self.shown = shown(url)
        self.transfers = Transfers()
        self._is_of_hub = url.startswith(HUB)
        folder, self._name = divided(http_of_hub(url) if self._is_of_hub else url)
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._version: Version | None = None
        self.check_process()
        headers = hub_headers() if self._is_of_hub else {}
        self._store = connections.to(folder, self.shown, headers)

    def begin(self, begin: int, end: int) -> tuple[bytes, Version]:
        """Return a range, and the version that all later answers must have."""
        self._version = None
        content, version = self._repeated(begin, end)
        self._version = version
        return content, version

    def read(self, begin: int, end: int) -> bytes:
        """Return a range of the version that was found first.

        Raises
        ------
        EcgStoreError
            If the object was replaced, or cannot be read.
        """
        content, version = self._repeated(begin, end)
        if version != self._version:
            raise self._replaced()
        return content

    def close(self) -> None:
        """Make no further requests; those that are under way end by themselves."""
        self._closed.set()

    def _repeated(self, begin: int, end: int) -> tuple[bytes, Version]:
        """Request a range; again after some time if the server or network fails."""
        return repeated(
            lambda: self._request(begin, end),
            self.shown,
            self._closed,
            expected="the URL of a store",
            on_failure=self._count_failure,
        )

    def _count_failure(self) -> None:
        """Count a request that is made again."""
        with self._lock:
            self.transfers.n_repeated += 1

    def _request(self, begin: int, end: int) -> tuple[bytes, Version]:
        """Request a range once.

        Raises
        ------
        EcgStoreError
            If the object was replaced.
        ValueError
            If the answer is not the range that was asked for.
        """
        from obstore.exceptions import PreconditionError

        options: dict[str, Any] = {"range": (begin, end)}
        # The Hub leads to other servers, which know other ETags.
        sends_tag = not self._is_of_hub
        if sends_tag and self._version is not None and self._version.is_strong:
            options["if_match"] = self._version.e_tag
        try:
            answer = self._store.get(self._name, options=options)
        except PreconditionError as error:
            raise self._replaced() from error
        meta = answer.meta
        version = Version(
            int(meta["size"]), meta.get("e_tag") or "", str(meta["last_modified"])
        )
        expected = (begin, min(end, version.n_bytes))
        n_bytes = expected[1] - begin
        # No more than one byte too many is taken: a body may have no end.
        content = bytes(next(iter(answer.stream(min_chunk_size=n_bytes + 1)), b""))
        if tuple(answer.range) != expected or len(content) != n_bytes:
            raise ValueError(
                f"{len(content)} bytes of range {tuple(answer.range)} for {expected}"
            )
        with self._lock:
            self.transfers.n_requests += 1
            self.transfers.n_bytes += len(content)
        return content, version

    def check_process(self) -> None:
        """Refuse to make requests in a forked process: they would never end."""
        check_process(self.shown)

    def _replaced(self) -> EcgStoreError:
        """Return the error for another version of the object."""
        return EcgStoreError(
            f"{self.shown}: was replaced by another object since it was opened; open "
            "it again"
        )


def connect(
    folder: str,
    url: str,
    headers: dict[str, str],
    silence_s: float,
    timeout_s: float,
) -> Any:
    """Return the library's store of the folder of a URL.

    Parameters
    ----------
    folder, url : str
        The URL of the folder, and that of the object for messages.
    headers : dict
        Headers of all requests.
    silence_s, timeout_s : float
        How long a server may send nothing, and how long a request may take.

    Raises
    ------
    EcgStoreError
        If there is no library for URLs, or it does not know this one.
    """
    try:
        from obstore.store import from_url
    except ImportError as error:
        raise EcgStoreError(
            f"{url}: the library for URLs is not installed: pip install "
            "'ecgstore[cloud]'"
        ) from error
    make: Callable[..., Any] = from_url
    try:
        return make(
            folder,
            client_options={
                "allow_http": True,
                "read_timeout": f"{silence_s}s",
                "timeout": f"{timeout_s}s",
                "default_headers": headers,
            },
            retry_config={"max_retries": 0},
        )
    except Exception as error:
        raise EcgStoreError(
            f"{url}: cannot be opened ({cause(error)}); expected a URL of http, https, "
            "s3, gs, az or hf, and credentials if it needs them"
        ) from error
