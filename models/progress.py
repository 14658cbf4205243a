"""Show how far long work is: a bar on a terminal, nothing elsewhere."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def shown(
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
    if quiet or not sys.stderr.isatty():
        yield from items  # not even a disabled bar: it would start a thread of its own
        return
    yield from tqdm(items, desc=what, total=total, leave=False, dynamic_ncols=True)
