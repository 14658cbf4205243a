"""Make a request again if it fails, and say at last why it failed."""

import os
import random
import re
import threading
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

from ecgstore.errors import EcgStoreError, StoreClosedError

Answer = TypeVar("Answer")

ATTEMPTS: Final = 9
"""How often a request is made. The pauses between take 26 s in all: as long as a server
needs to start again."""

FIRST_PAUSE_S: Final = 0.1
"""Each pause is twice as long as the one before."""

_MACHINE_ROLES: Final = "169.254.169.254"
"""Where clouds give machines their credentials."""

_NO_CREDENTIALS: Final = (
    "credentials are missing; looked for those of the service in the environment "
    "(AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, for other services see "
    "docs/remote.md) and for the role of this machine; AWS_SKIP_SIGNATURE=true reads "
    "public buckets"
)
_NO_TOKEN: Final = (
    "credentials are missing or not valid, or there is no such data set; looked for a "
    "token in HF_TOKEN and for the one that `hf auth login` keeps"
)
_NO_PASSWORD: Final = (
    "credentials are missing or not valid; give them in the URL "
    "(https://user:password@host/...), or use a signed URL"
)

_DENIED: Final = "access is denied; check the credentials"
_DENIED_BY_HUB: Final = (
    "access is denied; check that the owner of the token (HF_TOKEN, or that of `hf "
    "auth login`) may read the data set"
)
_DENIED_BY_HOST: Final = (
    "access is denied, or there is no such object; check the address, and the "
    "signature or the password in it"
)

_REFUSED: Final = {
    "hf": (_NO_TOKEN, _DENIED_BY_HUB),
    "http": (_NO_PASSWORD, _DENIED_BY_HOST),
    "https": (_NO_PASSWORD, _DENIED_BY_HOST),
}
"""What an answer 401 or 403 means, by the scheme of URLs that are not of buckets."""

_used_by: int | None = None
"""The process that made the first request; a process forked from it cannot make any."""


class Purpose(NamedTuple):
    """What a request is for.

    Attributes
    ----------
    problem, advice : str
        What is wrong if it fails, and what to do.
    answers : tuple of type
        Errors that are answers: they are neither repeated nor explained.
    """

    problem: str
    advice: str
    answers: tuple[type[Exception], ...] = ()


READING: Final = Purpose("cannot be read", "check the address and the connection")


def check_process(place: str) -> None:
    """Refuse to make requests in a forked process: they would never end.

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


def repeated(
    request: Callable[[], Answer],
    place: str,
    closed: threading.Event,
    *,
    expected: str,
    purpose: Purpose = READING,
    on_failure: Callable[[], object] = lambda: None,
) -> Answer:
    """Return what a request returns; make it again if the server or network fails.

    Parameters
    ----------
    request : callable
        Makes the request once. An `EcgStoreError` that it raises is final.
    place : str
        The URL, for messages.
    closed : threading.Event
        Set if no further requests shall be made.
    expected : str
        What was expected to be there.
    purpose : Purpose
        What the request is for.
    on_failure : callable
        Called before the request is made again.

    Raises
    ------
    EcgStoreError
        If it fails for good.
    """
    from obstore import exceptions

    global _used_by
    final = (
        FileNotFoundError,
        PermissionError,
        exceptions.InvalidPathError,
        exceptions.NotFoundError,
        exceptions.NotSupportedError,
        exceptions.PermissionDeniedError,
        exceptions.UnauthenticatedError,
    )
    check_process(place)
    for attempt in range(1, ATTEMPTS + 1):
        if closed.is_set():
            raise StoreClosedError(f"{place}: the store was closed")
        _used_by = os.getpid()
        try:
            return request()
        except EcgStoreError:
            raise
        except purpose.answers:
            raise
        except final as error:
            raise _failed(place, error, expected, purpose, attempt) from error
        except Exception as error:  # of the server, the network or its body
            if attempt == ATTEMPTS or _MACHINE_ROLES in str(error):
                raise _failed(place, error, expected, purpose, attempt) from error
            on_failure()
            pause = FIRST_PAUSE_S * 2 ** (attempt - 1)
            closed.wait(pause * random.uniform(0.5, 1.5))
    raise AssertionError


def is_missing(error: EcgStoreError) -> bool:
    """Return whether `repeated` has failed because there is no such object."""
    return type(error.__cause__).__name__ in ("FileNotFoundError", "NotFoundError")


def is_denied(error: EcgStoreError) -> bool:
    """Return whether `repeated` has failed because access to the object is denied."""
    return type(error.__cause__).__name__ in (
        "PermissionError",
        "PermissionDeniedError",
    )


def cause(error: Exception) -> str:
    """Return what an error of the library says, for a message of one line."""
    first_line = next(iter(str(error).splitlines()), "")
    # Without what URLs in it have before their host and behind their path.
    line = re.sub(
        r"(://)(?:[^/\s@]*@)?([^\s?\"')]*)(?:\?[^\s\"')]*)?", r"\1\2", first_line
    )
    shown = "".join(one if one.isprintable() else "?" for one in line[:200])
    return f"{type(error).__name__}: {shown}"


def _failed(
    place: str, error: Exception, expected: str, purpose: Purpose, n_attempts: int
) -> EcgStoreError:
    """Return the error for a request that has failed for good."""
    kind = type(error).__name__
    scheme = place.partition("://")[0]
    unknown, denied = _REFUSED.get(scheme, (_NO_CREDENTIALS, _DENIED))
    advice = {
        "FileNotFoundError": f"there is no such object; expected {expected}",
        "NotFoundError": f"there is no such object; expected {expected}",
        "NotSupportedError": "the server does not send ranges of its files; "
        "expected one that does (HTTP 206), or download the store",
        "PermissionDeniedError": denied,
        "UnauthenticatedError": unknown,
    }.get(kind)
    if _MACHINE_ROLES in str(error):  # asked last, if there are no others
        advice = _NO_CREDENTIALS
    if advice is None:
        advice = (
            f"{purpose.problem}, after {n_attempts} attempts ({cause(error)}); "
            f"{purpose.advice}"
        )
    error.args = (cause(error),)  # tracebacks show it, and URLs have secrets
    return EcgStoreError(f"{place}: {advice}")
