"""Train the delineator on the Lobachevsky University Database (LUDB).

Usage: python -m ecgstore.models.delineator.training LUDB -o delineator.npz

LUDB is the folder with the headers, signals and annotations (``1.hea``, ``1.dat``,
``1.i``, ...). With ``--folds 5``, one network is trained for each fifth of the records,
on the other four fifths, and all weights are written to one file, so that
``bench/beats/delineation.py`` can evaluate each record by a network that was not
trained on it.

Training is deterministic: the same records, options, version of PyTorch and processor
give the same weights.
"""

import argparse
import copy
import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

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
BATCH: Final = 12
LEARNING_RATE: Final = 5e-3
WARM_UP: Final = 100
EMA_DECAY: Final = 0.995
"""Decay of the moving average of the weights, over about the last 200 steps."""

CLASS_WEIGHTS: Final = (1.0, 1.5, 1.5, 2.0, 2.0, 1.0, 1.0)
"""Higher for P waves, which are small, and QRS complexes, which are short."""

CITATION: Final = "Kalyakulina et al. 2020, IEEE Access 8:186181 (LUDB 1.0.1, ODC-By)"


def train(
    records: list[TrainingRecord], n_steps: int, seed: int
) -> Iterator[tuple[float, DelineatorNetwork]]:
    """Train a network; yield the loss and the averaged network after every step.

    The same network object is yielded every time. Equal arguments give equal weights.
    """
    torch.manual_seed(seed)
    network = DelineatorNetwork()
    averaged = copy.deepcopy(network).eval()
    sampler = Sampler(records, seed)
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=1e-2)
    for step in range(n_steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, n_steps)
        signals, usable, labels = map(torch.from_numpy, sampler.batch(BATCH))
        loss = loss_of(network(signals, usable[..., None]), labels, usable)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        average(averaged, network, min(EMA_DECAY, (step + 1) / (step + 10)))
        yield float(loss.detach()), averaged


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


def loss_of(logits: Tensor, labels: Tensor, usable: Tensor) -> Tensor:
    """Return the mean cross entropy of the labelled cells of usable leads.

    Parameters
    ----------
    logits, labels : Tensor of shape (n_records, n_leads, 7, n_cells)
        Logits, and the share of each class in each cell.
    usable : Tensor of shape (n_records, n_leads)
        1 or 0.
    """
    target = labels * usable[:, :, None, None]
    weight = logits.new_tensor(CLASS_WEIGHTS)[:, None]
    loss = -(torch.log_softmax(logits, 2) * target * weight).sum()
    return loss / target.sum().clamp(min=1)


def main(arguments: list[str] | None = None) -> None:
    """Train one network, or one per fold, and write the weights."""
    options = _options(arguments)
    torch.set_num_threads(options.threads)
    records = read_training_records(options.ludb)
    # LUDB has one record of each patient.
    fold_of = assign_folds(
        {record.record_id: record.record_id for record in records},
        max(options.folds, 1),
    )
    weights: dict[str, Float32Array] = {}
    held_out: dict[str, list[str]] = {}
    for fold in options.only or range(max(options.folds, 1)):
        training_records = records
        if options.folds:
            training_records = [
                record for record in records if fold_of[record.record_id] != fold
            ]
            held_out[f"weights_{fold}"] = [
                record_id for record_id in fold_of if fold_of[record_id] == fold
            ]
        steps = train(training_records, options.steps, options.seed)
        with Progress(f"fold {fold}", options.steps, unit="steps") as progress:
            mean = None
            for loss, network in steps:  # noqa: B007
                mean = loss if mean is None else 0.98 * mean + 0.02 * loss
                progress.update(detail=f"loss {mean:.4f}")
        name = f"weights_{fold}" if options.folds else "weights"
        weights[name] = flat_weights(network)
        about = {
            "data": CITATION,
            "records": [record.record_id for record in records],
            "held_out": held_out,
            "steps": options.steps,
            "seed": options.seed,
            "torch": torch.__version__,
            "sha256": {
                name: hashlib.sha256(values.tobytes()).hexdigest()
                for name, values in weights.items()
            },
        }
        write_weights(options.output, weights, about)


def write_weights(
    path: Path, arrays: dict[str, Float32Array], about: dict[str, Any]
) -> None:
    """Write weights and their provenance; the file appears when it is complete."""
    text = np.array(json.dumps(about, sort_keys=True))
    with replace_file(path, "wb") as file:
        np.savez(file, about=text, **arrays)  # type: ignore[arg-type]


def _options(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m ecgstore.models.delineator.training",
        description="Train the delineator on LUDB.",
    )
    parser.add_argument("ludb", type=Path, help="folder with the records of LUDB")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="weights file to write"
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
