"""Every exception and warning raised on purpose.

::

    EcgStoreError(Exception)          catch this for everything raised on purpose
    ├── ConfigError(ValueError)       an option or a class set is not usable
    ├── StoreClosedError              used after close
    ├── RecordNotFoundError(LookupError)
    ├── SchemaError(ValueError)       a file does not follow the schema
    └── RecordError(ValueError)       one record cannot be converted

    SlowPatternWarning(UserWarning)   another access pattern is much faster

Every message names the place and the problem, the expected value, and the remedy.
"""

import os
from collections.abc import Iterable
from typing import Final

from ecgstore.reasons import Reason

_PACKAGE: Final = __name__.partition(".")[0]

_LONGEST_VALUE: Final = 300
"""Characters of a value in an error message."""

_MOST_LISTED: Final = 20
"""Names that are listed in an error message."""

_LONGEST_LISTED: Final = 60
"""Characters of one of them."""


class EcgStoreError(Exception):
    """An error that the caller can act on."""


class ConfigError(EcgStoreError, ValueError):
    """An option, a preset or a class set is not usable."""


class StoreClosedError(EcgStoreError):
    """A store was used after it was closed."""


class RecordNotFoundError(EcgStoreError, LookupError):
    """No record of that name is in the store.

    Not a `KeyError`, whose message would be shown in quotes.
    """


class SchemaError(EcgStoreError, ValueError):
    """A file is not an ecgstore file, or does not follow the schema."""


class RecordError(EcgStoreError, ValueError):
    """One record cannot be converted; a build puts it into quarantine.

    Parameters
    ----------
    reason : Reason
        Reason code, as in `/quarantine/reason`.
    detail : str
        The place, the problem, and the expected value.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)  # both, so that it survives pickling
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"

    @classmethod
    def of(cls, error: Exception) -> "RecordError":
        """Convert any exception to the error of one record.

        An unexpected exception becomes `Reason.UNEXPECTED_ERROR`, so that a build
        continues with the other records. The detail is its type and its place in our
        code: its message may hold what differs from run to run, such as the name of a
        temporary file. A `MemoryError`, which is not the record's fault, is raised
        again; see `out_of_memory`.
        """
        if isinstance(error, MemoryError):
            raise error
        if isinstance(error, RecordError):
            return error
        if isinstance(error, EcgStoreError):
            return cls(Reason.UNEXPECTED_ERROR, str(error))
        detail = f"{type(error).__name__} in {_place(error)}"
        return cls(Reason.UNEXPECTED_ERROR, detail)


def out_of_memory(path: str) -> EcgStoreError:
    """Return the error for a `MemoryError` while a record was processed.

    It ends a build, which can be resumed: what a record needs is bounded, so that the
    lack is the machine's, and the same records must give the same store everywhere.
    """
    return EcgStoreError(
        f"{path}: memory ran out while this record was processed; run the same command "
        "again with fewer workers, or on a machine with more memory"
    )


def _place(error: BaseException) -> str:
    """Return the last line of our own code that an exception passed."""
    place = "unknown code"
    trace = error.__traceback__
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__", "")
        if module.partition(".")[0] == _PACKAGE:
            place = f"{module}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return place


def cause_of(error: BaseException) -> str:
    """Return what an error says, for the message of another one.

    The text of a library may hold addresses and temporary paths and differs between
    releases, so only ours is repeated. Else it is the operating system's words for an
    error of files, or the type of the error.

    Examples
    --------
    >>> cause_of(KeyError("of a library"))
    'KeyError'
    """
    if isinstance(error, EcgStoreError):
        return str(error)
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return type(error).__name__


def require_type(name: str, value: object, type_: type, expected: str) -> None:
    """Refuse an argument of another type in a sentence.

    Parameters
    ----------
    name : str
        Name of the argument.
    value : object
        Its value.
    type_ : type
        The type that it must have.
    expected : str
        What to give, in words.

    Raises
    ------
    TypeError
        If the type is another one.

    Examples
    --------
    >>> require_type("store", "a.h5", int, "a store, as ecgstore.open returns it")
    Traceback (most recent call last):
    TypeError: store is 'a.h5'; expected a store, as ecgstore.open returns it
    """
    if not isinstance(value, type_):
        raise TypeError(f"{name} is {short_repr(value)}; expected {expected}")


class SlowPatternWarning(UserWarning):
    """The message names an access pattern that is several times as fast."""


def short_repr(value: object) -> str:
    """Return a value for an error message of one line.

    Examples
    --------
    >>> short_repr("fs")
    "'fs'"
    >>> short_repr(10**5000)
    'a very large number'
    """
    try:
        text = repr(value)
    except ValueError:  # Python refuses to print an integer of thousands of digits
        return "a very large number"
    except Exception:  # lists that are nested too deeply, and what cannot be printed
        return f"a {type(value).__name__}"
    text = text.replace("\n", " ")
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def short_list(names: Iterable[object]) -> str:
    """Return names for an error message: the first of them, and how many there are.

    Examples
    --------
    >>> short_list(["age", "sex"]), short_list([])
    ('age, sex', 'none')
    >>> short_list(range(1000))[-25:]
    '17, 18, 19 and 980 others'
    """
    shown: list[str] = []
    n_names = 0
    for name in names:
        if n_names < _MOST_LISTED:
            text = str(name)
            is_long = len(text) > _LONGEST_LISTED
            shown.append(f"{text[:_LONGEST_LISTED]}..." if is_long else text)
        n_names += 1
    others = n_names - len(shown)
    listed = ", ".join(shown) or "none"
    return f"{listed} and {others} other{'s' * (others > 1)}" if others else listed


def counted(number: int, noun: str) -> str:
    """Return a number and what is counted, in the singular or in the plural.

    Examples
    --------
    >>> counted(1, "record"), counted(0, "record"), counted(2, "table")
    ('1 record', '0 records', '2 tables')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def without_place(detail: str, path: str) -> str:
    """Return what is wrong with a file for a line that has its path already.

    Examples
    --------
    >>> without_place("a/1.hea, line 1: is empty", "a/1.hea")
    'line 1: is empty'
    >>> without_place("a/1.mat: is empty", "a/1.hea")
    'a/1.mat: is empty'
    """
    for mark in (": ", ", "):
        detail = detail.removeprefix(f"{path}{mark}")
    return detail
