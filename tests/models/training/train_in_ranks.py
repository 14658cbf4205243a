"""Train as one of two processes, in several ways; save the weights of each.

Usage, in the root of the repository, with the environment variables of ``torchrun``:
python -m tests.models.training.train_in_ranks STORE FOLDER
"""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

import ecgstore
from ecgstore.models.distributed import is_first_process, process_group
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.models.training.fit import fit
from ecgstore.models.training.run import train_into
from ecgstore.storage import Selection, Store
from tests.models.training.small_trainings import (
    TRAINING_ROWS,
    VALIDATION_ROWS,
    StoppedError,
    TinyNetwork,
    fast_settings,
    stopping,
    values_of,
    weights_recorder,
)


class RankCase(NamedTuple):
    """A training that one process can do as well as two."""

    training_rows: range
    validation_rows: range | None
    has_state: bool
    average_decay: float = 0.0

    def network(self) -> TinyNetwork:
        return TinyNetwork(self.has_state)

    def selections(self, store: Store) -> tuple[Selection, Selection | None]:
        validation = self.validation_rows
        return (
            store.select(rows=self.training_rows),
            None if validation is None else store.select(rows=validation),
        )

    def settings(self, batch_size: int) -> TrainingSettings:
        return fast_settings(batch_size=batch_size, average_decay=self.average_decay)


CASES = {
    "plain": RankCase(TRAINING_ROWS, VALIDATION_ROWS, has_state=False),
    "uneven": RankCase(range(7), None, has_state=False),
    "averaged": RankCase(
        TRAINING_ROWS, VALIDATION_ROWS, has_state=True, average_decay=0.5
    ),
    "no validation": RankCase(TRAINING_ROWS, None, has_state=True),
}

BATCH_SIZE = 4
"""Of each process."""


def train_in_ranks(store_path: Path, folder: Path) -> None:
    """Train every case, one of them resumed, and an extractor into a folder."""
    results: dict[str, Any] = {}
    with process_group() as device, ecgstore.open(store_path) as store:
        for name, case in CASES.items():
            network = case.network()
            after_epochs: list[str] = []
            history = fit(
                network,
                *case.selections(store),
                case.settings(BATCH_SIZE),
                device=device,
                callbacks=[weights_recorder(network, after_epochs)],
            )
            assert bool(after_epochs) == is_first_process()
            results[name] = network.state_dict(), values_of(history)
        case = CASES["averaged"]
        training, validation = case.selections(store)
        settings = case.settings(BATCH_SIZE)
        state_file = folder / "last.pt"
        try:
            network = stopping(case.network(), 1)
            fit(network, training, validation, settings, state_file=state_file)
        except StoppedError:
            network = case.network()
            history = fit(
                network, training, validation, settings, state_file=state_file
            )
            results["resumed"] = network.state_dict(), values_of(history)
        assert validation is not None
        train_into(
            folder / "run",
            training,
            validation,
            ModelSettings(model="cnn", fs=100.0),
            replace(settings, epochs=1, pretrain_epochs=1, auxiliary_weight=0.5),
            pretrain_on=[store],
        )
        torch.save(results, folder / f"rank_{os.environ['RANK']}.pt")


if __name__ == "__main__":
    torch.set_num_threads(1)
    train_in_ranks(Path(sys.argv[1]), Path(sys.argv[2]))
