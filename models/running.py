"""Run a trained network on records of a store."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor

from ecgstore import pipes
from ecgstore.arrays import Float32Array, FloatArray, IntArray
from ecgstore.errors import EcgStoreError
from ecgstore.models.distributed import gather_from_processes
from ecgstore.models.networks.network import Network, NetworkOutput
from ecgstore.pipes.batch import Batch, Transform
from ecgstore.system.progress import with_progress

if TYPE_CHECKING:  # pandas is not needed to predict files
    from ecgstore.storage import Selection, Store


_FIXED: Final = 16
"""Records of every forward pass: the bits of sums depend on this number, and with it
fixed they depend on nothing but the record itself."""


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


def probabilities_of(logits: Float32Array | FloatArray) -> FloatArray:
    """Return the probabilities of logits, in double precision.

    Examples
    --------
    >>> probabilities_of(np.array([0.0, np.log(3.0)], np.float32)).round(3)
    array([0.5 , 0.75])
    """
    probabilities: FloatArray = expit(logits.astype(np.float64))
    return probabilities


def require_finite(
    arrays: Sequence[Float32Array | FloatArray], place: Callable[[int], str]
) -> None:
    """Refuse outputs that are NaN or infinite: no prediction follows from them.

    Parameters
    ----------
    arrays : sequence of ndarray of shape (n_records, n)
        Outputs of a model.
    place : callable
        Returns which record one of the n_records is, for the error.

    Raises
    ------
    EcgStoreError
        Naming the first record with such a value.
    """
    is_finite = np.all([np.isfinite(array).all(axis=1) for array in arrays], 0)
    if not is_finite.all():
        raise EcgStoreError(
            f"{place(int(np.argmin(is_finite)))}: the outputs of the model are not "
            "finite; expected a model whose training did not diverge: train it again "
            "with a lower learning rate"
        )


def require_finite_outputs(outputs: Outputs, store: "Store") -> None:
    """Refuse outputs for records of a store as `require_finite` does."""

    def place(number: int) -> str:
        row = outputs.rows[number]
        [name] = store.column("record_id", [row])
        return f"{store.place}, row {row} ({name})"

    arrays = [outputs.features, outputs.logits]
    require_finite(
        arrays if outputs.targets is None else [*arrays, outputs.targets], place
    )


def fixed_batches(
    network: Callable[..., NetworkOutput], inputs: Sequence[Tensor]
) -> NetworkOutput:
    """Return the outputs of a network, the same for a record in any company.

    Records are computed in groups of one size; the last group is filled up. So the
    outputs of a record have the same bits alone, among others, and in any order, on one
    machine and with one software.

    Parameters
    ----------
    network : callable
        A network in evaluation mode.
    inputs : sequence of Tensor
        Its inputs: any number of records on the first axis of each.
    """
    n_records = len(inputs[0])
    outputs = [network(*part) for part in _groups(inputs)]
    return NetworkOutput(
        torch.cat([output.logits for output in outputs])[:n_records],
        torch.cat([output.features for output in outputs])[:n_records],
    )


def fixed_targets(network: Network, features: Tensor) -> Tensor | None:
    """Return the targets that a network predicts, the same for a record in any company.

    Parameters
    ----------
    network : Network
        A network in evaluation mode.
    features : Tensor of shape (n_records, n_features)
        Features that `fixed_batches` returned.

    Returns
    -------
    Tensor of shape (n_records, n_targets) or None
        In their units; None if the network predicts none.
    """
    parts = [network.targets(part) for [part] in _groups([features])]
    targets = [part for part in parts if part is not None]
    return torch.cat(targets)[: len(features)] if targets else None


def _groups(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Yield records in groups of one size; the last one is filled with its first."""
    for begin in range(0, len(tensors[0]), _FIXED):
        part = [tensor[begin : begin + _FIXED] for tensor in tensors]
        lacking = _FIXED - len(part[0])
        if lacking:
            part = [
                torch.cat([tensor, tensor[:1].expand(lacking, *tensor.shape[1:])])
                for tensor in part
            ]
        yield part


