"""Encoders that others have trained: their module and weights, as an own network."""

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, get_args

import torch
from safetensors.torch import load
from torch import Tensor, nn

from ecgstore.chosen_leads import lead_names
from ecgstore.errors import ConfigError, EcgStoreError, SchemaError, short_repr
from ecgstore.models.networks.masked import Masked
from ecgstore.models.networks.names import NormaliseBy
from ecgstore.models.networks.normalise import Normalise
from ecgstore.models.networks.own_trunk import OwnTrunk
from ecgstore.models.networks.resample import Resample
from ecgstore.models.weights import check_weights
from ecgstore.system.regular_files import require_regular_file

_SAFETENSORS: Final = ".safetensors"


@dataclass(frozen=True, kw_only=True)
class ForeignEncoder:
    """An encoder that others have trained, as a network of one's own.

    It is used like a class of one's own: as ``FILE.py:NAME``, or with
    `ecgstore.models.register`. Signals in mV at the rate of the store, or of ``--fs``,
    are resampled to the encoder's rate; its leads are taken in its order; and they are
    normalised as in its training.

    Parameters
    ----------
    network : callable
        Makes the module: a class, or a function without parameters. Its forward gets
        (n_records, n_leads, n_samples), and returns features (n_records, n_features),
        or activations (n_records, n_features, n_frames), which are averaged; see
        `ecgstore.models.register`.
    n_features : int
        Number of its features.
    weights : str or Path
        Its weights: a file of safetensors, whose name ends in ``.safetensors``, or one
        that ``torch.save`` wrote of a state dict, which is loaded without running code.
    fs : float
        Sampling rate in Hz of the signals that it was trained on.
    leads : sequence of str
        Leads that it was trained on, in its order.
    normalise : {"record", "lead"} or float
        How its signals are normalised; see `Normalise`. Or a factor: 1000 for an
        encoder that takes uV.
    frozen : bool
        Whether its weights, and statistics of its normalisations, stay as they are, so
        that a training fits the last layer only.
    entry : str, optional
        Name of the state dict in the file, if it holds other things, too.
    prefix : str
        Beginning of the names of its weights in the file, which is removed; weights
        whose names begin otherwise are left out.
    without : sequence of str
        Beginnings of names, without the prefix, of weights that are left out, such as
        those of a last layer that the module lacks.
    sha256 : str, optional
        SHA-256 that the file must have.

    Raises
    ------
    ConfigError
        If an argument cannot be used.

    Examples
    --------
    >>> encoder = ForeignEncoder(
    ...     network=lambda: nn.Conv1d(2, 64, 15),
    ...     n_features=64,
    ...     weights="encoder.safetensors",
    ...     fs=250.0,
    ...     leads=("II", "V5"),
    ... )
    >>> encoder(3, leads=("I", "II", "V5"), fs=500.0).n_features
    64
    """

    network: Callable[[], nn.Module]
    n_features: int
    weights: str | Path
    fs: float
    leads: Sequence[str]
    normalise: NormaliseBy | float = "lead"
    frozen: bool = True
    entry: str | None = None
    prefix: str = ""
    without: Sequence[str] = ()
    sha256: str | None = None

    def __post_init__(self) -> None:
        names = lead_names(self.leads)
        object.__setattr__(self, "leads", names)
        if isinstance(self.normalise, str) and self.normalise not in get_args(
            NormaliseBy
        ):
            raise ConfigError(
                f"normalise is {self.normalise!r}; expected 'record', 'lead', or the "
                "encoder's units per mV, such as 1000.0 for uV"
            )
        if not self.fs > 0:
            raise ConfigError(
                f"fs is {self.fs!r}; expected the encoder's sampling rate in Hz"
            )

    def __call__(
        self,
        n_leads: int,
        leads: Sequence[str] | None = None,
        fs: float | None = None,
    ) -> "AdaptedEncoder":
        """Return the encoder for signals of these leads and this sampling rate.

        Its weights are random until `AdaptedEncoder.load_pretrained`.

        Parameters
        ----------
        n_leads : int
            Number of the leads.
        leads : sequence of str, optional
            Their names; those of the encoder if left out.
        fs : float, optional
            Sampling rate of the signals in Hz; that of the encoder if left out.

        Raises
        ------
        ConfigError
            If one of the encoder's leads is not there.
        """
        given = tuple(self.leads if leads is None else leads)
        missing = [lead for lead in self.leads if lead not in given]
        if missing or len(given) != n_leads:
            raise ConfigError(
                f"the encoder takes the leads {', '.join(self.leads)}; the signals "
                f"have {n_leads} leads, {', '.join(given)}: use a store, or --leads, "
                "with all of the encoder's"
            )
        return AdaptedEncoder(self, given, self.fs if fs is None else fs)

    def read_weights(self) -> dict[str, Tensor]:
        """Return the weights in the file, by their names in the module.

        Raises
        ------
        EcgStoreError
            If the file cannot be read.
        SchemaError
            If it has another SHA-256, or no weights.
        """
        path = Path(self.weights)
        require_regular_file(path, SchemaError)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise EcgStoreError(
                f"{path}: cannot be read ({error.strerror}); expected the weights of "
                "an encoder"
            ) from error
        found = hashlib.sha256(content).hexdigest()
        if self.sha256 is not None and found != self.sha256.lower():
            raise SchemaError(
                f"{path}: its SHA-256 is {found}; expected {self.sha256}: get the file "
                "again from where it was published"
            )
        values = _tensors(path, content, self.entry)
        weights = {
            name[len(self.prefix) :]: value
            for name, value in values.items()
            if name.startswith(self.prefix)
        }
        return {
            name: value
            for name, value in weights.items()
            if not name.startswith(tuple(self.without))
        }


