"""Augmentations of braindecode, which is made for EEG.

Its time mask has smooth edges, and its noise one standard deviation for all records.
"""

import torch
from braindecode.augmentation import ChannelsDropout, GaussianNoise, SmoothTimeMask

from bench.loading.transforms.candidates import N_RECORDS, Signals, Work

LIBRARIES = ("braindecode", "torch")


def make(name: str) -> Work:
    """Return a function that augments a batch."""
    augmentation = {
        "lead dropout": lambda: ChannelsDropout(0.5, p_drop=0.5, random_state=0),
        "time mask": lambda: SmoothTimeMask(0.5, mask_len_samples=275, random_state=0),
        "white noise": lambda: GaussianNoise(0.5, std=0.05, random_state=0),
    }[name]()
    labels = torch.zeros(N_RECORDS)

    def transform(signals: Signals) -> object:
        with torch.inference_mode():
            return augmentation(torch.from_numpy(signals), labels)

    return transform
