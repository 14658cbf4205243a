"""Transforms of ecgstore on a batch in memory, by its kernel."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import torch

from bench.loading.transforms.candidates import FACTOR, FS, N_RECORDS, Signals, Work
from ecgstore import pipes
from ecgstore.pipes.batch import Batch, Transform
from ecgstore.pipes.fusing.fused import fuse
from ecgstore.record import LEADS

_SIX: Final = pipes.Augment(
    pipes.Gain(),
    pipes.BaselineWander(),
    pipes.WhiteNoise(),
    pipes.Powerline(),
    pipes.TimeShift(),
    pipes.LeadDropout(),
)

_STANDARDISE: Final = pipes.Standardise(
    mean=tuple(np.linspace(-0.01, 0.01, len(LEADS)).tolist()),
    sd=tuple(np.linspace(0.1, 0.4, len(LEADS)).tolist()),
    leads=LEADS,
    by="lead",
    fs=FS,
    fingerprint="",
    rows_sha256="",
    n_records=1,
)

TRANSFORMS: Final[Mapping[str, Sequence[Transform]]] = {
    "standardise": [_STANDARDISE],
    "decimate to 100 Hz": [pipes.Decimate(FACTOR)],
    "gain": [pipes.Gain()],
    "time shift": [pipes.TimeShift()],
    "lead dropout": [pipes.LeadDropout()],
    "time mask": [pipes.TimeMask()],
    "baseline wander": [pipes.BaselineWander()],
    "powerline": [pipes.Powerline()],
    "white noise": [pipes.WhiteNoise()],
    "electrode noise": [pipes.ElectrodeNoise()],
    "six augmentations": [_SIX],
    "everything": [_STANDARDISE, _SIX, pipes.Decimate(FACTOR)],
}


def make(name: str) -> Work:
    """Return a function that transforms a batch."""
    return _work(fuse(TRANSFORMS[name]))


def _work(transforms: Sequence[Transform]) -> Work:
    """Return a function that applies transforms to a batch with new seeds."""
    random = np.random.default_rng(0)

    def transform(signals: Signals) -> Batch:
        batch = Batch(
            rows=torch.arange(N_RECORDS),
            seeds=random.integers(0, 2**64, N_RECORDS, np.uint64),
            names=np.full(N_RECORDS, b"record"),
            n_real_samples=torch.full((N_RECORDS,), signals.shape[-1]),
            signals=torch.from_numpy(signals),
            fs=FS,
        )
        for one in transforms:
            batch = one(batch)
        return batch

    return transform