class Runner(Protocol):
    """A function from batches to outputs.

    Attributes
    ----------
    fields : tuple of str
        What a loader must read for it.
    leads : tuple of str or None
        Leads to read; None for all.
    n_features : int
        Number of features among its outputs.
    """

    fields: tuple[str, ...]
    leads: tuple[str, ...] | None
    n_features: int

    def __call__(self, batch: Batch) -> NetworkOutput:
        """Return logits and features of the records of a batch."""
        ...

    def targets(self, features: Tensor) -> Tensor | None:
        """Return predicted targets of the features of records; None without any."""
        ...


class NetworkRunner:
    """A network in evaluation mode, after batch transforms.

    Parameters
    ----------
    network : Network
        The network.
    transform : sequence of callable
        Batch transforms, as in training.
    leads : sequence of str, optional
        Leads to read; all if left out.
    """

    def __init__(
        self,
        network: Network,
        transform: Sequence[Transform] = (),
        leads: Sequence[str] | None = None,
    ) -> None:
        self._network = network
        self._transform = transform
        self.fields = network.fields
        self.leads = None if leads is None else tuple(leads)
        self.n_features = network.n_features

    def __call__(self, batch: Batch) -> NetworkOutput:
        """Return logits and features of the records of a batch."""
        for transform in self._transform:
            batch = transform(batch)
        with _in_evaluation_mode(self._network):
            return fixed_batches(self._network, self._network.inputs(batch))

    def targets(self, features: Tensor) -> Tensor | None:
        """Return predicted targets of the features of records; None without any."""
        with _in_evaluation_mode(self._network):
            return fixed_targets(self._network, features)


@contextmanager
def _in_evaluation_mode(network: Network) -> Iterator[None]:
    """Set evaluation mode; at the end, restore the mode that was."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)


@torch.inference_mode()
def run_batches(
    runner: Runner, loader: "pipes.Loader", *, quiet: bool = True
) -> Generator[Outputs, None, None]:
    """Yield the outputs for each batch; at the end, the loader is closed.

    Memory does not grow with the number of records.

    Parameters
    ----------
    runner : Runner
        Computes the outputs.
    loader : Loader
        Source of the batches.
    quiet : bool
        Show no progress.
    """
    with loader:
        for batch in with_progress(loader, "reading records", len(loader), quiet):
            output = runner(batch)
            targets = runner.targets(output.features)
            yield Outputs(
                batch.rows.cpu().numpy(),
                output.logits.float().cpu().numpy(),
                output.features.float().cpu().numpy(),
                None if targets is None else targets.cpu().numpy(),
            )


def run(
    runner: Runner,
    selection: "Selection",
    *,
    device: torch.device | str = "cpu",
    batch_size: int = 64,
    quiet: bool = True,
) -> Outputs:
    """Return the outputs for records of a store.

    Under ``torchrun``, each process runs its part of the records, and all processes
    return the outputs for all records.

    Parameters
    ----------
    runner : Runner
        Computes the outputs.
    selection : Selection
        The records.
    device : torch.device or str
        Device of the runner.
    batch_size : int
        Number of records that are read at a time; outputs do not depend on it.
    quiet : bool
        Show no progress.
    """
    loader = pipes.loader(
        selection,
        batch_size,
        fields=runner.fields,
        leads=runner.leads,
        device=device,
    )
    batches = [*run_batches(runner, loader, quiet=quiet)]
    outputs = _joined(gather_from_processes(_joined(batches)))
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

    The mode of the network is restored at the end.

    Parameters
    ----------
    network : Network
        A trained network, on `device`.
    selection : Selection
        The records.
    transform : sequence of callable
        Batch transforms, as in training.
    leads : sequence of str, optional
        Leads to read; all if left out.
    batch_size, device, quiet
        See `run`.
    """
    return run(
        NetworkRunner(network, transform, leads),
        selection,
        device=device,
        batch_size=batch_size,
        quiet=quiet,
    )
