"""Law 2 with real processes: ranks share one order, whatever their number was."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ecgstore
from ecgstore import pipes
from ecgstore.pipes.loading import Loader
from ecgstore.pipes.orders.order import Order
from ecgstore.pipes.testing import digest
from ecgstore.storage import Store

PROGRAM = """
import json, sys
from datetime import timedelta
from itertools import chain, repeat
import torch.distributed as dist
import ecgstore

sys.path.insert(0, sys.argv[1])
from test_ranks import make_loader, records_of

store_path, init, rank, n_ranks = *sys.argv[2:4], *map(int, sys.argv[4:6])
dist.init_process_group(
    "gloo",
    init_method=f"file://{init}",
    rank=rank,
    world_size=n_ranks,
    timeout=timedelta(minutes=2),
)
store = ecgstore.open(store_path)
for line in sys.stdin:
    command = json.loads(line)
    loader = make_loader(store, **command["options"])
    if command["state"] is not None:
        loader.load_state_dict(command["state"])
    steps, states = [], []
    for batch in chain.from_iterable(repeat(loader, command["n_epochs"])):
        steps.append(records_of(batch))
        states.append(loader.state_dict())
        if len(steps) == command["n_steps"]:
            break
    # Here, each rank waits for all others: with unequal numbers of steps, for ever.
    states_of_ranks = [None] * n_ranks
    dist.all_gather_object(states_of_ranks, states)
    answer = {"steps": steps, "states": states_of_ranks, "len": len(loader)}
    print(json.dumps(answer), flush=True)
