"""What every trained model offers to those who use it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch

from ecgstore.arrays import FloatArray
from ecgstore.config import Config
from ecgstore.models.running import Runner

if TYPE_CHECKING:
    from ecgstore.storage import Store


class Model(Protocol):
    """A trained model: a network on signals, or a hybrid.

    Attributes
    ----------
    name : str
        Its kind, such as "resnet18", for names of files and for titles.
    label_names : tuple of str
        Names of the classes.
    target_names : tuple of str
        Names of the targets that it predicts beside them; none of a hybrid.
    config : Config
        Options of the store that it was trained on.
    fingerprint : str
        Fingerprint of that store.
    origin : Mapping
        Settings and records of the training; see `ecgstore.models.Checkpoint`.
    leads : tuple of str
        Names of the leads that a record must have.
    needs_features : bool
        Whether handcrafted features, age and sex are among its inputs.
    runs_own_code : bool
        Whether it has a network of one's own, which other processes may not know.
    thresholds : ndarray of shape (n_classes,) or None
        Probabilities from which on a class is predicted; None if none were chosen.
    """

    @property
    def name(self) -> str: ...  # noqa: D102  # described above
    @property
    def label_names(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def target_names(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def config(self) -> Config: ...  # noqa: D102
    @property
    def fingerprint(self) -> str: ...  # noqa: D102
    @property
    def origin(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def leads(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def needs_features(self) -> bool: ...  # noqa: D102
    @property
    def runs_own_code(self) -> bool: ...  # noqa: D102
    @property
    def thresholds(self) -> FloatArray | None: ...  # noqa: D102

    def check(self, store: "Store") -> None:
        """Raise an `EcgStoreError` if the model cannot be used on a store."""

    def check_this_ecgstore(self) -> None:
        """Raise an `EcgStoreError` if this ecgstore computes other features."""

    def runner(
        self, feature_names: Sequence[str], device: torch.device | str
    ) -> Runner:
        """Return the function from batches to outputs.

        Parameters
        ----------
        feature_names : sequence of str
            Names of the handcrafted features in the batches.
        device : torch.device or str
            Device of the networks.
        """

    def settings_dict(self) -> dict[str, Any]:
        """Return the settings, for JSON."""

    def weights_sha256(self) -> str:
        """Return the SHA-256 of everything that was fitted."""
