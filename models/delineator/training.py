"""Train the delineator on the Lobachevsky University Database (LUDB).

Usage: python -m ecgstore.models.delineator.training LUDB -o delineator.npz

LUDB is the folder with the headers, signals and annotations (``1.hea``, ``1.dat``,
``1.i``, ...). With ``--folds 5``, one network is trained for each fifth of the records
on the other four, and their weights are written together, for
``bench/beats/delineation.py`` to measure records that a network has not seen.

Training is deterministic: the same records, options, torch and processor give the same
weights.
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
"""The weights are averaged over about the last 200 steps."""

CLASS_WEIGHTS: Final = (1.0, 1.5, 1.5, 2.0, 2.0, 1.0, 1.0)
"""P waves are small, QRS complexes short."""

CITATION: Final = "Kalyakulina et al. 2020, IEEE Access 8:186181 (LUDB 1.0.1, ODC-By)"


def train(
    records: list[TrainingRecord], n_steps: int, seed: int
) -> Iterator[tuple[float, DelineatorNetwork]]:
    """Train a network; yield the loss and the averaged network after every step.

    It is one network that changes; equal arguments give equal weights.
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
        loss = loss_of(network(signals, usable), labels, usable)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        average(averaged, network, min(EMA_DECAY, (step + 1) / (step + 10)))
        yield float(loss.detach()), averaged


def learning_rate(step: int, n_steps: int) -> float:
    """Return the rate of a step: a short warm-up, then half a cosine to nearly 0.

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
    """Move an average of weights and normalisations towards those of a network."""
    old, new = averaged.state_dict(), network.state_dict()
    for name, value in old.items():
        if value.dtype.is_floating_point:
            value.mul_(kept).add_(new[name], alpha=1 - kept)


def loss_of(logits: Tensor, labels: Tensor, usable: Tensor) -> Tensor:
    """Return the cross entropy per known cell of the usable leads.

    Parameters
    ----------
    logits, labels : Tensor of shape (n_records, n_leads, 7, n_cells)
    usable : Tensor of shape (n_records, n_leads)
    """
    target = labels * usable[:, :, None, None]
    weight = logits.new_tensor(CLASS_WEIGHTS)[:, None]
    loss = -(torch.log_softmax(logits, 2) * target * weight).sum()
    return loss / target.sum().clamp(min=1)


def main(arguments: list[str] | None = None) -> None:
    """Train one network, or one for each fold, and write the weights."""
    options = _options(arguments)
    torch.set_num_threads(options.threads)
    records = read_training_records(options.ludb)
    if not records:
        raise SystemExit(
            f"{options.ludb}: no record of LUDB; expected its headers (1.hea, ...)"
        )
    found: dict[str, Float32Array] = {}
    held_out: dict[str, list[str]] = {}
    for fold in options.only or range(max(options.folds, 1)):
        seen = records
        if options.folds:
            seen = [each for k, each in enumerate(records) if k % options.folds != fold]
            held_out[f"weights_{fold}"] = [
                each.record_id for each in records[fold :: options.folds]
            ]
        steps = train(seen, options.steps, options.seed)
        with Progress(f"fold {fold}", options.steps, unit="steps") as progress:
            mean = None
            for loss, network in steps:  # noqa: B007
                mean = loss if mean is None else 0.98 * mean + 0.02 * loss
                progress.update(detail=f"loss {mean:.4f}")
        name = f"weights_{fold}" if options.folds else "weights"
        found[name] = flat_weights(network)
        about = {
            "data": CITATION,
            "records": [each.record_id for each in records],
            "held_out": held_out,
            "steps": options.steps,
            "seed": options.seed,
            "torch": torch.__version__,
            "sha256": {
                name: hashlib.sha256(values.tobytes()).hexdigest()
                for name, values in found.items()
            },
        }
        write_weights(options.output, found, about)


def write_weights(
    path: Path, arrays: dict[str, Float32Array], about: dict[str, Any]
) -> None:
    """Write weights and what made them; the file appears when it is complete."""
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
    parser.add_argument("-o", "--output", type=Path, required=True, help="weights file")
    parser.add_argument("--steps", type=int, default=N_STEPS, help="[%(default)s]")
    parser.add_argument("--seed", type=int, default=0, help="[%(default)s]")
    parser.add_argument("--threads", type=int, default=1, help="[%(default)s]")
    parser.add_argument(
        "--folds", type=int, default=0, help="cross-validate in this many folds"
    )
    parser.add_argument(
        "--only", type=int, nargs="*", help="train these folds only, from 0 on"
    )
    options = parser.parse_args(arguments)
    # Records that a fold holds out must be some, and must not be seen by another name.
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