class AdaptedEncoder(nn.Module):
    """The layers of a `ForeignEncoder`, for signals of some leads and sampling rate.

    Parameters
    ----------
    encoder : ForeignEncoder
        The encoder.
    leads : sequence of str
        Names of the leads of the signals.
    fs : float
        Sampling rate of the signals in Hz.

    Attributes
    ----------
    n_features : int
        Number of its features.
    """

    takes_mv = True

    def __init__(
        self, encoder: ForeignEncoder, leads: Sequence[str], fs: float
    ) -> None:
        super().__init__()
        self._encoder = encoder
        self._rows = [leads.index(lead) for lead in encoder.leads]
        self.n_features = encoder.n_features
        self.resample = Resample(fs, encoder.fs)
        self.normalise = (
            Normalise(encoder.normalise) if isinstance(encoder.normalise, str) else None
        )
        module: object = encoder.network()
        if not isinstance(module, nn.Module):
            raise ConfigError(
                f"the encoder's network() returns {type(module).__name__}; expected a "
                "torch.nn.Module"
            )
        self.trunk = OwnTrunk(module, encoder.n_features)
        if encoder.frozen:
            self.trunk.requires_grad_(False)
        self.train()

    def train(self, mode: bool = True) -> Self:
        """Set the mode; a frozen encoder stays in evaluation mode."""
        super().train(mode)
        if self._encoder.frozen:
            self.trunk.eval()
        return self

    def forward(self, signals: Tensor, mask: Tensor | None) -> Masked:
        """Return activations and the mask of their real frames; see `Trunk`."""
        with torch.autocast(signals.device.type, enabled=False):
            values, mask = self.resample(signals[:, self._rows].float(), mask)
            if self.normalise is not None:
                values = self.normalise(values, mask)
            else:
                values = values * float(self._encoder.normalise)
        activations, mask = self.trunk(values, mask)
        return activations, mask

    def load_pretrained(self) -> None:
        """Load the weights of the encoder's file.

        Raises
        ------
        EcgStoreError
            If the file cannot be read.
        SchemaError
            If its weights are not those of the module, or not finite.
        """
        weights = self._encoder.read_weights()
        try:
            check_weights(weights, self.trunk.network.state_dict())
        except SchemaError as error:
            raise SchemaError(
                f"{self._encoder.weights}: {error}; check network, entry, prefix and "
                "without of the encoder"
            ) from error
        self.trunk.network.load_state_dict(weights)


def _tensors(path: Path, content: bytes, entry: str | None) -> dict[str, Tensor]:
    """Return the tensors of a file by name, without running code from it."""
    values: Any
    try:
        if path.suffix == _SAFETENSORS:
            values = load(content)
        else:
            values = torch.load(io.BytesIO(content), "cpu", weights_only=True)
    # Of a broken file: SafetensorError, OSError, struct.error, IndexError, and more.
    except Exception as error:
        raise SchemaError(
            f"{path}: no weights can be loaded from it; expected a file of "
            f"safetensors, named {_SAFETENSORS}, or a state dict that torch.save wrote"
        ) from error
    found = values
    if entry is not None:
        found = values.get(entry) if isinstance(values, dict) else None
    if not isinstance(found, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor)
        for name, value in found.items()
    ):
        names = list(values) if isinstance(values, dict) else type(values).__name__
        raise SchemaError(
            f"{path}: {'it' if entry is None else f'its entry {entry!r}'} is no state "
            f"dict of tensors by name; it has {short_repr(names)}: name the entry that "
            "is one (entry=...)"
        )
    return found
