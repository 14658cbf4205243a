"""Errors that say what to install where a command needs ``ecgstore[view]``."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ecgstore.errors import EcgStoreError

_EXTRA: Final = ("jinja2", "markupsafe")


@contextmanager
def needs_jinja() -> Iterator[None]:
    """Turn a missing library of ``ecgstore[view]`` into an error of one line.

    Raises
    ------
    EcgStoreError
        If a library of reports is not installed.
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
