"""Print counts as aligned tables, and results as JSON."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click


def print_table(
    head: Sequence[str], rows: Iterable[Sequence[object]], *, indent: str = "  "
) -> None:
    """Print rows in columns; numbers to the right."""
    body = [[_cell(value) for value in row] for row in rows]
    is_number = [
        all(_is_number(row[place]) for row in body) for place in range(len(head))
    ]
    widths = [
        max(len(text) for text in column) for column in zip(head, *body, strict=True)
    ]
    for row in [list(head), *body]:
        cells = [
            text.rjust(width) if number else text.ljust(width)
            for text, width, number in zip(row, widths, is_number, strict=True)
        ]
        click.echo(indent + "  ".join(cells).rstrip())


def print_counts(title: str, counts: Mapping[str, int]) -> None:
    """Print a heading and a count per name, if there is any."""
    if counts:
        click.echo(title)
        for name, count in counts.items():
            click.echo(f"  {count:>7}  {name}")


def print_json(value: Any) -> None:
    """Print a result for programs."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _cell(value: object) -> str:
    """Return a table's cell as text."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_number(text: str) -> bool:
    """Return whether a cell is to be set to the right."""
    return text.replace(".", "", 1).lstrip("-").isdigit() or text in ("", "nan")
