"""The layers of a network of one's own between normalisation and mean over time."""

import inspect

import torch
from torch import Tensor, nn

from ecgstore.errors import EcgStoreError
from ecgstore.models.networks.masked import Masked


class OwnTrunk(nn.Module):
    """Any module, as a trunk; see `ecgstore.models.networks.own.register`.

    Parameters
    ----------
    network : Module
        Maps signals to features, or values and a mask to both.
    n_features : int
        Number of its features.
    """

    def __init__(self, network: nn.Module, n_features: int) -> None:
        super().__init__()
        self.network = network
        self.n_features = n_features
        self.takes_mv = bool(getattr(network, "takes_mv", False))
        self._takes_mask = "mask" in inspect.signature(network.forward).parameters

    def forward(self, values: Tensor, mask: Tensor | None) -> Masked:
        """Return activations (n_records, n_features, n_frames), and their mask.

        Raises
        ------
        EcgStoreError
            If the network returns something else.
        """
        if self._takes_mask:
            result = self.network(values, mask)
            if not isinstance(result, tuple) or len(result) != 2:
                raise self._unusable(type(result).__name__)
            activations, new_mask = result
        else:
            activations, new_mask = self.network(values), mask
        if not isinstance(activations, Tensor):
            raise self._unusable(type(activations).__name__)
        if (
            activations.ndim not in (2, 3)
            or activations.shape[0] != values.shape[0]
            or activations.shape[1] != self.n_features
        ):
            raise self._unusable(f"shape {tuple(activations.shape)}")
        if activations.ndim == 2:
            return activations[..., None], None
        if new_mask is not None and not self._takes_mask:
            new_mask = _at_frames(new_mask, activations.shape[2])
        return activations, new_mask

    def _unusable(self, found: str) -> EcgStoreError:
        """Return the error about the result of the network."""
        expected = f"(n_records, {self.n_features}) or (n_records, {self.n_features}, "
        with_mask = ", with a mask," if self._takes_mask else ""
        return EcgStoreError(
            f"{type(self.network).__name__}: its forward returns {found}; expected "
            f"a tensor of shape {expected}n_frames){with_mask} since its n_features "
            f"is {self.n_features}"
        )


def _at_frames(mask: Tensor, n_frames: int) -> Tensor:
    """Return a mask (n_records, 1, n_samples) at the samples where frames begin."""
    n_samples = mask.shape[-1]
    begins = torch.arange(n_frames, device=mask.device) * n_samples // n_frames
    return mask[..., begins]