dist.destroy_process_group()
"""

N_ROWS = 35
ORDERS: dict[str, Callable[[int], Order]] = {
    "shuffled": lambda n: pipes.Shuffled(n, 4),
    "blocks": lambda n: pipes.BlockShuffled(n, 4, 3, 2),
    "weighted": lambda n: pipes.Weighted(np.arange(n) + 1, 4, n_draws=n + 2),
    "balanced": lambda n: pipes.ClassBalanced(np.eye(n, 3), 4),
    "repeated": lambda n: pipes.Repeated(pipes.Shuffled(n, 4), 2),
}


def make_loader(
    store: Store,
    batch_size: int,
    n_rows: int = N_ROWS,
    order: str = "shuffled",
    **options: Any,
) -> Loader:
    """One with everything that is random, and without a word about ranks."""
    return pipes.loader(
        store.select(rows=range(n_rows)),
        batch_size,
        order=ORDERS[order](n_rows),
        seed=4,
        fields=("signals", "features"),
        window=pipes.RandomCrop(2000),
        transform=pipes.Augment(pipes.Gain(), pipes.WhiteNoise(), pipes.TimeShift()),
        **options,
    )


def records_of(batch: pipes.Batch) -> list[tuple[int, str]]:
    """Row and digest of everything that a batch has of each record."""
    assert batch.signals is not None
    assert batch.features is not None
    return [
        (row, digest([batch.signals[place], batch.features[place], batch.seeds[place]]))
        for place, row in enumerate(batch.rows.tolist())
    ]


Step = list[tuple[int, str]]
"""Row and digest of every record of a step, of all ranks one after the other."""


@dataclass
class Answer:
    """What all ranks yielded, step by step, and the states that they agree on.

    Each state is that after a step; `sizes` are those of the ranks' parts of it.
    """

    steps: list[Step]
    sizes: list[list[int]]
    states: list[dict[str, Any]]

    @property
    def state(self) -> dict[str, Any]:
        return self.states[-1]


class Group:
    """Some processes that train together."""

    def __init__(self, store: Path, folder: Path, n_ranks: int) -> None:
        program = folder / "rank.py"
        program.write_text(PROGRAM)
        init = folder / f"init_{n_ranks}"
        here = Path(__file__).parent
        self._ranks = [
            subprocess.Popen(
                [
                    *(sys.executable, program, here),
                    *(store, init, str(rank), str(n_ranks)),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for rank in range(n_ranks)
        ]

    def run(
        self,
        batch_size: int,
        *,
        state: dict[str, Any] | None = None,
        n_steps: int = -1,
        n_epochs: int = 1,
        **options: Any,
    ) -> Answer:
        """Let all ranks go over some steps of an epoch, or over the rest of it."""
        command = {
            "options": {"batch_size": batch_size, **options},
            "state": state,
            "n_steps": n_steps,
            "n_epochs": n_epochs,
        }
        for rank in self._ranks:
            assert rank.stdin is not None
            rank.stdin.write(json.dumps(command) + "\n")
            rank.stdin.flush()
        answers = []
        for rank in self._ranks:
            assert rank.stdout is not None
            answers.append(json.loads(rank.stdout.readline()))
        states = [states for each in answers for states in each["states"]]
        assert all(each == states[0] for each in states)  # at every step
        of_steps = zip(*(each["steps"] for each in answers), strict=True)
        steps = [*of_steps]
        if state is None and n_steps < 0:
            assert {n_epochs * each["len"] for each in answers} == {len(steps)}
        return Answer(
            [
                [(row, found) for part in parts for row, found in part]
                for parts in steps
            ],
            [[len(part) for part in parts] for parts in steps],
            states[0],
        )

    def close(self) -> None:
        """Let the processes end."""
        for rank in self._ranks:
            assert rank.stdin is not None
            assert rank.stdout is not None
            rank.stdin.close()
            try:
                assert rank.wait(60) == 0
            finally:
                rank.kill()
                rank.stdout.close()


@pytest.fixture(scope="module")
def groups(
    sample_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[int, Group]]:
    """Groups of two and of three processes."""
    folder = tmp_path_factory.mktemp("ranks")
    found = {n_ranks: Group(sample_store, folder, n_ranks) for n_ranks in (2, 3)}
    yield found
    for group in found.values():
        group.close()


@pytest.fixture(scope="module")
def store(sample_store: Path) -> Iterator[Store]:
    with ecgstore.open(sample_store) as opened:
        yield opened


@pytest.fixture(scope="module")
def alone(store: Store) -> list[Step]:
    """Two epochs of one process, record by record."""
    epochs = one_process(store)
    rows = [[row for row, _ in each] for each in epochs]
    assert rows[0] != rows[1]
    return epochs


def one_process(store: Store, **options: Any) -> list[Step]:
    """The same with other records or in another order."""
    loader = make_loader(store, 5, prefetch=0, **options)
    epochs = []
    for epoch in range(2):
        epochs.append([record for batch in loader for record in records_of(batch)])
        n_rows = options.get("n_rows", N_ROWS)
        order = ORDERS[options.get("order", "shuffled")](n_rows)
        places = order.indices(epoch, 0, len(order))
        assert [row for row, _ in epochs[-1]] == places.tolist()
    # What is random about a record is something else in another epoch.
    assert not set(epochs[0]) & set(epochs[1])
    return epochs


def flat(steps: list[Step]) -> Step:
    """All records in the order of the steps."""
    return [record for step in steps for record in step]


@pytest.mark.parametrize("n_ranks", [2, 3])
@pytest.mark.parametrize("batch_size", [1, 4, 7])
def test_ranks_side_by_side_are_one_process(
    groups: dict[int, Group], alone: list[Step], n_ranks: int, batch_size: int
) -> None:
    answer = groups[n_ranks].run(batch_size)
    assert flat(answer.steps) == alone[0]  # nothing lost, nothing twice, the same bits
    assert (answer.state["epoch"], answer.state["consumed"]) == (1, 0)
    for sizes in answer.sizes:
        assert max(sizes) - min(sizes) <= 1
    if batch_size > 1:
        assert min(min(sizes) for sizes in answer.sizes) >= 1


@pytest.mark.parametrize("n_ranks", [2, 3])
def test_full_batches_only(
    groups: dict[int, Group], alone: list[Step], n_ranks: int
) -> None:
    answer = groups[n_ranks].run(4, drop_last=True)
    n_records = len(alone[0]) // (4 * n_ranks) * 4 * n_ranks
    assert 0 < n_records < len(alone[0])
    assert flat(answer.steps) == alone[0][:n_records]
    assert {size for sizes in answer.sizes for size in sizes} == {4}


def test_an_epoch_goes_on_with_other_numbers_of_ranks(
    groups: dict[int, Group], alone: list[Step]
) -> None:
    first = groups[2].run(3, n_steps=2)
    second = groups[3].run(2, state=first.state, n_steps=2)
    third = groups[2].run(5, state=second.state, n_steps=1)
    rest = groups[3].run(4, state=third.state)
    parts = (first, second, third, rest)
    # Of 11 records, two ranks take 8 and not 10: the last step needs one for each.
    assert [len(flat(each.steps)) for each in parts[:3]] == [12, 12, 8]
    assert [record for each in parts for record in flat(each.steps)] == alone[0]
    # The state of two processes, resumed by one, and back.
    following = groups[2].run(6, state=rest.state)
    assert flat(following.steps) == alone[1]


def test_one_process_goes_on_where_several_stopped(
    store: Store, groups: dict[int, Group], alone: list[Step]
) -> None:
    begun = groups[3].run(2, n_steps=3)
    loader = make_loader(store, 1)
    loader.load_state_dict(begun.state)
    found = [record for batch in loader for record in records_of(batch)]
    assert flat(begun.steps) + found == alone[0]
    loader.load_state_dict(begun.state)
    for _ in zip(range(7), loader, strict=False):
        state = loader.state_dict()
    rest = groups[2].run(2, state=state)
    assert flat(begun.steps) + alone[0][18:25] + flat(rest.steps) == alone[0]


def test_every_state_of_two_ranks_goes_on_with_three(
    groups: dict[int, Group], alone: list[Step]
) -> None:
    """And they with threads that read further ahead, or without."""
    begun = groups[2].run(3, prefetch=3)
    for number, state in enumerate(begun.states, start=1):
        taken = flat(begun.steps[:number])
        rest = groups[3].run(1 + number % 4, state=state, prefetch=number % 3)
        if number < len(begun.steps):
            assert taken + flat(rest.steps) == alone[0]
        else:
            assert flat(rest.steps) == alone[1]


@pytest.mark.parametrize("order", ORDERS)
def test_ranks_share_every_order(
    store: Store, groups: dict[int, Group], order: str
) -> None:
    """Two epochs of it; and the second one with another number of ranks."""
    expected = [record for each in one_process(store, order=order) for record in each]
    for n_ranks, others in ((2, 3), (3, 2)):
        both = groups[n_ranks].run(4, n_epochs=2, order=order)
        assert flat(both.steps) == expected
        n_steps = len(both.steps) // 2 + 1  # one of the second epoch
        begun = groups[n_ranks].run(4, n_steps=n_steps, n_epochs=2, order=order)
        assert begun.state["epoch"] == 1
        loader = make_loader(store, 3, order=order)
        loader.load_state_dict(begun.state)
        middle: list[tuple[int, str]] = []
        for batch in loader:
            middle += records_of(batch)
            break
        rest = groups[others].run(2, state=loader.state_dict(), order=order)
        assert flat(begun.steps) + middle + flat(rest.steps) == expected


@pytest.mark.parametrize("n_ranks", [2, 3])
@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_records_that_do_not_divide_evenly(
    store: Store, groups: dict[int, Group], n_ranks: int, batch_size: int
) -> None:
    """Every rank takes as many steps as the others, and nobody's records are lost."""
    for n_rows in (1, 2, 3, 4, 5, 6, 7, 10, 13):
        expected = one_process(store, n_rows=n_rows)
        answer = groups[n_ranks].run(batch_size, n_epochs=2, n_rows=n_rows)
        assert flat(answer.steps) == [*expected[0], *expected[1]]
        assert all(max(each) - min(each) <= 1 for each in answer.sizes)
        if batch_size > 1 and n_rows >= n_ranks:
            assert all(min(each) >= 1 for each in answer.sizes)
        n_full = n_rows - n_rows % (batch_size * n_ranks)
        if n_full:
            full = groups[n_ranks].run(
                batch_size, n_epochs=2, n_rows=n_rows, drop_last=True
            )
            assert flat(full.steps) == [*expected[0][:n_full], *expected[1][:n_full]]
            assert {size for sizes in full.sizes for size in sizes} == {batch_size}


def test_a_rank_that_is_given_counts(
    groups: dict[int, Group], alone: list[Step]
) -> None:
    """Each process takes everything, though there are others."""
    answer = groups[2].run(4, rank=0, world_size=1)
    assert len(answer.steps) == 9
    for number, step in enumerate(answer.steps):
        part = alone[0][4 * number : 4 * number + 4]
        assert step == [*part, *part]
