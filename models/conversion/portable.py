"""A trained network as one program of PyTorch, for any batch and any length."""

from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.fx import GraphModule

from ecgstore.errors import EcgStoreError
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.networks.extractor import Extractor
from ecgstore.models.networks.masked import mask_of_samples
from ecgstore.models.networks.own import short_name

INPUTS: Final = ("signals", "n_real_samples")
OUTPUTS: Final = ("logits", "features")

_DYNAMIC: Final[dict[str, dict[int, Any]]] = {
    "signals": {0: Dim.DYNAMIC, 2: Dim.DYNAMIC},
    "n_real_samples": {0: Dim.DYNAMIC},
}
"""Axes of any size: records and samples."""

_EXAMPLE: Final = (3, 317)
"""Records and samples that the layers are traced with. Odd, so that the last window of
a layer has samples missing; and more than one at the end of all layers."""

_LONGEST_REASON: Final = 300
"""Characters of the reason in a message about a network that cannot be traced."""


class PortableNetwork(nn.Module):
    """An extractor that always has a mask.

    `Extractor` leaves the mask out if no record is padded, which saves time but is a
    choice between two programs.

    Parameters
    ----------
    extractor : Extractor
        The network, in evaluation mode.
    """

    def __init__(self, extractor: Extractor) -> None:
        super().__init__()
        self.extractor = extractor

    def forward(self, signals: Tensor, n_real_samples: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and features; see `Extractor.forward`."""
        mask = mask_of_samples(n_real_samples, signals)
        output = self.extractor.masked_forward(signals, mask)
        return output.logits, output.features


def exported_program(checkpoint: Checkpoint) -> ExportedProgram:
    """Return the program of a trained network.

    It names no files of this machine.

    Parameters
    ----------
    checkpoint : Checkpoint
        The network.

    Raises
    ------
    EcgStoreError
        If the network cannot be traced for any number of records and samples, as one of
        your own whose Python code depends on values.
    """
    network = PortableNetwork(checkpoint.network()).eval()
    n_records, n_samples = _EXAMPLE
    signals = torch.zeros(n_records, len(checkpoint.leads), n_samples)
    n_real_samples = torch.tensor([n_samples, n_samples - 1, n_samples // 2])
    try:
        with torch.no_grad():
            program = torch.export.export(
                network, (signals, n_real_samples), dynamic_shapes=_DYNAMIC
            )
    except Exception as error:  # many types, of PyTorch and of own networks
        reason = " ".join(str(error).split())[:_LONGEST_REASON]
        raise EcgStoreError(
            f"network {short_name(checkpoint.model.model)}: cannot be converted "
            f"({type(error).__name__}: {reason}); expected a forward of PyTorch's "
            "operations that does not depend on values, nor on the numbers of records "
            "and samples"
        ) from error
    for part in program.graph_module.modules():
        if isinstance(part, GraphModule):
            for node in part.graph.nodes:
                node.meta.pop("stack_trace", None)  # paths and lines of this machine
    return program
