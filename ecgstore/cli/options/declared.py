"""Flags for the options that a dataclass declares with `ecgstore.options`."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ecgstore.options import Option, options_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Command = TypeVar("Command", bound=Callable[..., Any])


def declared_options(
    settings: "DataclassInstance",
    *,
    only: Collection[str] | None = None,
    with_file: bool = True,
) -> Callable[[Command], Command]:
    """Return a decorator that adds ``--config FILE`` and a flag for every option.

    The command receives the file as `config_file`, and an option that was not given
    as None: see `drop_unset`.

    Parameters
    ----------
    settings : dataclass
        Its values are shown as the defaults.
    only : collection of str, optional
        Names of the options; all if left out.
    with_file : bool
        Whether the command takes a file of options.
    """

    def add(command: Command) -> Command:
        for option in reversed(options_of(settings).values()):
            if only is None or option.name in only:
                command = _flag(option)(command)
        if not with_file:
            return command
        return click.option(
            "--config",
            "config_file",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="TOML file with any of the options below, with underscores in their "
            "names, such as: fs = 250. Flags override it.",
        )(command)

    return add


def drop_unset(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were set on the command line, without the Nones."""
    return {name: value for name, value in flags.items() if value is not None}


def comma_separated(
    context: click.Context, parameter: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...] | None:
    """Return the names in texts with commas between them; a callback of click.

    The option may be repeated, and then has all of the names. None without it.
    """
    if not value:
        return None
    texts = ",".join(value).split(",")
    return tuple(filter(None, (name.strip() for name in texts)))


def _flag(option: Option) -> Callable[[Command], Command]:
    """Return the flag of one option."""
    flag = option.name.replace("_", "-")
    if option.type is bool:
        return click.option(
            f"--{flag}/--no-{flag}", option.name, default=None, help=_help(option)
        )
    return click.option(
        f"--{flag}",
        option.name,
        type=_type(option),
        multiple=option.type is tuple,
        callback=comma_separated if option.type is tuple else None,
        metavar=_metavar(option),
        help=_help(option),
    )


def _type(option: Option) -> Any:
    """Return the type that click reads an option as; the rest is checked later."""
    if option.choices and option.type is str:
        return click.Choice(option.choices)
    return option.type if option.type in (int, float) else str


def _metavar(option: Option) -> str | None:
    """Return the name of an option's value; None for that of its type."""
    names = "NAME,..." if option.type is tuple else None
    return option.metavar or option.unit.upper() or names


def _help(option: Option) -> str:
    """Return the help of an option with its default and its range."""
    notes = [f"default: {option.default_text}"]
    if option.type is tuple and option.choices:
        notes.append(f"any of {', '.join(option.choices)}")
    if option.limits:
        notes.append(option.limits)
    return f"{option.help}  [{'; '.join(notes)}]"
