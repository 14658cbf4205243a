"""Order law with real processes: ranks partition one order, whatever their number."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ecgstore.storage import Store
from tests.pipes.laws.rank_process import N_ROWS, ORDERS, make_loader, records_of

Step = list[tuple[int, str]]
"""Row and digest of every record of a step, of all ranks one after the other."""


@dataclass
class Answer:
    """The batches of all ranks, step by step, and the common state after every step.

    `sizes` are the numbers of records of the ranks in every step.
    """

    steps: list[Step]
    sizes: list[list[int]]
    states: list[dict[str, Any]]

    @property
    def state(self) -> dict[str, Any]:
        return self.states[-1]


class Group:
    """Processes of one process group."""

    def __init__(self, store: Path, folder: Path, n_ranks: int) -> None:
        init = folder / f"init_{n_ranks}"
        program = Path(__file__).with_name("rank_process.py")
        self._ranks = [
            subprocess.Popen(
                [
                    *(sys.executable, program),
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
        """Let all ranks load some steps of an epoch, or the rest of it."""
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
        states = [states for answer in answers for states in answer["states"]]
        assert all(of_rank == states[0] for of_rank in states)  # after every step
        steps = [*zip(*(answer["steps"] for answer in answers), strict=True)]
        if state is None and n_steps < 0:
            assert {n_epochs * answer["len"] for answer in answers} == {len(steps)}
        return Answer(
            [
                [(row, digest) for part in parts for row, digest in part]
                for parts in steps
            ],
            [[len(part) for part in parts] for parts in steps],
            states[0],
        )

    def close(self) -> None:
        """End the processes."""
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
    groups = {n_ranks: Group(sample_store, folder, n_ranks) for n_ranks in (2, 3)}
    yield groups
    for group in groups.values():
        group.close()


@pytest.fixture(scope="module")
def alone(store: Store) -> list[Step]:
    """Two epochs of one process, record by record."""
    epochs = one_process(store)
    rows = [[row for row, _ in epoch] for epoch in epochs]
    assert rows[0] != rows[1]
    return epochs


def one_process(store: Store, **options: Any) -> list[Step]:
    """Two epochs of one process with given options, record by record."""
    loader = make_loader(store, 5, prefetch=0, **options)
    epochs = []
    for epoch in range(2):
        epochs.append([record for batch in loader for record in records_of(batch)])
        n_rows = options.get("n_rows", N_ROWS)
        order = ORDERS[options.get("order", "shuffled")](n_rows)
        places = order.indices(epoch, 0, len(order))
        assert [row for row, _ in epochs[-1]] == places.tolist()
    # Crops and augmentations of a record differ between epochs.
    assert not set(epochs[0]) & set(epochs[1])
    return epochs


def flat(steps: list[Step]) -> Step:
    """All records in the order of the steps."""
    return [record for step in steps for record in step]


@pytest.mark.parametrize("n_ranks", [2, 3])
@pytest.mark.parametrize("batch_size", [1, 4, 7])
def test_batches_of_all_ranks_are_those_of_one_process(
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
def test_drop_last_leaves_full_batches_only(
    groups: dict[int, Group], alone: list[Step], n_ranks: int
) -> None:
    answer = groups[n_ranks].run(4, drop_last=True)
    n_records = len(alone[0]) // (4 * n_ranks) * 4 * n_ranks
    assert 0 < n_records < len(alone[0])
    assert flat(answer.steps) == alone[0][:n_records]
    assert {size for sizes in answer.sizes for size in sizes} == {4}


def test_an_epoch_is_resumed_with_other_numbers_of_ranks(
    groups: dict[int, Group], alone: list[Step]
) -> None:
    first = groups[2].run(3, n_steps=2)
    second = groups[3].run(2, state=first.state, n_steps=2)
    third = groups[2].run(5, state=second.state, n_steps=1)
    rest = groups[3].run(4, state=third.state)
    parts = (first, second, third, rest)
    # Of 11 records, two ranks take 8 and not 10: the last step needs one per rank.
    assert [len(flat(part.steps)) for part in parts[:3]] == [12, 12, 8]
    assert [record for part in parts for record in flat(part.steps)] == alone[0]
    following = groups[2].run(6, state=rest.state)
    assert flat(following.steps) == alone[1]


def test_one_process_resumes_several(
    store: Store, groups: dict[int, Group], alone: list[Step]
) -> None:
    begun = groups[3].run(2, n_steps=3)
    loader = make_loader(store, 1)
    loader.load_state_dict(begun.state)
    resumed = [record for batch in loader for record in records_of(batch)]
    assert flat(begun.steps) + resumed == alone[0]
    loader.load_state_dict(begun.state)
    for _ in zip(range(7), loader, strict=False):
        state = loader.state_dict()
    rest = groups[2].run(2, state=state)
    assert flat(begun.steps) + alone[0][18:25] + flat(rest.steps) == alone[0]


def test_three_ranks_resume_every_state_of_two(
    groups: dict[int, Group], alone: list[Step]
) -> None:
    """With other numbers of prefetched batches, too."""
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
    epochs = one_process(store, order=order)
    expected = [*epochs[0], *epochs[1]]
    for n_ranks, others in ((2, 3), (3, 2)):
        both = groups[n_ranks].run(4, n_epochs=2, order=order)
        assert flat(both.steps) == expected
        n_steps = len(both.steps) // 2 + 1  # the first of the second epoch
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
def test_ranks_take_equally_many_steps_of_any_number_of_records(
    store: Store, groups: dict[int, Group], n_ranks: int, batch_size: int
) -> None:
    """All ranks take the same number of steps, and no record is lost."""
    for n_rows in (1, 2, 3, 4, 5, 6, 7, 10, 13):
        expected = one_process(store, n_rows=n_rows)
        answer = groups[n_ranks].run(batch_size, n_epochs=2, n_rows=n_rows)
        assert flat(answer.steps) == [*expected[0], *expected[1]]
        assert all(max(sizes) - min(sizes) <= 1 for sizes in answer.sizes)
        if batch_size > 1 and n_rows >= n_ranks:
            assert all(min(sizes) >= 1 for sizes in answer.sizes)
        n_full = n_rows - n_rows % (batch_size * n_ranks)
        if n_full:
            full = groups[n_ranks].run(
                batch_size, n_epochs=2, n_rows=n_rows, drop_last=True
            )
            assert flat(full.steps) == [*expected[0][:n_full], *expected[1][:n_full]]
            assert {size for sizes in full.sizes for size in sizes} == {batch_size}


def test_rank_arguments_override_the_process_group(
    groups: dict[int, Group], alone: list[Step]
) -> None:
    """Every process takes all records, as the only rank."""
    answer = groups[2].run(4, rank=0, world_size=1)
    assert len(answer.steps) == 9
    for number, step in enumerate(answer.steps):
        part = alone[0][4 * number : 4 * number + 4]
        assert step == [*part, *part]
