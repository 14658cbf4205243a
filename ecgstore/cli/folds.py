"""Folds as an option."""

from typing import Final

import click

_N_FOLDS: Final = 10


def folds_from(
    context: click.Context, parameter: click.Parameter, value: str
) -> tuple[int, ...]:
    """Return the folds that an option names, such as ``9``, ``0,3`` or ``0-7``.

    A callback of `click.option`.
    """
    folds: set[int] = set()
    for part in value.split(","):
        first, _, last = part.strip().partition("-")
        if not (first.isdecimal() and (last or first).isdecimal()):
            raise click.BadParameter(
                f"{value!r} is no list of folds, such as 9, 0,3 or 0-7",
                context,
                parameter,
            )
        found = range(int(first), int(last or first) + 1)
        if not found or found[-1] >= _N_FOLDS:
            raise click.BadParameter(
                f"{part!r} are no folds; they go from 0 to {_N_FOLDS - 1}",
                context,
                parameter,
            )
        folds.update(found)
    return tuple(sorted(folds))
