"""A linear layer from the features of a network to numbers in units of their own."""

import numpy as np
import torch
from torch import Tensor, nn

from ecgstore.arrays import BoolArray, FloatArray


class TargetHead(nn.Module):
    """A linear layer to real-valued targets, which are standardised to be learned.

    Mean and standard deviation of every target are buffers, so that a checkpoint
    contains them. The layer computes in float32 in mixed precision, too.

    Parameters
    ----------
    n_features : int
        Number of features of a record.
    n_targets : int
        Number of targets.
    """

    mean: Tensor
    sd: Tensor

    def __init__(self, n_features: int, n_targets: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_features, n_targets)
        # In double precision: a year has few digits left when its mean is subtracted.
        self.register_buffer("mean", torch.zeros(n_targets, dtype=torch.float64))
        self.register_buffer("sd", torch.ones(n_targets, dtype=torch.float64))

    def fit(self, values: FloatArray) -> None:
        """Compute mean and standard deviation of every target.

        Parameters
        ----------
        values : ndarray of shape (n_records, n_targets)
            Targets of the training records; what is not finite is missing. Each must
            vary (`varies`).
        """
        mean, sd = _mean_and_sd(values)
        self.mean.copy_(torch.from_numpy(mean))
        self.sd.copy_(torch.from_numpy(sd))

    def forward(self, features: Tensor) -> Tensor:
        """Return the standardised targets, (n_records, n_targets), float32.

        Parameters
        ----------
        features : Tensor of shape (n_records, n_features)
            Features of the network.
        """
        with torch.autocast(features.device.type, enabled=False):
            predicted: Tensor = self.linear(features.float())
        return predicted

    def standardised(self, values: Tensor) -> Tensor:
        """Return targets that are given in their units as `forward` returns them."""
        return ((values - self.mean) / self.sd).float()

    def in_units(self, standardised: Tensor) -> Tensor:
        """Return results of `forward` in the units of the targets, float32."""
        return (standardised * self.sd + self.mean).float()


def varies(values: FloatArray) -> BoolArray:
    """Return which columns have two known values that differ by more than rounding.

    Examples
    --------
    >>> varies(np.array([[1.0, 3.0, np.nan], [2.0, 3.0, np.nan]])).tolist()
    [True, False, False]
    """
    mean, sd = _mean_and_sd(values)
    more: BoolArray = sd > 1e-6 * np.abs(mean)
    return more


def _mean_and_sd(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation of each column; 0 where nothing is known."""
    exact = values.astype(np.float64)
    known = np.isfinite(exact)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, exact, 0).sum(axis=0) / count
    deviations = np.where(known, exact, mean) - mean
    sd: FloatArray = np.sqrt(np.square(deviations).sum(axis=0) / count)
    return mean, sd
