"""Random convolutions whose outputs are counted, not learned: MiniRocket."""

import itertools
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ecgstore.arrays import IntArray
from ecgstore.models.networks._minirocket_kernels import write_features
from ecgstore.models.networks.masked import Masked, mean_over_time
from ecgstore.pipes.plain_tensors import is_plain

_TAPS: Final = 9
_TAPS_OF_TWO: Final[IntArray] = np.array([*itertools.combinations(range(_TAPS), 3)])
_PATTERNS: Final = len(_TAPS_OF_TWO)
"""All choices of 3 taps of 9: these are 2, the others -1, so that they sum to 0."""

_DILATIONS: Final = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)
"""Samples between two taps: at 100 Hz, kernels span 0.1 s (a QRS complex) to 7.7 s."""

_MOST_LEADS: Final = 3
"""Most leads that one kernel sums."""

_THRESHOLDS: Final = 4
"""Thresholds of each kernel, and so features."""

_STRIDE: Final = 2
_RAMP: Final = 0.1
"""Width of the step from 0 to 1, in standard deviations of the kernel's output. So the
features have a gradient, which explanations need."""

_SILENT: Final = 0.05
"""Kernels whose output varies by less than this part of the median sum leads that
cancel out, such as aVR, aVL and aVF: what remains is rounding noise of the recorder."""

_GOLDEN: Final = (5**0.5 - 1) / 2


def trunk(n_leads: int) -> nn.Module:
    """Return the layers of ``minirocket``."""
    return RandomConvolutions(n_leads)


