"""The augmentation that adds noise of electrodes, as the leads combine them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import torch
from torch import Tensor

from ecgstore.arrays import Float32Array
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.fusing._codes_of_kernels import ELECTRODE_NOISE
from ecgstore.pipes.fusing.steps import Fusible, Step
from ecgstore.pipes.transforms.augmentation import (
    Augmentation,
    Draws,
    Range,
    add_noise,
    check_range,
    noise_numbers,
    on_device_of,
    signals_in_mv,
)
from ecgstore.pipes.transforms.white_noise import draw_keys, noise_of_keys

_LIMBS: Final = ("RA", "LA", "LL")

_LIMB_LEADS: Final[Mapping[str, tuple[float, float, float]]] = {
    "I": (-1, 1, 0),
    "II": (-1, 0, 1),
    "III": (0, -1, 1),
    "aVR": (1, -1 / 2, -1 / 2),
    "aVL": (-1 / 2, 1, -1 / 2),
    "aVF": (-1 / 2, -1 / 2, 1),
}
"""What the electrodes of right arm, left arm and left leg contribute to a lead."""

_CENTRAL_TERMINAL: Final = -1 / 3
"""What each of them contributes to a chest lead, by Wilson's central terminal."""


@dataclass(frozen=True, kw_only=True)
class ElectrodeNoise(Augmentation, Fusible):
    """Add Gaussian white noise to every electrode, and so to the leads between them.

    As in a recording, a lead gets the difference of its electrodes' noise, and what
    holds between leads still holds: III = II - I, and aVR + aVL + aVF = 0, up to
    rounding. `WhiteNoise` adds independent noise to every lead instead.

    Parameters
    ----------
    sd_mv : tuple of float
        Range of the standard deviation of an electrode's noise in mV. That of lead I is
        1.41 times as large, that of V1 1.15 times.
    probability : float
        Probability that a record is changed.

    Raises
    ------
    ValueError
        When it is applied, if a lead is none of I, II, III, aVR, aVL, aVF and chest
        leads such as V1 or V3R.

    Notes
    -----
    The definitions of the leads are those of Kligfield et al. 2007 (Circulation
    115:1306).
    """

    sd_mv: Range = (0.01, 0.07)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("sd_mv", self.sd_mv, 0)

    def apply(self, batch: Batch, chosen: Tensor, draws: Draws) -> Batch:
        """Add the noise."""
        signals = signals_in_mv(batch, type(self).__name__)
        weights = _weights_of(batch)
        electrodes = noise_of_keys(signals, draw_keys(draws), weights.shape[1])
        sd_mv = draws.uniform_array(*self.sd_mv) * chosen.numpy()
        electrodes.mul_(on_device_of(signals, sd_mv)[:, None, None])
        noise = torch.zeros_like(signals)
        for number in range(weights.shape[1]):
            of_leads = torch.from_numpy(weights[:, number]).to(signals.device)
            noise.add_(electrodes[:, number, None] * of_leads[:, None])
        return add_noise(batch, signals, noise)

    def step(self, batch: Batch) -> tuple[Step | None, Batch]:
        """Return the same as a step of a kernel."""
        chosen, draws = self.drawn(batch)
        keys, sd_mv = draw_keys(draws), draws.uniform_array(*self.sd_mv)
        weights = _weights_of(batch)
        n_electrodes = weights.shape[1]
        numbers = noise_numbers(batch, chosen, keys, sd_mv)
        constants = weights.reshape(-1)
        return Step(
            ELECTRODE_NOISE, numbers, constants, n_electrodes, n_electrodes
        ), batch


def _weights_of(batch: Batch) -> Float32Array:
    """Return the weights of the leads of a batch, if they are those of its signals."""
    assert batch.signals is not None
    if len(batch.leads) != batch.signals.shape[1]:
        raise ValueError(
            f"the batch has {batch.signals.shape[1]} leads and names {len(batch.leads)}"
            f" ({', '.join(batch.leads)}); expected a name for each: a transform that "
            "changes the leads must change leads=, too"
        )
    return _weights(batch.leads)


@lru_cache(maxsize=64)
def _weights(leads: tuple[str, ...]) -> Float32Array:
    """Return what each electrode contributes, of shape (n_leads, n_electrodes)."""
    electrodes = [*_LIMBS, *(lead for lead in leads if lead not in _LIMB_LEADS)]
    weights = np.zeros((len(leads), len(electrodes)), np.float32)
    for number, lead in enumerate(leads):
        if lead in _LIMB_LEADS:
            weights[number, :3] = _LIMB_LEADS[lead]
        elif lead.startswith("V") and lead[1:2].isdigit():
            weights[number, :3] = _CENTRAL_TERMINAL
            weights[number, electrodes.index(lead)] = 1
        else:
            raise ValueError(
                f"the electrodes of lead {lead!r} are not known; expected limb leads "
                f"({', '.join(_LIMB_LEADS)}) and chest leads such as V1: use "
                "WhiteNoise, or leads= of the loader"
            )
    return weights
