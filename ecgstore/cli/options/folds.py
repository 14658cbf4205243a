"""Folds of a store as the value of an option."""

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource

from ecgstore.config import N_FOLDS

Command = TypeVar("Command", bound=Callable[..., Any])

_FOLDS: Final = re.compile(r"(?P<first>\d{1,9})(?:-(?P<last>\d{1,9}))?", re.ASCII)


def folds_option(flag: str, default: int, text: str) -> Callable[[Command], Command]:
    """Return an option whose value is a tuple of folds, increasing."""
    return click.option(
        flag,
        callback=folds_from,
        metavar="FOLDS",
        default=str(default),
        show_default=True,
        help=text,
    )


def folds_from(
    context: click.Context, parameter: click.Parameter, value: str
) -> tuple[int, ...]:
    """Return the folds in a text such as ``9``, ``0,3`` or ``0-7``, increasing.

    A callback of `click.option`.
    """
    folds: set[int] = set()
    for part in value.split(","):
        match = _FOLDS.fullmatch(part.strip())
        if match is None:
            raise click.BadParameter(
                f"{value!r} is not a list of folds, such as 9, 0,3 or 0-7",
                context,
                parameter,
            )
        first, last = match["first"], match["last"] or match["first"]
        if not int(first) <= int(last) < N_FOLDS:
            raise click.BadParameter(
                f"{part.strip()!r} is outside the folds 0 to {N_FOLDS - 1}",
                context,
                parameter,
            )
        folds.update(range(int(first), int(last) + 1))
    return tuple(sorted(folds))


def folds_if_given(name: str, folds: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return folds of the command line; None if they are only the default."""
    source = click.get_current_context().get_parameter_source(name)
    return None if source is ParameterSource.DEFAULT else folds


def optional_folds(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    """Return the folds in a text, as `folds_from` does; None without one."""
    return None if value is None else folds_from(context, parameter, value)
