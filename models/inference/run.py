"""Run a trained network on records of a store."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.special import expit

from ecgstore import pipes
from ecgstore.arrays import Float32Array, FloatArray, IntArray
from ecgstore.models.distributed import gather_from_processes
from ecgstore.models.networks.network import Network
from ecgstore.pipes.batch import Transform
from ecgstore.system.progress import with_progress

if TYPE_CHECKING:  # pandas is not needed to predict files
    from ecgstore.storage import Selection


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Outputs:
    """The outputs of a network for records of a store.

    Attributes
    ----------
    rows : ndarray of shape (n_records,)
        Rows of the records in the store, increasing.
    logits : ndarray of shape (n_records, n_classes)
        Log odds, float32.
    features : ndarray of shape (n_records, n_features)
        Inputs of the network's last layer, float32.
    targets : ndarray of shape (n_records, n_targets) or None
        Predicted targets in their units, float32; None if the network has none.
    """

    rows: IntArray
    logits: Float32Array
    features: Float32Array
    targets: Float32Array | None = None

    def __repr__(self) -> str:
        n_targets = 0 if self.targets is None else self.targets.shape[1]
        return (
            f"<ecgstore.Outputs of {len(self.rows)} records: logits of "
            f"{self.logits.shape[1]} classes, {self.features.shape[1]} features"
            f"{f', {n_targets} targets' if n_targets else ''}>"
        )

    @property
    def probabilities(self) -> FloatArray:
        """Probability of each class, of the shape of `logits`."""
        return probabilities_of(self.logits)


def probabilities_of(logits: Float32Array) -> FloatArray:
    """Return the probabilities of logits, in double precision.

    Examples
    --------
    >>> probabilities_of(np.array([0.0, np.log(3.0)], np.float32)).round(3)
    array([0.5 , 0.75])
    """
    probabilities: FloatArray = expit(logits.astype(np.float64))
    return probabilities


@torch.inference_mode()
def run_batches(
    network: Network, loader: "pipes.Loader", *, quiet: bool = True
) -> Generator[Outputs, None, None]:
    """Yield the outputs of a network for each batch, in evaluation mode.

    Memory does not grow with the number of records. At the end, the mode of the network
    is restored, and the loader is closed.

    Parameters
    ----------
    network : Network
        A trained network.
    loader : Loader
        Source of the batches.
    quiet : bool
        Show no progress.
    """
    was_training = network.training
    network.eval()
    try:
        with loader:
            for batch in with_progress(loader, "reading records", len(loader), quiet):
                output = network(*network.inputs(batch))
                targets = network.targets(output.features)
                yield Outputs(
                    batch.rows.cpu().numpy(),
                    output.logits.float().cpu().numpy(),
                    output.features.float().cpu().numpy(),
                    None if targets is None else targets.cpu().numpy(),
                )
    finally:
        network.train(was_training)


def run_network(
    network: Network,
    selection: "Selection",
    *,
    batch_size: int = 64,
    transform: Sequence[Transform] = (),
    leads: Sequence[str] | None = None,
    device: torch.device | str = "cpu",
    quiet: bool = True,
) -> Outputs:
    """Return the outputs of a network for records, in evaluation mode.

    The mode of the network is restored at the end. Under ``torchrun``, each process
    runs its part of the records, and all processes return the outputs for all records.

    Parameters
    ----------
    network : Network
        A trained network.
    selection : Selection
        The records.
    batch_size : int
        Number of records in a batch, which changes outputs by rounding only.
    transform : sequence of callable
        Batch transforms, as in training.
    leads : sequence of str, optional
        Leads to read; all if left out.
    device : torch.device or str
        Device of the network.
    quiet : bool
        Show no progress.
    """
    loader = pipes.loader(
        selection,
        batch_size,
        fields=network.fields,
        leads=leads,
        transform=transform,
        device=device,
    )
    batches = [*run_batches(network, loader, quiet=quiet)]
    parts = gather_from_processes(_joined(batches))
    outputs = _joined(parts)
    order = np.argsort(outputs.rows, kind="stable")
    return Outputs(
        outputs.rows[order],
        outputs.logits[order],
        outputs.features[order],
        None if outputs.targets is None else outputs.targets[order],
    )


def _joined(parts: Sequence[Outputs]) -> Outputs:
    """Return the outputs for the records of all parts."""
    targets = [part.targets for part in parts if part.targets is not None]
    return Outputs(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.logits for part in parts]),
        np.concatenate([part.features for part in parts]),
        np.concatenate(targets) if targets else None,
    )
