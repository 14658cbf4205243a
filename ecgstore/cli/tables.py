"""Print counts as aligned tables."""

from collections.abc import Iterable, Mapping, Sequence

from ecgstore.cli.output import echo
from ecgstore.scores.texts import UNDEFINED, number_text
from ecgstore.system.visible import visible


def print_table(
    head: Sequence[str], rows: Iterable[Sequence[object]], *, indent: str = "  "
) -> None:
    """Print rows in columns, numbers aligned to the right."""
    body = [[_cell(value) for value in row] for row in rows]
    is_number = [
        all(_is_number(row[column]) for row in body) for column in range(len(head))
    ]
    lines = [[visible(name) for name in head], *body]
    widths = [max(len(text) for text in column) for column in zip(*lines, strict=True)]
    for row in lines:
        cells = [
            text.rjust(width) if number else text.ljust(width)
            for text, width, number in zip(row, widths, is_number, strict=True)
        ]
        echo(indent + "  ".join(cells).rstrip())


def estimate_text(value: float, low: float, high: float, sign: str = "") -> str:
    """Return an estimate and its interval as text.

    Parameters
    ----------
    value, low, high : float
        The estimate and the ends of its interval.
    sign : {"", "+"}
        "+" to show the sign of positive numbers too.

    Examples
    --------
    >>> estimate_text(0.9123, 0.88, 0.94)
    '0.912 (0.880 to 0.940)'
    >>> estimate_text(-0.0001, -0.02, 0.01, sign="+")
    '+0.000 (-0.020 to +0.010)'
    """
    if value != value:
        return UNDEFINED
    if low != low:
        return f"{number_text(value, sign)} (no interval)"
    texts = [number_text(number, sign) for number in (value, low, high)]
    return f"{texts[0]} ({texts[1]} to {texts[2]})"


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
