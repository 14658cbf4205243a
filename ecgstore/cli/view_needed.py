"""Errors that say what to install where a command needs ``ecgstore[view]``."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ecgstore.errors import EcgStoreError

_EXTRA: Final = ("anyio", "h11", "jinja2", "markupsafe", "starlette", "uvicorn")


@contextmanager
def needs_view() -> Iterator[None]:
    """Turn a missing library of ``ecgstore[view]`` into an error of one line.

    Raises
    ------
    EcgStoreError
        If one of its libraries is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        raise EcgStoreError(
            f"this command needs {error.name}, which is not installed: pip install "
            '"ecgstore[view]"'
        ) from error
