"""Take items in lists of a moderate length, so that memory stays bounded."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

BLOCK_ENTRIES: Final = 512

_Item = TypeVar("_Item")


def in_blocks(items: Iterable[_Item], n: int = BLOCK_ENTRIES) -> Iterator[list[_Item]]:
    """Yield the items in lists of `n`; the last one may be shorter."""
    rest = iter(items)
    while block := list(islice(rest, n)):
        yield block
