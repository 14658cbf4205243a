"""Errors that say what to install where a command needs PyTorch."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ecgstore.errors import EcgStoreError

_EXTRA: Final = ("torch", "torchdata", "sklearn", "threadpoolctl")


@contextmanager
def needs_torch() -> Iterator[None]:
    """Turn a missing library of ``ecgstore[torch]`` into an error of one line.

    Raises
    ------
    EcgStoreError
        If a library of ``ecgstore[torch]`` is not installed.
    """
    try:
        yield
    except ImportError as error:
        # ecgstore.models and ecgstore.pipes raise an ImportError of their own from it.
        missing = error if isinstance(error, ModuleNotFoundError) else error.__cause__
        name = getattr(missing, "name", None) or ""
        if name.partition(".")[0] not in _EXTRA:
            raise
        raise EcgStoreError(
            f"this command needs {name}, which is not installed: pip install "
            '"ecgstore[torch]"'
        ) from error
