"""Batches of random records, and the augmentations applied to them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ecgstore.pipes import (
    Augment,
    Augmentation,
    BaselineWander,
    ElectrodeNoise,
    Gain,
    LeadDropout,
    Powerline,
    TimeMask,
    TimeShift,
    WhiteNoise,
    WhiteNoiseAtSnr,
)
from ecgstore.pipes.batch import Batch
from ecgstore.record import LEADS

ALL: list[Augmentation] = [
    Gain(probability=0.7),
    BaselineWander(probability=0.7),
    WhiteNoise(probability=0.7),
    WhiteNoiseAtSnr(probability=0.7),
    Powerline(probability=0.7, harmonics=(0.3, 0.1)),
    TimeShift(probability=0.7, max_shift_s=0.3),
    LeadDropout(probability=0.7),
    TimeMask(probability=0.7, duration_s=(0.05, 0.2)),
    ElectrodeNoise(probability=0.7),
]

TRANSFORMS: list[Augmentation | Augment] = [
    *ALL,
    Augment(*ALL),
    Augment(Gain(), Gain()),
]

each_transform = pytest.mark.parametrize(
    "transform",
    TRANSFORMS,
    ids=[*(type(augmentation).__name__ for augmentation in ALL), "all", "two"],
)


def make_batch(
    n_records: int, n_leads: int = 3, n_samples: int = 400, *, padded: bool = True
) -> Batch:
    """Return a batch of different random records with marks, the odd ones padded."""
    generator = np.random.default_rng(n_leads * 10_000 + n_samples)
    seeds = generator.integers(0, 2**64, n_records, np.uint64)
    signals = generator.normal(0, 0.5, (n_records, n_leads, n_samples)).astype("f4")
    n_real = np.full(n_records, n_samples)
    if padded:
        n_real[1::2] = generator.integers(0, n_samples + 1, len(n_real[1::2]))
    for signal, end in zip(signals, n_real, strict=True):
        signal[:, end:] = 0
    marks = generator.integers(-1, n_samples, (n_records, n_leads, 4, 9))
    return Batch(
        rows=torch.arange(n_records),
        seeds=seeds,
        names=np.array([f"r{row}".encode() for row in range(n_records)]),
        n_real_samples=torch.from_numpy(n_real),
        signals=torch.from_numpy(signals),
        fiducials=torch.from_numpy(marks.astype("i2")),
        r_peaks=torch.from_numpy(marks[:, 0, :, 4].astype("i2")),
        leads=LEADS[:n_leads],
    )


def take(batch: Batch, records: list[int], *, offset: int = 0) -> Batch:
    """Return a copy of some records, with signals at an offset in their memory."""
    assert batch.signals is not None
    chosen = batch.signals[records]
    memory = torch.empty(chosen.numel() + offset)
    signals = memory[offset:].view(chosen.shape).copy_(chosen)
    return Batch(
        rows=batch.rows[records],
        seeds=batch.seeds[records],
        names=batch.names[records],
        n_real_samples=batch.n_real_samples[records],
        signals=signals,
        fs=batch.fs,
        leads=batch.leads,
        fiducials=None if batch.fiducials is None else batch.fiducials[records],
        r_peaks=None if batch.r_peaks is None else batch.r_peaks[records],
    )


def copy(batch: Batch) -> Batch:
    return take(batch, list(range(len(batch))))


def contents(batch: Batch, record: int) -> dict[str, bytes]:
    """Return the bytes of all fields of a record."""
    tensors = {
        "signals": batch.signals,
        "n_real_samples": batch.n_real_samples,
        "fiducials": batch.fiducials,
        "r_peaks": batch.r_peaks,
    }
    return {
        name: tensor[record].numpy().tobytes()
        for name, tensor in tensors.items()
        if tensor is not None
    }


def signals_of(batch: Batch) -> Any:
    assert batch.signals is not None
    return batch.signals.numpy()


def added(augmentation: Augmentation, pool: Batch) -> Any:
    """Return the noise that an augmentation adds to every record."""
    zeros = replace(
        copy(pool), signals=torch.zeros_like(torch.tensor(signals_of(pool)))
    )
    return signals_of(replace(augmentation, probability=1.0)(zeros))
