"""Arguments and options with the same meaning in several commands."""

from pathlib import Path
from typing import Final

import click

STORE: Final = click.argument("store", type=click.Path(path_type=Path))
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
