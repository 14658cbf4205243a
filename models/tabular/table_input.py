"""Bring a table of numbers, some of them missing, into a network."""

from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from ecgstore.arrays import Float32Array

_FURTHEST_SD: Final = 5.0
"""Numbers further from the mean, in standard deviations, are moved there: an interval
of a misplaced mark must not outweigh all others."""


class TableInput(nn.Module):
    """Standardise columns, put their means where numbers are missing, and say where.

    What it is fitted on is part of the network: a checkpoint holds it.

    Parameters
    ----------
    n_columns : int
        Columns of the table.
    """

    mean: Tensor
    sd: Tensor
    is_told: Tensor

    def __init__(self, n_columns: int) -> None:
        super().__init__()
        self.n_outputs = 2 * n_columns
        self.register_buffer("mean", torch.zeros(n_columns))
        self.register_buffer("sd", torch.ones(n_columns))
        self.register_buffer("is_told", torch.zeros(n_columns))

    def fit(self, table: Float32Array) -> None:
        """Learn means and standard deviations, and which columns may be missing.

        Parameters
        ----------
        table : ndarray of shape (n_records, n_columns)
            Numbers of the records to learn from, NaN where missing. A column that is
            constant or missing throughout becomes 0.
        """
        values = table.astype(np.float64)
        known = ~np.isnan(values)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, values, 0).sum(axis=0) / count
        variance = np.where(known, (values - mean) ** 2, 0).sum(axis=0) / count
        sd = np.sqrt(variance)
        for buffer, learnt in (
            (self.mean, mean),
            # Rounding makes a constant vary by some millionths of itself; it is marked
            # with 0, since a moving average of weights makes NaN of infinity.
            (self.sd, np.where(sd > 1e-6 * np.abs(mean), sd, 0)),
            (self.is_told, ~known.all(axis=0)),
        ):
            buffer.copy_(torch.from_numpy(learnt.astype(np.float32)))

    def forward(self, table: Tensor) -> Tensor:
        """Return the columns standardised, and 1 for each number that is missing.

        Parameters
        ----------
        table : Tensor of shape (n_records, n_columns)
            Numbers, NaN where missing.

        Returns
        -------
        Tensor of shape (n_records, 2 * n_columns)
            The second half is 0 for columns of which none was missing in `fit`: their
            weights have learnt nothing.
        """
        missing = table.isnan()
        standardised = ((table - self.mean) / self.sd).clamp(
            -_FURTHEST_SD, _FURTHEST_SD
        )
        known = standardised.masked_fill(missing | (self.sd == 0), 0.0)
        return torch.cat([known, missing * self.is_told], dim=1)
