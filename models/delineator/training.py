r"""Train the delineator on annotated databases.

Usage: python -m ecgstore.models.delineator.training -o FOLDER --ludb LUDB \
           --qtdb QTDB --cpsc2019 CPSC2019 [--folds 5]

LUDB alone is needed. Without ``--folds``, one network is trained on all records, and
written as ``weights.npz``. With ``--folds 5``, one network is trained for each fifth of
the patients of each database, on the other four fifths, and written as ``fold_0.npz``,
...: ``bench/beats/delineation.py`` judges each record by a network that was not trained
on it. The same command can run several times at once, for different folds (``--only``).

An interrupted training goes on where it was when the same command is run again.
Training is deterministic: the same records, options, version of PyTorch and processor
give the same weights, interrupted or not.
"""

import argparse
import copy
import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import torch
from torch import Tensor

from ecgstore.arrays import Float32Array
from ecgstore.models.delineator.folds import assign_folds
from ecgstore.models.delineator.network import DelineatorNetwork, flat_weights
from ecgstore.models.delineator.records import TrainingRecord, read_training_records
from ecgstore.models.delineator.samples import Sampler
from ecgstore.system.atomic_files import replace_file
from ecgstore.system.progress import Progress

N_STEPS: Final = 3000
LEARNING_RATE: Final = 5e-3
WARM_UP: Final = 100
EMA_DECAY: Final = 0.995
"""Decay of the moving average of the weights, over about the last 200 steps."""

CLASS_WEIGHTS: Final = (1.0, 1.5, 1.5, 2.0, 2.0, 1.0, 1.0)
"""Higher for P waves, which are small, and QRS complexes, which are short."""

A_QRS_WEIGHT: Final = 2.0
"""Weight of cells of which only that they belong to a QRS complex is known."""

STEPS_BETWEEN_STATES: Final = 100

CITATIONS: Final = {
    "ludb": "Kalyakulina et al. 2020, IEEE Access 8:186181 (LUDB 1.0.1, ODC-By)",
    "qtdb": "Laguna et al. 1997, Computers in Cardiology 24:673 (QTDB 1.0.0, ODC-By)",
    "cpsc2019": "China Physiological Signal Challenge 2019 (training set, in part)",
}


@dataclass(eq=False, slots=True)
class Training:
    """A training between two steps.

    Attributes
    ----------
    network, averaged : DelineatorNetwork
        The network that is trained, and the moving average of its weights.
    optimiser : Optimizer
    step : int
        Number of steps done.
    """

    network: DelineatorNetwork
    averaged: DelineatorNetwork
    optimiser: torch.optim.Optimizer
    step: int

    @classmethod
    def begin(cls, seed: int) -> Self:
        """Return a training before its first step."""
        torch.manual_seed(seed)
        network = DelineatorNetwork()
        averaged = copy.deepcopy(network).eval()
        optimiser = torch.optim.AdamW(network.parameters(), weight_decay=1e-2)
        return cls(network, averaged, optimiser, 0)

    def state(self) -> dict[str, Any]:
        """Return all that a later process needs to go on."""
        return {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]


def train(training: Training, sampler: Sampler, n_steps: int) -> Iterator[float]:
    """Do the remaining of `n_steps` steps; yield the loss after each."""
    network = training.network.train()
    for step in range(training.step, n_steps):
        for group in training.optimiser.param_groups:
            group["lr"] = learning_rate(step, n_steps)
        signals, usable, labels = map(torch.from_numpy, sampler.batch(step))
        loss = loss_of(network(signals, usable), labels)
        training.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        training.optimiser.step()
        kept = min(EMA_DECAY, (step + 1) / (step + 10))
        average(training.averaged, network, kept)
        training.step = step + 1
        yield float(loss.detach())


def learning_rate(step: int, n_steps: int) -> float:
    """Return the learning rate of a step: a linear warm-up, then cosine decay.

    Examples
    --------
    >>> learning_rate(0, 3000) < learning_rate(100, 3000) > learning_rate(2999, 3000)
    True
    """
    cosine = 0.5 * (1 + math.cos(math.pi * step / n_steps))
    return LEARNING_RATE * min(1.0, (step + 1) / WARM_UP) * cosine + 1e-5


@torch.no_grad()
def average(
    averaged: DelineatorNetwork, network: DelineatorNetwork, kept: float
) -> None:
    """Update a moving average of weights and running statistics in place."""
    old, new = averaged.state_dict(), network.state_dict()
    for name, value in old.items():
        if value.dtype.is_floating_point:
            value.mul_(kept).add_(new[name], alpha=1 - kept)