class RandomConvolutions(nn.Module):
    """The share of a record in which each of many random convolutions is high.

    MiniRocket of Dempster, Schmidt and Webb 2021 (KDD, doi 10.1145/3447548.3467231):
    84 kernels with two values, at 12 dilations, each on the sum of 1 to 3 leads; a
    feature is the share of the samples at which the output exceeds a threshold, 4032 in
    all. Thresholds are quantiles of the outputs for training records. Unlike there,
    every second sample is used, all samples count, the step at the threshold is a short
    ramp, and no kernel sums leads that cancel out.

    Nothing but the thresholds is fitted, so that few records suffice: `fit` draws the
    kernels and sets the thresholds, and a linear head is fitted to the features.

    Parameters
    ----------
    n_leads : int
        Number of leads of the signals.
    """

    kernels: Tensor
    thresholds: Tensor
    sd: Tensor

    def __init__(self, n_leads: int) -> None:
        super().__init__()
        n_dilations = len(_DILATIONS)
        self.n_features = n_dilations * _PATTERNS * _THRESHOLDS
        shape = (n_dilations, _PATTERNS)
        self.register_buffer("kernels", torch.zeros(*shape, n_leads, _TAPS))
        self.register_buffer("thresholds", torch.zeros(*shape, _THRESHOLDS))
        self.register_buffer("sd", torch.ones(*shape))

    def forward(self, values: Tensor, mask: Tensor | None) -> Masked:
        """Return the features as one frame, and no mask; see `Trunk`."""
        if is_plain(values) and self._are_drawn():
            return self._counted(values, mask)[..., None], None
        if mask is not None:
            mask = mask[..., ::_STRIDE]
        features = []
        for number in range(len(_DILATIONS)):
            width = _RAMP * self.sd[number, :, None]
            outputs = self._convolved(values, number) / width
            for k in range(_THRESHOLDS):
                begin = self.thresholds[number, :, k, None] / width - 0.5
                is_above = (outputs - begin).clamp_(0, 1)
                features.append(mean_over_time(is_above, mask))
        return torch.cat(features, dim=1)[..., None], None

    @torch.no_grad()
    def fit(self, values: Tensor, seed: int) -> None:
        """Draw the kernels, and set the thresholds to quantiles of their outputs.

        Parameters
        ----------
        values : Tensor of shape (n_records, n_leads, n_samples)
            Normalised signals of some training records.
        seed : int
            Seed of the leads of each kernel and of the quantiles.
        """
        random = np.random.default_rng(seed)
        n_leads = self.kernels.shape[2]
        patterns = _patterns()
        kernels = np.zeros(self.kernels.shape, np.float32)
        for place in np.ndindex(kernels.shape[:2]):
            n_summed = random.integers(1, min(_MOST_LEADS, n_leads) + 1)
            leads = random.choice(n_leads, n_summed, replace=False)
            kernels[place][leads] = patterns[place[1]]
        self.kernels.copy_(torch.from_numpy(kernels))
        # Evenly spread over all kernels, as in the publication.
        n = _PATTERNS * _THRESHOLDS
        for number in range(len(_DILATIONS)):
            outputs = self._convolved(values, number)
            sd = outputs.transpose(0, 1).flatten(1).std(dim=1)
            silent = sd < _SILENT * sd.median()
            if silent.any():
                self._keep_one_lead(number, silent)
                outputs = self._convolved(values, number)
            quantiles = (np.arange(1, n + 1) * _GOLDEN + random.random()) % 1
            flat = outputs.transpose(0, 1).flatten(1)
            ordered = flat.sort(dim=1).values
            places = quantiles.reshape(_PATTERNS, _THRESHOLDS) * (ordered.shape[1] - 1)
            chosen = torch.from_numpy(places.astype(np.int64)).to(ordered.device)
            self.thresholds[number] = ordered.gather(1, chosen)
            self.sd[number] = flat.std(dim=1).clamp(min=1e-3)

    def _are_drawn(self) -> bool:
        """Return whether the kernels are those of `fit`, as in any file it made."""
        patterns = torch.from_numpy(_patterns())[:, None]
        is_taken = (self.kernels != 0).any(dim=-1, keepdim=True)
        return torch.equal(self.kernels, patterns * is_taken)

    def _counted(self, values: Tensor, mask: Tensor | None) -> Tensor:
        """Return the features as `forward` does, in a fifth of its time."""
        n_records, _, n_samples = values.shape
        n_real = np.full(n_records, n_samples)
        if mask is not None:
            n_real = mask.sum(-1)[:, 0].long().numpy()
        width = _RAMP * self.sd
        features = np.empty(
            (n_records, len(_DILATIONS), _THRESHOLDS, _PATTERNS), np.float32
        )
        write_features(
            values.contiguous().numpy(),
            n_real,
            (self.kernels != 0).any(dim=-1).numpy(),
            _TAPS_OF_TWO,
            np.array(_DILATIONS),
            (1 / width).numpy(),
            (self.thresholds / width[..., None] - 0.5).numpy(),
            features,
        )
        return torch.from_numpy(features.reshape(n_records, -1))

    def _keep_one_lead(self, number: int, chosen: Tensor) -> None:
        """Let some kernels of a dilation take the first of their leads only."""
        kernels = self.kernels[number]
        first = (kernels != 0).any(dim=2).int().argmax(dim=1)
        is_first = torch.arange(kernels.shape[1], device=first.device) == first[:, None]
        others = chosen[:, None] & ~is_first
        kernels[others] = 0.0

    def _convolved(self, values: Tensor, number: int) -> Tensor:
        """Return the outputs of the kernels of one dilation, at every second sample."""
        dilation = _DILATIONS[number]
        return functional.conv1d(
            values,
            self.kernels[number],
            stride=_STRIDE,
            padding=_TAPS // 2 * dilation,
            dilation=dilation,
        )


def _patterns() -> NDArray[np.float32]:
    """Return the taps of every pattern, (n_patterns, n_taps): three of 2, else -1."""
    patterns = np.full((_PATTERNS, _TAPS), -1.0, np.float32)
    np.put_along_axis(patterns, _TAPS_OF_TWO, np.float32(2.0), axis=1)
    return patterns
