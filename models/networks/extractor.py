"""A network from signals to features and logits, for any architecture."""

import math
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ecgstore.errors import EcgStoreError
from ecgstore.models.networks.masked import Masked, mean_over_time, sample_mask
from ecgstore.models.networks.names import NormaliseBy
from ecgstore.models.networks.network import Network, NetworkOutput
from ecgstore.models.networks.normalise import Normalise
from ecgstore.models.networks.target_head import TargetHead
from ecgstore.pipes import Batch


class Trunk(Protocol):
    """The layers of an architecture, which pass a mask of the real samples along.

    Attributes
    ----------
    n_features : int
        Channels of the result.

    Notes
    -----
    An attribute ``takes_mv`` that is true asks for signals in mV, not normalised.
    """

    n_features: int

    def __call__(self, values: Tensor, mask: Tensor | None) -> Masked:
        """Return activations (n_records, n_features, n_fewer_samples), and a mask."""
        ...


@runtime_checkable
class FitsDirectly(Protocol):
    """A trunk that is set from some signals at once, without steps of an optimiser."""

    def fit(self, values: Tensor, seed: int) -> None:
        """Set everything from normalised signals (n_records, n_leads, n_samples)."""
        ...


class Extractor(Network):
    """Signals of any length to features and logits, independent of zero padding.

    Signals are normalised, pass through the trunk, and are averaged over the real
    samples; a linear layer computes the logits, and another one targets, if it has
    some.

    Parameters
    ----------
    trunk : Module
        The architecture; see `Trunk`.
    n_leads, n_classes : int
        Number of leads of the signals, and of classes.
    normalise_by : {"record", "lead"}
        See `Normalise`.
    n_targets : int
        Number of targets.

    Attributes
    ----------
    leads : tuple of str or None
        Leads that it was made for, in their order; batches of others are refused.
    fs : float or None
        Sampling rate in Hz that it was made for; batches of another are refused.
    """

    leads: tuple[str, ...] | None = None
    fs: float | None = None
    fields = ("signals", "labels")

    def __init__(
        self,
        trunk: nn.Module,
        n_leads: int,
        n_classes: int,
        normalise_by: NormaliseBy = "record",
        n_targets: int = 0,
    ) -> None:
        super().__init__()
        self.normalise = Normalise(normalise_by)
        self.trunk = trunk
        self.n_leads = n_leads
        self._takes_mv = bool(getattr(trunk, "takes_mv", False))
        self.n_features = int(trunk.n_features)  # type: ignore[arg-type]
        self.head = nn.Linear(self.n_features, n_classes)
        self.target_head = TargetHead(self.n_features, n_targets) if n_targets else None

    def inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        """Return the signals in mV and the numbers of real samples of a batch.

        And which leads its records lack, if it says so.

        Raises
        ------
        EcgStoreError
            If the signals have another sampling rate or other leads than the network
            was made for.
        """
        if self.fs is not None and not math.isclose(batch.fs, self.fs):
            raise EcgStoreError(
                f"the signals have {batch.fs:g} Hz; the network was trained on "
                f"{self.fs:g} Hz: pass transform=[checkpoint.decimate()], or use a "
                "store of the sampling rate of the training"
            )
        if self.leads is not None and batch.leads != self.leads:
            raise EcgStoreError(
                f"the signals have the leads {', '.join(batch.leads)}; the network was "
                f"trained on {', '.join(self.leads)}: read these, in this order "
                "(leads=checkpoint.leads)"
            )
        signals = batch.in_mv().signals
        if signals is None:
            raise ValueError("an extractor got a batch without signals; read 'signals'")
        if batch.missing_leads is None:
            return signals, batch.n_real_samples
        return signals, batch.n_real_samples, batch.missing_leads

    def forward(
        self,
        signals: Tensor,
        n_real_samples: Tensor | None = None,
        missing_leads: Tensor | None = None,
    ) -> NetworkOutput:
        """Return logits and features.

        Parameters
        ----------
        signals : Tensor of shape (n_records, n_leads, n_samples)
            Voltages in mV, float32; zero padding at the end.
        n_real_samples : Tensor of shape (n_records,), optional
            Number of samples before the padding; `n_samples` if left out.
        missing_leads : Tensor of shape (n_records, n_leads), optional
            Which leads each record lacks, bool; their signals are zero.

        Raises
        ------
        ValueError
            If the signals have another number of leads.
        """
        if signals.ndim != 3 or signals.shape[1] != self.n_leads:
            raise ValueError(
                f"signals have shape {tuple(signals.shape)}; expected (n_records, "
                f"{self.n_leads} leads, n_samples)"
            )
        return self.of_normalised(
            *self.normalised(signals, n_real_samples, missing_leads)
        )

    def normalised(
        self,
        signals: Tensor,
        n_real_samples: Tensor | None = None,
        missing_leads: Tensor | None = None,
    ) -> Masked:
        """Return normalised signals, and a mask of the real samples.

        Parameters are those of `forward`.
        """
        mask = None if n_real_samples is None else sample_mask(n_real_samples, signals)
        return self._normalised(signals, mask, missing_leads), mask

    def masked_forward(
        self,
        signals: Tensor,
        mask: Tensor | None,
        missing_leads: Tensor | None = None,
    ) -> NetworkOutput:
        """Return logits and features, as `forward`, for a mask of the real samples.

        Parameters
        ----------
        signals : Tensor of shape (n_records, n_leads, n_samples)
            Voltages in mV, float32; zero padding at the end.
        mask : Tensor of shape (n_records, 1, n_samples), optional
            See `ecgstore.models.networks.masked.sample_mask`.
        missing_leads : Tensor of shape (n_records, n_leads), optional
            Which leads each record lacks, bool.
        """
        values = self._normalised(signals, mask, missing_leads)
        return self.of_normalised(values, mask)

    def _normalised(
        self, signals: Tensor, mask: Tensor | None, missing_leads: Tensor | None
    ) -> Tensor:
        """Return normalised signals, or the signals if the trunk takes mV."""
        if self._takes_mv:
            return signals
        with torch.autocast(signals.device.type, enabled=False):
            values: Tensor = self.normalise(signals, mask, missing_leads)
        return values

    def of_normalised(self, values: Tensor, mask: Tensor | None) -> NetworkOutput:
        """Return logits and features of what `normalised` returned."""
        features = mean_over_time(*self.trunk(values, mask))  # (n_records, n_features)
        return NetworkOutput(self.head(features).float(), features)

    def targets(self, features: Tensor) -> Tensor | None:
        """Return predicted targets in their units, (n_records, n_targets), float32."""
        if self.target_head is None:
            return None
        return self.target_head.in_units(self.target_head(features))
