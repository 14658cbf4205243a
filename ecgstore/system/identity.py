"""Check that resumed work has the settings with which it began."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ecgstore.errors import EcgStoreError, short_repr


def require_same(
    where: str | Path,
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    advice: str | Callable[[str], str],
) -> None:
    """Raise an error that names the first difference between two sets of settings.

    Parameters
    ----------
    where : str or Path
        The unfinished work, such as its file: the beginning of the error message.
    before, now : Mapping
        Settings of the unfinished work, and settings with which it is resumed.
        A missing setting equals None. Settings may be mappings themselves; the error
        names their values by dotted names, such as ``options.fs``.
    advice : str or callable
        Advice to the user: the end of the error message; or a function that returns
        it for the name of a setting.

    Raises
    ------
    EcgStoreError
        If a setting differs.

    Examples
    --------
    >>> require_same("a.h5", {"fs": 500}, {"fs": 250}, "delete it")
    Traceback (most recent call last):
    ecgstore.errors.EcgStoreError: a.h5: fs was 500, now it is 250; delete it
    """
    for name, old, new in _differences(before, now):
        raise EcgStoreError(
            f"{where}: {name} was {short_repr(old)}, now it is {short_repr(new)}; "
            f"{advice if isinstance(advice, str) else advice(name)}"
        )


def _differences(
    before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Yield the name and both values of every setting that differs."""
    # Names first: those of two class sets say more than their codes.
    for name in sorted(dict.fromkeys((*now, *before)), key=lambda key: key != "name"):
        old, new = before.get(name), now.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _differences(old, new, f"{prefix}{name}.")
        elif old != new:
            yield f"{prefix}{name}", old, new
