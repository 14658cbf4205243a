"""The node that maps a function."""

from typing import Any

import pytest

from ecgstore import pipes
from ecgstore.pipes.batch import Batch
from ecgstore.storage import Store
from tests.pipes.nodes.read_node import read_node


def test_map_applies_its_function_once_to_every_item(store: Store) -> None:
    seen: list[int] = []

    def first(batch: Batch) -> Batch:
        seen.append(len(batch))
        return batch.replace(columns={"first": [str(int(batch.rows[0]))]})

    node = pipes.Map(read_node(store, window=(0, 1)), first)
    assert [batch.columns["first"] for batch in node] == [
        [str(row)] for row in range(0, 44, 5)
    ]
    assert sum(seen) == len(store)


def test_other_results_than_batches_are_refused(store: Store) -> None:
    """Of the Map node, and of the nodes of a loader."""
    wrong: Any = lambda batch: batch.signals  # noqa: E731
    place = rf"<lambda> \(.*test_map.py, line {wrong.__code__.co_firstlineno}\)"
    message = f"the transform .*{place} returned a Tensor; expected a Bat"
    with pytest.raises(TypeError, match=message):
        next(pipes.Map(read_node(store, window=(0, 1)), wrong))
    for prefetch in (0, 1):
        loader = pipes.loader(store, window=(0, 1), transform=wrong, prefetch=prefetch)
        with pytest.raises(TypeError, match=message):
            next(iter(loader))


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
