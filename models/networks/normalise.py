"""Normalisation of signals as a layer, so that it is part of the checkpoint."""

from typing import Final, get_args

import torch
from torch import Tensor, nn

from ecgstore.models.networks.names import NormaliseBy

_SMALLEST_SD_MV: Final = 1e-3
"""Lower limit of the divisor: a lead that varies by less than 1 uV, the size of a
stored count, is not amplified to unit variance."""


class Normalise(nn.Module):
    """Subtract the mean of each lead, and divide by a standard deviation.

    Parameters
    ----------
    normalise_by : {"record", "lead"}
        Divide all leads of a record by the standard deviation over all its samples,
        which keeps the ratios between leads that the electrical axis depends on; or
        each lead by its own.
    """

    def __init__(self, normalise_by: NormaliseBy = "record") -> None:
        super().__init__()
        if normalise_by not in get_args(NormaliseBy):
            raise ValueError(
                f"normalise_by is {normalise_by!r}; expected 'record' or 'lead'"
            )
        self.normalise_by = normalise_by

    def forward(
        self,
        signals: Tensor,
        mask: Tensor | None,
        missing_leads: Tensor | None = None,
    ) -> Tensor:
        """Return the signals in standard deviations, with zeros in the padding.

        Leads that a record lacks stay zero, and do not count in its standard deviation.

        Parameters
        ----------
        signals : Tensor of shape (n_records, n_leads, n_samples)
            Voltages in mV.
        mask : Tensor of shape (n_records, 1, n_samples), optional
            1 at real samples.
        missing_leads : Tensor of shape (n_records, n_leads), optional
            Which leads each record lacks, bool: they are zero.
        """
        if mask is None:
            mask = torch.ones_like(signals[:1, :1])
        count = mask.sum(-1, keepdim=True).clamp(min=1.0)
        mean = (signals * mask).sum(-1, keepdim=True) / count
        centred = (signals - mean) * mask
        variance = centred.square().sum(-1, keepdim=True) / count
        if self.normalise_by == "record":
            if missing_leads is None:
                missing_leads = torch.zeros_like(signals[:1, :, 0], dtype=torch.bool)
            # Not `mean`, so that a record with all leads has the same bits beside one
            # that lacks some: on a GPU, `mean` multiplies by 1 / n.
            n_present = (~missing_leads).sum(1).clamp(min=1)
            variance = variance.sum(1, keepdim=True) / n_present[:, None, None]
        # Clamped before the root, whose gradient is infinite at 0.
        return centred / variance.clamp(min=_SMALLEST_SD_MV**2).sqrt()
