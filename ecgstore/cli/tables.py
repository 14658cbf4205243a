"""Print counts as aligned tables."""

import math
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ecgstore.cli.output import echo
from ecgstore.system.visible import visible

_GAP: Final = "  "
"""Between columns."""


def print_table(
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    indent: str = "  ",
    in_parts: bool = True,
) -> None:
    """Print rows in columns, numbers aligned to the right.

    Parameters
    ----------
    head : sequence of str
        Names of the columns.
    rows : iterable of sequence
        Values of each row.
    indent : str
        Begin of every line.
    in_parts : bool
        Whether, on a terminal that is too narrow, some columns are printed below the
        others, each part with the first column, which names the rows. A row of texts,
        as in a list of records, is read as one and better wrapped by the terminal.
    """
    body = [[_cell(value) for value in row] for row in rows]
    numeric = [
        all(_is_number(row[column]) for row in body) for column in range(len(head))
    ]
    lines = [[visible(name) for name in head], *body]
    widths = [max(len(text) for text in column) for column in zip(*lines, strict=True)]
    room = _columns() - len(indent) if in_parts else math.inf
    for number, columns in enumerate(_parts(widths, room)):
        if number:
            echo("")
        for row in lines:
            cells = [
                row[at].rjust(widths[at]) if numeric[at] else row[at].ljust(widths[at])
                for at in columns
            ]
            echo(indent + _GAP.join(cells).rstrip())


def _parts(widths: Sequence[int], room: float) -> list[list[int]]:
    """Return the columns that are printed beside each other, part by part."""
    parts = [[0]]
    used = widths[0]
    for column in range(1, len(widths)):
        used += len(_GAP) + widths[column]
        if used > room and len(parts[-1]) > 1:
            parts.append([0])
            used = widths[0] + len(_GAP) + widths[column]
        parts[-1].append(column)
    return parts


def _columns() -> float:
    """Return the characters of a line; infinite where nobody looks at a terminal.

    As in other programs, COLUMNS says how many there are, also without a terminal.
    """
    if sys.stdout.isatty() or os.environ.get("COLUMNS"):
        return shutil.get_terminal_size().columns
    return math.inf


def print_counts(title: str, counts: Mapping[str, int]) -> None:
    """Print a title and a count per name, unless there are none."""
    if counts:
        echo(title)
        for name, count in counts.items():
            echo(f"  {count:>7}  {name}")


def _cell(value: object) -> str:
    """Return a table's cell as text."""
    return f"{value:g}" if isinstance(value, float) else visible(value)


def _is_number(text: str) -> bool:
    """Return whether a cell is aligned to the right."""
    return text.replace(".", "", 1).lstrip("-").isdigit() or text in ("", "nan")
