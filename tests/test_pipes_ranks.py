"""Law 2 with real processes: ranks share one order, whatever their number was."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import ecgstore
from ecgstore import pipes
from ecgstore.pipes.testing import digest

PROGRAM = """
import json, sys
import torch.distributed as dist
import ecgstore
from ecgstore import pipes
from ecgstore.pipes.testing import digest

store_path, init, rank, n_ranks = *sys.argv[1:3], *map(int, sys.argv[3:5])
dist.init_process_group(
    "gloo", init_method=f"file://{init}", rank=rank, world_size=n_ranks
)
store = ecgstore.open(store_path)
for line in sys.stdin:
    options = json.loads(line)
    loader = pipes.loader(
        store.select(folds=range(8)),
        options["batch_size"],
        shuffle=True,
        seed=4,
        fields=("signals", "features"),
        window=pipes.RandomCrop(2000),
        transform=pipes.Augment(pipes.Gain(), pipes.WhiteNoise(), pipes.TimeShift()),
        drop_last=options["drop_last"],
    )
    if options["state"] is not None:
        loader.load_state_dict(options["state"])
    steps, n_steps = [], options["n_steps"]
    for batch in loader:
        steps.append(
            [
                [row, digest([signal, features])]
                for row, signal, features in zip(
                    batch.rows.tolist(), batch.signals, batch.features
                )
            ]
        )
        if len(steps) == n_steps:
            break
    # Here, each rank waits for all others: with unequal numbers of steps, for ever.
    states = [None] * n_ranks
    dist.all_gather_object(states, loader.state_dict())
    answer = {"steps": steps, "states": states, "len": len(loader)}
    print(json.dumps(answer), flush=True)
dist.destroy_process_group()
"""

Step = list[tuple[int, str]]
"""Row and digest of every record of a step, of all ranks one after the other."""


@dataclass
class Answer:
    """What all ranks yielded, step by step, and the state that they agree on."""

    steps: list[Step]
    sizes: list[list[int]]
    state: dict[str, Any]


class Group:
    """Some processes that train together."""

    def __init__(self, store: Path, folder: Path, n_ranks: int) -> None:
        program = folder / "rank.py"
        program.write_text(PROGRAM)
        init = folder / f"init_{n_ranks}"
        self._ranks = [
            subprocess.Popen(
                [sys.executable, program, store, init, str(rank), str(n_ranks)],
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
        drop_last: bool = False,
    ) -> Answer:
        """Let all ranks go over some steps of an epoch, or over the rest of it."""
        command = {
            "batch_size": batch_size,
            "state": state,
            "n_steps": n_steps,
            "drop_last": drop_last,
        }
        for rank in self._ranks:
            assert rank.stdin is not None
            rank.stdin.write(json.dumps(command) + "\n")
            rank.stdin.flush()
        answers = []
        for rank in self._ranks:
            assert rank.stdout is not None
            answers.append(json.loads(rank.stdout.readline()))
        states = [state for each in answers for state in each["states"]]
        assert all(each == states[0] for each in states)
        of_steps = zip(*(each["steps"] for each in answers), strict=True)
        steps = [*of_steps]
        if state is None and n_steps < 0:
            assert {each["len"] for each in answers} == {len(steps)}
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
            rank.wait(60)
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
def alone(sample_store: Path) -> list[Step]:
    """Two epochs of one process, record by record."""
    with ecgstore.open(sample_store) as store:
        loader = pipes.loader(
            store.select(folds=range(8)),
            5,
            shuffle=True,
            seed=4,
            fields=("signals", "features"),
            window=pipes.RandomCrop(2000),
            transform=pipes.Augment(
                pipes.Gain(), pipes.WhiteNoise(), pipes.TimeShift()
            ),
        )
        epochs = []
        for _ in range(2):
            records: Step = []
            for batch in loader:
                assert batch.signals is not None
                assert batch.features is not None
                records += [
                    (row, digest([signal, features]))
                    for row, signal, features in zip(
                        batch.rows.tolist(), batch.signals, batch.features, strict=True
                    )
                ]
            epochs.append(records)
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
    sample_store: Path, groups: dict[int, Group], alone: list[Step]
) -> None:
    begun = groups[3].run(2, n_steps=3)
    with ecgstore.open(sample_store) as store:
        options: Any = {"shuffle": True, "seed": 4, "fields": ["age"]}
        loader = pipes.loader(store.select(folds=range(8)), 1, **options)
        loader.load_state_dict(begun.state)
        found = [int(batch.rows) for batch in loader]
        assert [row for row, _ in flat(begun.steps)] + found == [
            row for row, _ in alone[0]
        ]
        loader.load_state_dict(begun.state)
        for _ in zip(range(7), loader, strict=False):
            state = loader.state_dict()
    rest = groups[2].run(2, state=state)
    assert flat(begun.steps) + alone[0][18:25] + flat(rest.steps) == alone[0]
