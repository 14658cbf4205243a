"""Resume law for pipes that contain torchdata's own nodes."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import torchdata.nodes
from torchdata.nodes import BaseNode

from ecgstore import pipes
from ecgstore.pipes.testing import assert_resumes_exactly, digest
from ecgstore.storage import Selection
from tests.pipes.laws.pipes_of_laws import described, read_node

TORCHDATA_NODES: dict[str, Callable[[BaseNode[Any]], BaseNode[Any]]] = {
    "mapper": lambda node: torchdata.nodes.Mapper(node, described),
    "batcher": lambda node: torchdata.nodes.Batcher(node, 2, drop_last=False),
    "Prefetch around torchdata": lambda node: pipes.Prefetch(
        torchdata.nodes.Mapper(node, described)
    ),
}


@pytest.mark.parametrize("name", TORCHDATA_NODES)
def test_nodes_of_torchdata_resume(few: Selection, name: str) -> None:
    assert_resumes_exactly(lambda: TORCHDATA_NODES[name](read_node(few, ("labels",))))


TORCHDATA_LOADERS: dict[str, Callable[[BaseNode[Any]], BaseNode[Any]]] = {
    "alone": lambda node: node,
    "our prefetch": lambda node: pipes.Prefetch(node, 2),
    "their prefetcher": lambda node: torchdata.nodes.Prefetcher(node, 2),
    "their batcher": lambda node: torchdata.nodes.Batcher(node, 2, drop_last=False),
    "all": lambda node: torchdata.nodes.Prefetcher(
        torchdata.nodes.Mapper(pipes.Prefetch(pipes.Map(node, described)), digest), 1
    ),
}


def torchdata_loader(few: Selection, name: str) -> Any:
    node = read_node(few, ("signals",), window=pipes.RandomCrop(30))
    return torchdata.nodes.Loader(TORCHDATA_LOADERS[name](node))


@pytest.mark.parametrize("name", TORCHDATA_LOADERS)
def test_the_loader_of_torchdata_resumes(few: Selection, name: str) -> None:
    """Items only: after a resume, torchdata counts `num_yielded` one too high.

    Its Prefetcher begins to read at `reset` and not at the first `next`, so at a second
    `reset` the epoch has begun already. Its Loader resets only once.
    """
    loader = torchdata_loader(few, name)
    digests: list[list[str]] = []
    saved: list[tuple[int, int, Any]] = []
    for epoch in range(2):
        digests.append([])
        for item in loader:
            digests[-1].append(digest(item))
            saved.append((epoch, len(digests[-1]), loader.state_dict()))
    assert digests[0] != digests[1]
    for epoch, step, state in saved[:-1]:
        restored = torchdata_loader(few, name)
        restored.load_state_dict(json.loads(json.dumps(state)))
        rest = digests[epoch][step:] or digests[epoch + 1]
        assert [digest(item) for item in restored] == rest


def test_threads_of_torchdata_resume(few: Selection) -> None:
    """ParallelMapper takes a tenth of a second to begin an epoch, so few are tested."""

    def make() -> Any:
        node = read_node(few, ("signals",), window=pipes.RandomCrop(30))
        return torchdata.nodes.Loader(torchdata.nodes.ParallelMapper(node, digest, 2))

    loader = make()
    whole = list(loader)
    beginning = iter(loader)
    taken = [next(beginning) for _ in range(2)]
    state = json.loads(json.dumps(loader.state_dict()))
    rest = list(beginning)
    restored = make()
    restored.load_state_dict(state)
    assert list(restored) == rest
    assert len(taken + rest) == len(whole)
    assert taken + rest != whole
