"""Read ranges of one version of an object at a URL, several at the same time."""

import os
import random
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ecgstore.errors import EcgStoreError, StoreClosedError
from ecgstore.storage.remote.hub import HUB, http_of_hub, hub_headers
from ecgstore.system.urls import divided, shown

_ATTEMPTS: Final = 5
_FIRST_PAUSE_S: Final = 0.1

_SILENCE_S: Final = 30
"""How long a server may send nothing."""

_TIMEOUT_S: Final = 600
"""How long a request may take. All those that are under way, 64 MB, share the line: at
10 Mbit/s they take a minute."""

_MACHINE_ROLES: Final = "169.254.169.254"
"""Where clouds give machines their credentials."""

_NO_CREDENTIALS: Final = (
    "credentials are missing; looked for those of the service in the environment "
    "(AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, for other services see "
    "docs/remote.md) and for the role of this machine; AWS_SKIP_SIGNATURE=true reads "
    "public buckets"
)

_used_by: int | None = None
"""The process that made the first request; a process forked from it cannot make any."""


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
        from obstore import exceptions

        final = (
            FileNotFoundError,
            PermissionError,
            exceptions.NotFoundError,
            exceptions.NotSupportedError,
            exceptions.PermissionDeniedError,
            exceptions.UnauthenticatedError,
        )
        self.check_process()
        for attempt in range(1, _ATTEMPTS + 1):
            if self._closed.is_set():
                raise StoreClosedError(f"{self.shown}: the store was closed")
            try:
                return self._request(begin, end)
            except exceptions.PreconditionError as error:
                raise self._replaced() from error
            except final as error:
                raise self._failed(error) from error
            except Exception as error:  # of the server, the network or its body
                if attempt == _ATTEMPTS or _MACHINE_ROLES in str(error):
                    raise self._failed(error) from error
                with self._lock:
                    self.transfers.n_repeated += 1
                pause = _FIRST_PAUSE_S * 2 ** (attempt - 1)
                self._closed.wait(pause * random.uniform(0.5, 1.5))
        raise AssertionError

    def _request(self, begin: int, end: int) -> tuple[bytes, Version]:
        """Request a range once.

        Raises
        ------
        ValueError
            If the answer is not the range that was asked for.
        """
        note_request()
        options: dict[str, Any] = {"range": (begin, end)}
        # The Hub leads to other servers, which know other ETags.
        sends_tag = not self._is_of_hub
        if sends_tag and self._version is not None and self._version.is_strong:
            options["if_match"] = self._version.e_tag
        answer = self._store.get(self._name, options=options)
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
        require_own_process(self.shown)

    def _replaced(self) -> EcgStoreError:
        """Return the error for another version of the object."""
        return EcgStoreError(
            f"{self.shown}: was replaced by another object since it was opened; open "
            "it again"
        )

    def _failed(self, error: Exception) -> EcgStoreError:
        """Return the error for an object that cannot be read."""
        kind = type(error).__name__
        advice = {
            "FileNotFoundError": "there is no such object; expected the URL of a store",
            "NotFoundError": "there is no such object; expected the URL of a store",
            "NotSupportedError": "the server does not send ranges of its files; "
            "expected one that does (HTTP 206), or download the store",
        }.get(kind)
        advice = credentials_advice(error) or advice
        if advice is None:
            advice = (
                f"cannot be read, after {_ATTEMPTS} attempts ({cause(error)}); check "
                "the address and the connection"
            )
        return EcgStoreError(f"{self.shown}: {advice}")


def require_own_process(place: str) -> None:
    """Refuse to make requests in a forked process: they would never end.

    Parameters
    ----------
    place : str
        What would be read or written, for the message.

    Raises
    ------
    EcgStoreError
        If this process was forked from one that has made requests.
    """
    if _used_by is not None and _used_by != os.getpid():
        raise EcgStoreError(
            f"{place}: this process was forked from one that has read from a "
            "URL already, and the library for URLs does not work then; start "
            "processes by spawn or forkserver, as "
            "DataLoader(..., multiprocessing_context='spawn') does"
        )


def note_request() -> None:
    """Note that this process makes requests; see `require_own_process`."""
    global _used_by
    _used_by = os.getpid()


def credentials_advice(error: Exception) -> str | None:
    """Return what to do about credentials; None if they are not what is wrong."""
    kind = type(error).__name__
    # The role of the machine is asked for last, if there are no others.
    if kind == "UnauthenticatedError" or _MACHINE_ROLES in str(error):
        return _NO_CREDENTIALS
    if kind == "PermissionDeniedError":
        return "access is denied; check the credentials"
    return None


def cause(error: Exception) -> str:
    """Return what an error of the library says, for a message of one line."""
    first_line = next(iter(str(error).splitlines()), "")
    # Without what URLs in it have before their host and behind their path.
    line = re.sub(
        r"(://)(?:[^/\s@]*@)?([^\s?\"')]*)(?:\?[^\s\"')]*)?", r"\1\2", first_line
    )
    return f"{type(error).__name__}: {line[:200]}"


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
