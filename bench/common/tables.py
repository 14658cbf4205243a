"""Medians with ranges, and the tables that benchmarks print."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from bench.common.timing import Times

Spread = dict[str, float]
"""Median and range of some values: ``median``, ``min`` and ``max``."""

_UNITS: Final = {"ms": 1e3, "us": 1e6}


def spread(values: Iterable[float]) -> Spread:
    """Return the median and the range."""
    numbers = [*values]
    return {
        "median": statistics.median(numbers),
        "min": min(numbers),
        "max": max(numbers),
    }


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> Spread:
    """Return the median and the range of the ratios, round by round."""
    return spread(a / b for a, b in zip(numerators, denominators, strict=True))


def spread_text(values: Spread, digits: int) -> str:
    """Return a median and its range as text."""
    median, low, high = (values[name] for name in ("median", "min", "max"))
    return f"{median:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def time_rows(
    times: Mapping[str, Times], unit: str, references: Mapping[str, str] | None = None
) -> dict[str, dict[str, Spread]]:
    """Return the spreads of some times, and the speed-ups over the references.

    Parameters
    ----------
    times : Mapping
        Seconds by name.
    unit : str
        ``"ms"`` or ``"us"``.
    references : Mapping, optional
        For some of the names, the name of the function to compare with.

    Returns
    -------
    dict
        By name: ``wall_UNIT``, ``cpu_UNIT`` and, compared with the reference,
        ``times_as_fast`` and ``times_as_fast_cpu``.
    """
    factor = _UNITS[unit]
    rows = {
        name: {
            f"wall_{unit}": spread(factor * seconds for seconds in measured.wall),
            f"cpu_{unit}": spread(factor * seconds for seconds in measured.cpu),
        }
        for name, measured in times.items()
    }
    for name, reference in (references or {}).items():
        fast, slow = times[name], times[reference]
        rows[name]["times_as_fast"] = ratios(slow.wall, fast.wall)
        rows[name]["times_as_fast_cpu"] = ratios(slow.cpu, fast.cpu)
    return rows


def print_time_rows(
    heading: str,
    rows: Mapping[str, Mapping[str, Spread]],
    unit: str,
    *,
    digits: int,
    references: Mapping[str, str] | None = None,
) -> None:
    """Print the result of `time_rows`; `heading` names the item that was timed."""
    columns = [f"{unit}, median (range)", "CPU"]
    if references:
        columns += ["times as fast", "CPU", "as"]
    table = {}
    for name, row in rows.items():
        cells = [
            spread_text(row[f"{clock}_{unit}"], digits) for clock in ("wall", "cpu")
        ]
        if references and name in references:
            cells += [
                spread_text(row[key], 1)
                for key in ("times_as_fast", "times_as_fast_cpu")
            ]
            cells.append(references[name])
        table[name] = cells
    print_table(heading, columns, table)


def print_table(
    heading: str, columns: Sequence[str], rows: Mapping[str, Sequence[str]]
) -> None:
    """Print a table and an empty line; rows may be shorter than the heading."""
    lines = [[heading, *columns], *([name, *cells] for name, cells in rows.items())]
    widths = [
        max(len(line[column]) for line in lines if column < len(line))
        for column in range(len(lines[0]))
    ]
    for first, *others in lines:
        cells = (f"  {text:>{n}}" for text, n in zip(others, widths[1:], strict=False))
        print(f"{first:{widths[0]}}" + "".join(cells))
    print(flush=True)
