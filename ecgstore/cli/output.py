"""Print lines and results, so that nothing from outside acts on the terminal."""

import json
import sys
from typing import Any

import click

from ecgstore.system.visible import visible, visible_json


def echo(line: object, *, err: bool = False) -> None:
    """Print one line; a line end in it is shown as an escape, as it is from outside.

    Parameters
    ----------
    line : object
        The text.
    err : bool
        Print to standard error.
    """
    click.echo(visible(line), err=err)


def print_json(value: Any) -> None:
    """Print a result as JSON, for other programs."""
    print_json_text(json.dumps(value, indent=2, ensure_ascii=False))


def print_json_text(text: str) -> None:
    """Print JSON that a library wrote."""
    click.echo(visible_json(text))


class ShownTable:
    """Standard output for a CSV table.

    Other programs get exact values; on a terminal, lines are shown as by `echo`.
    """

    def write(self, line: str) -> int:
        """Write one line, with its end."""
        if sys.stdout.isatty():
            line = f"{visible(line[:-1])}\n"
        return sys.stdout.write(line)
