"""The first layer of a network on a table of features, some of which are missing."""

from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from ecgstore.arrays import Float32Array

_CLIP_SD: Final = 5.0
"""Standardised values are clipped here: an interval that was measured at a misplaced
mark must not outweigh all others."""


class TableInput(nn.Module):
    """Standardise columns, impute missing values by the mean, add missing indicators.

    Means, standard deviations and indicators are buffers, so that a checkpoint contains
    them.

    Parameters
    ----------
    n_columns : int
        Number of columns of the table.
    """

    mean: Tensor
    sd: Tensor
    has_indicator: Tensor

    def __init__(self, n_columns: int) -> None:
        super().__init__()
        self.n_outputs = 2 * n_columns
        self.register_buffer("mean", torch.zeros(n_columns))
        self.register_buffer("sd", torch.ones(n_columns))
        self.register_buffer("has_indicator", torch.zeros(n_columns))

    def fit(self, table: Float32Array) -> None:
        """Compute means and standard deviations, and find columns with missing values.

        Parameters
        ----------
        table : ndarray of shape (n_records, n_columns)
            Features of the training records, NaN where missing. A column that is
            constant, or missing in all records, becomes 0.
        """
        values = table.astype(np.float64)
        known = ~np.isnan(values)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, values, 0).sum(axis=0) / count
        variance = np.where(known, (values - mean) ** 2, 0).sum(axis=0) / count
        sd = np.sqrt(variance)
        for buffer, fitted in (
            (self.mean, mean),
            # Rounding lets a constant vary by some millionths of its value. 0 marks a
            # constant, since a moving average of weights would make infinity NaN.
            (self.sd, np.where(sd > 1e-6 * np.abs(mean), sd, 0)),
            (self.has_indicator, ~known.all(axis=0)),
        ):
            buffer.copy_(torch.from_numpy(fitted.astype(np.float32)))

    def forward(self, table: Tensor) -> Tensor:
        """Return the standardised columns, followed by the missing indicators.

        Parameters
        ----------
        table : Tensor of shape (n_records, n_columns)
            Features, NaN where missing.

        Returns
        -------
        Tensor of shape (n_records, 2 * n_columns)
            In the second half, 1 where a value is missing. It is always 0 for columns
            without missing values in `fit`, for which no weights were trained.
        """
        missing = table.isnan()
        standardised = ((table - self.mean) / self.sd).clamp(-_CLIP_SD, _CLIP_SD)
        imputed = standardised.masked_fill(missing | (self.sd == 0), 0.0)
        return torch.cat([imputed, missing * self.has_indicator], dim=1)
