"""Call a field library on a file that no one vouches for."""

import logging
import math
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.sources.files import file_size, printable

T = TypeVar("T")

_MOST_IN_MEMORY: Final = 1 << 32
"""Bytes of an array that the largest file of any format needs, and some."""

_LIBRARIES: Final = ("ecgdatakit", "edfio", "pydicom")
"""Loggers whose messages may hold names of patients."""


def guarded(path: str, reason: Reason, what: str, call: Callable[[], T]) -> T:
    """Return what a function reads of a file by a library.

    What the library says stays inside: its warnings, logs and errors may hold a
    patient's name, and differ between releases.

    Parameters
    ----------
    path : str
        The file.
    reason : Reason
        Reason of the error if the function fails.
    what : str
        What the file should be, for this error, such as ``"an SCP-ECG file"``.
    call : callable
        The function.

    Raises
    ------
    RecordError
        If the function fails, or the library is not installed.
    """
    failure: RecordError
    try:
        with _silence():
            return call()
    except RecordError:
        raise
    except MemoryError as error:
        if not _is_claim(error):
            raise
        failure = RecordError(reason, f"{printable(path)}: damaged; expected {what}")
    except ImportError:
        failure = RecordError(
            Reason.MISSING_LIBRARY,
            f"{printable(path)}: {what} is read by a library that is not installed; "
            "pip install 'ecgstore[formats]'",
        )
    except Exception:  # of a library, on damaged bytes: any type
        failure = RecordError(reason, f"{printable(path)}: damaged; expected {what}")
    raise failure  # out of the handler, so that the library's error is not attached


def check_size(path: str, most_bytes: int) -> None:
    """Refuse a file that would be read as a whole and is too large, or is no file.

    Raises
    ------
    RecordError
        With `Reason.TOO_LARGE` or `Reason.UNREADABLE_HEADER`.
    """
    size = file_size(path, Reason.UNREADABLE_HEADER)
    if size > most_bytes:
        raise RecordError(
            Reason.TOO_LARGE,
            f"{printable(path)}: has {size} bytes; expected at most {most_bytes} in "
            f"this format ({os.path.splitext(path)[1].lower()}), which is read as a "
            "whole",
        )


def _is_claim(error: MemoryError) -> bool:
    """Return whether memory lacks for an array that no file of a permitted size fills.

    Else the machine has too little, which is no fault of the file.
    """
    shape, dtype = getattr(error, "shape", ()), getattr(error, "dtype", None)
    return dtype is not None and math.prod(shape) * dtype.itemsize > _MOST_IN_MEMORY


@contextmanager
def _silence() -> Iterator[None]:
    """Drop all warnings and all logs of the libraries."""
    loggers = [logging.getLogger(name) for name in _LIBRARIES]
    before = [logger.disabled for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for logger in loggers:
                logger.disabled = True
            yield
        finally:
            for logger, was_disabled in zip(loggers, before, strict=True):
                logger.disabled = was_disabled
