"""Every exception and warning raised on purpose.

::

    EcgStoreError(Exception)          catch this for everything raised on purpose
    ├── ConfigError(ValueError)       an option or a class set is not usable
    ├── StoreClosedError              used after close
    ├── RecordNotFoundError(LookupError)
    ├── SchemaError(ValueError)       a file is not what the schema says
    └── RecordError(ValueError)       one record cannot be converted

    SlowPatternWarning(UserWarning)   another way is several times as fast

A message says where and what, what was expected, and what to do.
"""

from ecgstore.reasons import Reason


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
    """A file is not an ecgstore file, or does not hold what the schema says."""


class RecordError(EcgStoreError, ValueError):
    """One record cannot be converted; a build puts it into quarantine.

    Parameters
    ----------
    reason : Reason
        Why, as a code that can be counted.
    detail : str
        What is wrong where, and what was expected.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)  # both, so that it survives pickling
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"

    @classmethod
    def of(cls, error: Exception) -> "RecordError":
        """Return an exception as the error of one record.

        An unexpected exception becomes `Reason.UNEXPECTED_ERROR`, so that a build
        continues with the other records. A `MemoryError`, which is not the record's
        fault, is raised again.
        """
        if isinstance(error, MemoryError):
            raise error
        if isinstance(error, RecordError):
            return error
        detail = f"{type(error).__name__}: {error}"
        return cls(Reason.UNEXPECTED_ERROR, detail)


class SlowPatternWarning(UserWarning):
    """Another way, which the message names, is several times as fast."""
