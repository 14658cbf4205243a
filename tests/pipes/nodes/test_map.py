"""The node that maps a function."""

import pytest

from ecgstore import pipes
from ecgstore.pipes.batch import Batch
from ecgstore.storage import Store
from tests.pipes.nodes.read_node import read_node


def test_map_applies_its_function_once_to_every_item(store: Store) -> None:
    seen: list[int] = []

    def note(batch: Batch) -> int:
        seen.append(len(batch))
        return int(batch.rows[0])

    node = pipes.Map(read_node(store, window=(0, 1)), note)
    assert list(node) == list(range(0, 44, 5))
    assert sum(seen) == len(store)


def test_stop_iteration_of_a_function_does_not_end_the_epoch(store: Store) -> None:
    """The rest of the records would be lost silently."""

    def exhausted(batch: Batch) -> Batch:
        return next(iter(()))

    node = pipes.Map(read_node(store, window=(0, 1)), exhausted)
    with pytest.raises(RuntimeError, match=r"exhausted.*raised StopIteration"):
        next(node)
    for prefetch in (0, 1):
        loader = pipes.loader(store, transform=exhausted, prefetch=prefetch)
        with pytest.raises(RuntimeError, match="raised StopIteration"):
            list(loader)