def loss_of(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross entropy of the labelled cells.

    Parameters
    ----------
    logits : Tensor of shape (n_records, n_leads, 7, n_cells)
    labels : Tensor of shape (n_records, n_leads, 9, n_cells)
        The share of each label in each cell; 0 where it is unknown. The last two are "a
        QRS complex" and "no QRS complex": the loss of the former is that of the sum of
        the probabilities of both parts of a complex.
    """
    log_p = torch.log_softmax(logits, 2)
    is_qrs = torch.logsumexp(log_p[:, :, 3:5], 2)
    is_none = torch.logsumexp(log_p[:, :, [0, 1, 2, 5, 6]], 2)
    weight = logits.new_tensor(CLASS_WEIGHTS)[:, None]
    loss = -(log_p * labels[:, :, :7] * weight).sum()
    loss = loss - A_QRS_WEIGHT * (is_qrs * labels[:, :, 7]).sum()
    loss = loss - (is_none * labels[:, :, 8]).sum()
    return loss / labels.sum().clamp(min=1)


def train_and_write(
    folder: Path,
    name: str,
    records: Sequence[TrainingRecord],
    held_out: Sequence[str],
    options: argparse.Namespace,
) -> None:
    """Train a network, or go on training it, and write ``NAME.npz`` into a folder.

    Nothing is done if that file is there.
    """
    path, state_path = folder / f"{name}.npz", folder / f"{name}.state"
    if path.exists():
        print(f"{path} exists: nothing to do")
        return
    settings = {
        "records": sorted({record.record_id for record in records}),
        "steps": options.steps,
        "seed": options.seed,
        "torch": str(torch.__version__),
    }
    training = Training.begin(options.seed)
    if state_path.exists():
        saved = torch.load(state_path, weights_only=True)
        if saved["settings"] != settings:
            raise SystemExit(
                f"{state_path}: the state of a training with other options, records or "
                "another version of PyTorch; remove it, or give another folder with -o"
            )
        training.load(saved["state"])
    sampler = Sampler(records, options.seed)
    mean = None
    with Progress(name, options.steps, unit="steps", done=training.step) as progress:
        for loss in train(training, sampler, options.steps):
            mean = loss if mean is None else 0.98 * mean + 0.02 * loss
            progress.update(detail=f"loss {mean:.4f}")
            if training.step % STEPS_BETWEEN_STATES == 0:
                with replace_file(state_path, "wb") as file:
                    torch.save({"settings": settings, "state": training.state()}, file)
    weights = flat_weights(training.averaged)
    about = {
        **settings,
        "held_out": sorted(held_out),
        "data": {
            source: citation
            for source, citation in CITATIONS.items()
            if any(record.source == source for record in records)
        },
        "sha256": hashlib.sha256(weights.tobytes()).hexdigest(),
    }
    write_weights(path, weights, about)
    state_path.unlink(missing_ok=True)


def write_weights(path: Path, weights: Float32Array, about: dict[str, Any]) -> None:
    """Write weights and their provenance; the file appears when it is complete."""
    text = np.array(json.dumps(about, sort_keys=True))
    with replace_file(path, "wb") as file:
        np.savez(file, about=text, weights=weights)


def folds_of(records: Sequence[TrainingRecord], n_folds: int) -> dict[str, int]:
    """Return the fold of each record; those of each database are shared out alone."""
    folds: dict[str, int] = {}
    databases = [("ludb",), ("qtdb", "qtdb-beats"), ("cpsc2019",)]
    for sources in databases:
        patients = {
            record.record_id: record.patient
            for record in records
            if record.source in sources
        }
        folds |= assign_folds(patients, n_folds)
    return folds


def main(arguments: list[str] | None = None) -> None:
    """Train one network, or one per fold, and write the weights."""
    options = _options(arguments)
    torch.set_num_threads(options.threads)
    options.output.mkdir(parents=True, exist_ok=True)
    records = read_training_records(options.ludb, options.qtdb, options.cpsc2019)
    if not options.folds:
        train_and_write(options.output, "weights", records, (), options)
        return
    fold_of = folds_of(records, options.folds)
    for fold in options.only or range(options.folds):
        train_and_write(
            options.output,
            f"fold_{fold}",
            [record for record in records if fold_of[record.record_id] != fold],
            [record_id for record_id in fold_of if fold_of[record_id] == fold],
            options,
        )


def _options(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m ecgstore.models.delineator.training",
        description="Train the delineator on annotated databases.",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="folder for the weights"
    )
    parser.add_argument(
        "--ludb", type=Path, required=True, help="folder with the records of LUDB"
    )
    parser.add_argument("--qtdb", type=Path, help="folder with the QT Database")
    parser.add_argument(
        "--cpsc2019", type=Path, help="folder with records of the Challenge 2019"
    )
    parser.add_argument(
        "--steps", type=int, default=N_STEPS, help="training steps [%(default)s]"
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed [%(default)s]")
    parser.add_argument("--threads", type=int, default=1, help="threads [%(default)s]")
    parser.add_argument(
        "--folds", type=int, default=0, help="number of folds to cross-validate"
    )
    parser.add_argument(
        "--only",
        type=int,
        nargs="*",
        help="numbers of the folds to train, from 0 [all]",
    )
    options = parser.parse_args(arguments)
    # Every fold must hold out some records, and train on others.
    if options.folds < 0 or options.folds == 1:
        parser.error(f"--folds is {options.folds}; expected 2 or more")
    wrong = [fold for fold in options.only or () if not 0 <= fold < options.folds]
    if wrong:
        parser.error(
            f"--only names fold {wrong[0]} of {options.folds}; expected folds from 0 "
            "to --folds - 1"
        )
    return options


if __name__ == "__main__":
    main()
