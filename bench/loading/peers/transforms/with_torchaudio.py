"""Decimation by torchaudio: a windowed sinc with ten zero crossings per side."""

import torch
from torchaudio.transforms import Resample

from bench.loading.transforms.candidates import FACTOR, FS, Signals, Work

LIBRARIES = ("torchaudio", "torch")


def make(name: str) -> Work:
    """Return a function that decimates a batch."""
    resample = Resample(int(FS), int(FS) // FACTOR, lowpass_filter_width=10)

    def transform(signals: Signals) -> object:
        with torch.inference_mode():
            return resample(torch.from_numpy(signals))

    return transform
