"""What a trained network finds in records of a store, by their rows."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.special import expit

from ecgstore import pipes
from ecgstore.arrays import Float32Array, FloatArray, IntArray
from ecgstore.models.distributed import all_parts
from ecgstore.models.networks.network import Network
from ecgstore.pipes.batch import Batch
from ecgstore.system.progress import with_progress

if TYPE_CHECKING:
    from ecgstore.storage import Selection


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """What a network finds in some records.

    Attributes
    ----------
    rows : ndarray of shape (n_records,)
        Their rows in the store, increasing.
    logits : ndarray of shape (n_records, n_classes)
        Log odds, float32.
    features : ndarray of shape (n_records, n_features)
        What the last layer of the network is given, float32.
    """

    rows: IntArray
    logits: Float32Array
    features: Float32Array

    @property
    def probabilities(self) -> FloatArray:
        """Probability of each class, of the shape of `logits`."""
        return probabilities_of(self.logits)


def probabilities_of(logits: Float32Array) -> FloatArray:
    """Return probabilities for log odds, in double precision.

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
    """Yield what a network finds in the records of each batch, in evaluation mode.

    Memory does not grow with the number of records. At the end, the network is in the
    mode it was in, and the loader is closed.

    Parameters
    ----------
    network : Module
        A trained network.
    loader : Loader
        Where batches come from.
    quiet : bool
        Show no progress.
    """
    was_training = network.training
    network.eval()
    try:
        with loader:
            for batch in with_progress(loader, "reading records", len(loader), quiet):
                found = network(*network.inputs(batch))
                yield Outputs(
                    batch.rows.cpu().numpy(),
                    found.logits.float().cpu().numpy(),
                    found.features.float().cpu().numpy(),
                )
    finally:
        network.train(was_training)


def run_network(
    network: Network,
    selection: "Selection",
    *,
    batch_size: int = 64,
    transform: Sequence[Callable[[Batch], Batch]] = (),
    leads: Sequence[str] | None = None,
    device: torch.device | str = "cpu",
    quiet: bool = True,
) -> Outputs:
    """Return what a network finds in records, in evaluation mode.

    The network is left in the mode it was in. Under ``torchrun``, every process does
    its part, and all get the whole.

    Parameters
    ----------
    network : Module
        A trained network; see `network.Network`.
    selection : Selection
        The records.
    batch_size : int
        Records at a time, which does not change what is found but for rounding.
    transform : sequence of callable
        Batch transforms, as in training.
    leads : sequence of str, optional
        Leads to read; all if left out.
    device : torch.device or str
        Where the network is.
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
    parts = all_parts(
        (
            np.concatenate([each.rows for each in batches]),
            np.concatenate([each.logits for each in batches]),
            np.concatenate([each.features for each in batches]),
        )
    )
    whole = [np.concatenate(each) for each in zip(*parts, strict=True)]
    order = np.argsort(whole[0], kind="stable")
    return Outputs(*(each[order] for each in whole))
