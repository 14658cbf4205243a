"""Show how far long work is: a bar on a terminal, now and then a line elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

Item = TypeVar("Item")

_SECONDS_BETWEEN_LINES: Final = 30.0


def with_progress(
    items: Iterable[Item], what: str, total: int | None = None, quiet: bool = False
) -> Iterator[Item]:
    """Yield items behind a bar.

    Parameters
    ----------
    items : iterable
        What is worked on.
    what : str
        What is being done.
    total : int, optional
        How many there are.
    quiet : bool
        Show nothing.
    """
    if quiet:
        yield from items
    elif sys.stderr.isatty():
        from tqdm import tqdm  # here only: it starts a thread of its own

        yield from tqdm(items, desc=what, total=total, leave=False, dynamic_ncols=True)
    else:
        yield from _with_lines(items, what, total)


def _with_lines(items: Iterable[Item], what: str, total: int | None) -> Iterator[Item]:
    """Yield items; print how many there were, not too often."""
    last_line = time.monotonic()
    for number, item in enumerate(items):
        if time.monotonic() - last_line > _SECONDS_BETWEEN_LINES:
            of = "" if total is None else f" of {total}"
            print(f"{what}: {number}{of}", file=sys.stderr, flush=True)
            last_line = time.monotonic()
        yield item
