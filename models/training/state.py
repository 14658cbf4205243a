"""The file that a stopped training is resumed from.

It has five entries:

identity
    All values that the weights depend on, by name: settings and digests of the records.
    A training is resumed only with the same values.
parts
    The ``state_dict`` of everything that is updated in place at every step: network,
    optimiser, schedule, loader, and the moving average of the weights if there is one.
progress
    Everything else that changes during training; see `TrainingProgress`.
random
    States of PyTorch's random generators.
arguments
    What the caller needs to resume with the same arguments; no weight depends on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import torch
from torch import Tensor

from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.models.distributed import is_first_process
from ecgstore.models.torch_files import read_torch_file, write_torch_file
from ecgstore.models.training.epoch_totals import EpochTotals
from ecgstore.models.training.history import History
from ecgstore.models.weights import check_weights
from ecgstore.system.file_format import FileFormat
from ecgstore.system.identity import require_same

_ENTRIES: Final = ("identity", "parts", "random", "progress", "arguments")

FORMAT: Final = FileFormat("ecgstore training state", 3, "`ecgstore train`")


@dataclass(slots=True)
class TrainingProgress:
    """Everything that changes during training and is not updated in place.

    Attributes
    ----------
    best_weights : dict
        Weights of the best epoch so far; the initial ones before the first has ended.
    history : History
        The finished epochs.
    totals : EpochTotals
        Loss and time of the current epoch.
    """

    best_weights: dict[str, Tensor]
    history: History = field(default_factory=History)
    totals: EpochTotals = field(default_factory=EpochTotals)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return the progress from a result of `to_dict`."""
        return cls(
            values["best_weights"],
            History.from_dict(values["history"]),
            EpochTotals.from_list(values["totals"]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return tensors and plain values; to be called in every process."""
        return {
            "best_weights": self.best_weights,
            "history": self.history.to_dict(),
            "totals": self.totals.to_list(),
        }


@dataclass(frozen=True, slots=True)
class StateFile:
    """The state file of a training.

    Parameters
    ----------
    path : Path or None
        The file; None to save nothing.
    identity : dict
        All values that the weights depend on, by name.
    parts : Mapping
        Objects with a ``state_dict``, by name.
    device : torch.device
        The device that is trained on.
    arguments : dict
        Plain values for whoever resumes.
    """

    path: Path | None
    identity: dict[str, Any]
    parts: Mapping[str, Any]
    device: torch.device
    arguments: dict[str, Any]

    def save(self, progress: TrainingProgress) -> None:
        """Write the state in the first process; to be called in every process.

        The previous file stays until the new one is complete.
        """
        if self.path is None:
            return
        values = progress.to_dict()
        if not is_first_process():
            return
        state = {
            "identity": self.identity,
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
            "random": _random_state(self.device),
            "progress": values,
            "arguments": self.arguments,
        }
        write_torch_file(self.path, FORMAT, state)

    def load(self, beginning: TrainingProgress) -> TrainingProgress:
        """Restore the parts and the random generators; return the progress.

        Parameters
        ----------
        beginning : TrainingProgress
            The progress of a new training, which is returned if there is no file yet.

        Raises
        ------
        SchemaError
            If the file is not a training state, or was saved with another network.
        EcgStoreError
            If it was saved by a training with another identity.
        """
        path = self.path
        if path is None or not path.exists():
            return beginning
        state = _read(path, self.device)
        require_same(
            f"{path}, the state of a training",
            state["identity"],
            self.identity,
            "train as before, or choose another folder",
        )
        if state["parts"].keys() != self.parts.keys():
            raise SchemaError(
                f"{path}: does not have the parts of this training; remove the file to "
                "start anew"
            )
        for name, part in self.parts.items():
            try:
                part.load_state_dict(state["parts"][name])
            except EcgStoreError:
                raise
            except Exception as error:  # PyTorch raises many types
                raise SchemaError(
                    f"{path}: its {name} does not fit; expected the state of a "
                    "training of the same network: train the network of the file, or "
                    "choose another folder to start anew"
                ) from error
        try:
            _restore_random_state(state["random"], self.device)
            progress = TrainingProgress.from_dict(state["progress"])
            check_weights(progress.best_weights, beginning.best_weights)
        # Many types, from values of other types than those that `save` wrote.
        except Exception as error:
            raise SchemaError(
                f"{path}: its progress or random state cannot be used; remove the file "
                "to start anew"
            ) from error
        return progress


def read_arguments(path: Path) -> dict[str, Any]:
    """Return the arguments that a training was saved with.

    Raises
    ------
    EcgStoreError
        If the file cannot be read.
    SchemaError
        If it is not a training state.
    """
    arguments: dict[str, Any] = _read(path, torch.device("cpu"))["arguments"]
    return arguments


def _read(path: Path, device: torch.device) -> dict[str, Any]:
    """Return the content of a state file."""
    state = read_torch_file(path, FORMAT, device, _ENTRIES)
    if not all(isinstance(state[name], dict) for name in _ENTRIES):
        raise SchemaError(
            f"{path}: {FORMAT.name} file with entries of other types; remove the "
            "file to start anew"
        )
    return state


def _random_state(device: torch.device) -> dict[str, Any]:
    """Return the states of PyTorch's random generators, of a GPU where it trains."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def _restore_random_state(state: dict[str, Any], device: torch.device) -> None:
    """Restore the states of PyTorch's random generators."""
    torch.set_rng_state(state["cpu"].cpu())
    if "cuda" in state and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)
