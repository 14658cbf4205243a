"""What the epochs of a training came to, and which one is the best."""

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, astuple, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from ecgstore.models.distributed import is_first_process, sum_over_processes
from ecgstore.system.csv_files import write_csv

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch came to.

    Attributes
    ----------
    epoch : int
        Its number, from 1.
    learning_rate : float
        That of the step after its last one.
    training_loss, validation_loss : float
        Mean cross entropy per record and class, over the records trained on as they
        came and with weighted classes; over those held out, unweighted; NaN without
        any.
    validation_auroc : float
        Macro AUROC of the records held out; NaN if no class has both kinds of records.
    seconds : float
        How long it took, validation included.
    waiting : float
        Part of the training steps' time that was spent waiting for data.
    """

    epoch: int
    learning_rate: float
    training_loss: float
    validation_loss: float
    validation_auroc: float
    seconds: float
    waiting: float

    def quality(self) -> tuple[float, float]:
        """Return what epochs are compared by; without validation, later is better."""
        if math.isnan(self.validation_loss):
            return 0.0, float(self.epoch)
        is_undefined = math.isnan(self.validation_auroc)
        return 0.0 if is_undefined else self.validation_auroc, -self.validation_loss


@dataclass(slots=True)
class History:
    """The epochs so far.

    Attributes
    ----------
    epochs : list of Epoch
        In their order.
    best : int
        Number of the epoch with the highest macro AUROC in validation, the lower loss
        deciding between equals; 0 before any.
    """

    epochs: list[Epoch] = field(default_factory=list)
    best: int = 0

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "History":
        """Return what `to_dict` described."""
        return cls([Epoch(**each) for each in values["epochs"]], values["best"])

    def to_dict(self) -> dict[str, Any]:
        """Return every epoch as plain numbers."""
        return {"epochs": [asdict(each) for each in self.epochs], "best": self.best}

    def add(self, epoch: Epoch) -> bool:
        """Add an epoch; return whether it is the best so far."""
        self.epochs.append(epoch)
        if self.best and epoch.quality() <= self.epochs[self.best - 1].quality():
            return False
        self.best = epoch.epoch
        return True

    def is_over(self, patience: int) -> bool:
        """Return whether as many epochs as that have passed since the best one."""
        return len(self.epochs) - self.best >= patience

    def write_csv(self, path: Path) -> None:
        """Write a row for each epoch; what is undefined is empty."""
        columns = [column.name for column in fields(Epoch)]
        write_csv(path, columns, map(astuple, self.epochs))


class Sums:
    """Loss and time of the steps of an epoch so far."""

    def __init__(
        self,
        n_steps: int = 0,
        loss: float = 0.0,
        n: int = 0,
        total_s: float = 0.0,
        waiting_s: float = 0.0,
    ) -> None:
        self.n_steps = n_steps
        self._loss: Tensor | float = loss  # stays on its device: no step waits for it
        self._n = n
        self._total_s = total_s
        self._waiting_s = waiting_s

    @classmethod
    def from_list(cls, values: list[Any]) -> "Sums":
        """Return what `to_list` described; the first process has the loss of all."""
        n_steps, loss, n, *times = values
        return cls(n_steps, *((loss, n) if is_first_process() else (0.0, 0)), *times)

    def to_list(self) -> list[Any]:
        """Return what `from_list` takes; to be called in every process."""
        loss, n = self._of_all()
        return [self.n_steps, loss, n, self._total_s, self._waiting_s]

    def timed(self, batches: Iterator[Item]) -> Iterator[Item]:
        """Yield batches; measure how long they are waited for, and what is between."""
        while True:
            began = time.perf_counter()
            try:
                batch = next(batches)
            except StopIteration:
                return
            self._waiting_s += time.perf_counter() - began
            yield batch
            self._total_s += time.perf_counter() - began

    def add(self, loss: Tensor, n_records: int) -> None:
        """Add a step with the mean loss of its records."""
        self.n_steps += 1
        self._n += n_records
        self._loss = self._loss + loss.detach().double() * n_records

    def loss_of_all(self) -> float:
        """Return the mean loss of the records of all processes."""
        loss, n = self._of_all()
        return loss / max(n, 1)

    def _of_all(self) -> tuple[float, int]:
        """Return loss and number of the records of all processes."""
        if not isinstance(self._loss, Tensor):  # no step yet, in any process
            return self._loss, self._n
        n = torch.tensor(self._n, device=self._loss.device)
        return float(sum_over_processes(self._loss)), int(sum_over_processes(n))

    def waiting(self) -> float:
        """Return the part of the steps' time that was spent waiting."""
        return self._waiting_s / self._total_s if self._total_s else 0.0
