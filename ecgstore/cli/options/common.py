"""Arguments and options with the same meaning in several commands."""

from collections.abc import Callable
from inspect import cleandoc
from pathlib import Path
from typing import Any, Final, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])

STORE: Final = click.argument("store", type=click.Path(path_type=Path))
"""A store that must be a file."""

_FILE_OR_URL: Final = (
    "STORE is a file or a URL, such as s3://bucket/challenge.h5, https://... or "
    "hf://datasets/...: see docs/remote.md."
)


def store_or_url(*, required: bool = True) -> Callable[[_Command], _Command]:
    """Return the argument for a store that is read, and say in the help what it is."""

    def add(command: _Command) -> _Command:
        command.__doc__ = f"{cleandoc(command.__doc__ or '')}\n\n{_FILE_OR_URL}\n"
        path = click.Path(path_type=Path)
        return click.argument("store", required=required, type=path)(command)

    return add


CHECKPOINT: Final = click.argument("checkpoint", type=click.Path(path_type=Path))
OWN_MODEL: Final = click.option(
    "--model",
    metavar="FILE.py:NAME",
    help="The network, if it is one of your own: its class or function, in the file "
    "that it was trained from.",
)
DEVICE: Final = click.option(
    "--device",
    metavar="NAME",
    help="Device to compute on, such as cpu or cuda:1.  [default: a GPU if there is "
    "one]",
)
JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
LEAD_NAMES: Final = click.option(
    "--lead-names",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="TOML file that says which leads other names mean, with lines such as: "
    '"ECG 1" = "II"; see docs/format.md.',
)
QUIET: Final = click.option("--quiet", is_flag=True, help="Show no progress.")
