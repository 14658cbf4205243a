"""Augmentations of torch_ecg with its defaults, for half of the records."""

import torch
from torch_ecg.augmenters.baseline_wander import BaselineWanderAugmenter
from torch_ecg.augmenters.random_masking import RandomMasking

from bench.loading.transforms.candidates import FS, N_RECORDS, Signals, Work

LIBRARIES = ("torch_ecg", "torch")


def make(name: str) -> Work:
    """Return a function that augments a batch."""
    augmenter = {
        "baseline wander": lambda: BaselineWanderAugmenter(int(FS), prob=0.5),
        "time mask": lambda: RandomMasking(int(FS), prob=0.5),
    }[name]()
    labels = torch.zeros(N_RECORDS, 7)
    critical = [[1000, 2000, 3000, 4000]] * N_RECORDS  # R peaks, which it masks

    def transform(signals: Signals) -> object:
        batch = torch.from_numpy(signals)
        with torch.inference_mode():
            if name == "time mask":
                return augmenter(batch, labels, critical_points=critical)
            return augmenter(batch, labels)

    return transform
