"""Losses and scores of the epochs of a training, the best epoch, and early stopping."""

import math
from dataclasses import asdict, astuple, dataclass, field, fields
from pathlib import Path
from typing import Any

from ecgstore.errors import SchemaError
from ecgstore.system.csv_files import write_csv


@dataclass(frozen=True, slots=True)
class Epoch:
    """Losses, scores and times of one epoch.

    Attributes
    ----------
    epoch : int
        Number of the epoch, from 1.
    learning_rate : float
        Learning rate after the last step.
    training_loss : float
        Mean cross entropy per training record and class, with class weights, on the
        augmented and mixed records and the weights of each step.
    validation_loss : float
        Mean cross entropy per validation record and class, unweighted; NaN without
        validation records.
    validation_auroc : float
        Macro AUROC of the validation records; NaN if no class has both positive and
        negative records.
    seconds : float
        Duration, including validation.
    waiting : float
        Share of the training steps' time that was spent waiting for data.
    """

    epoch: int
    learning_rate: float
    training_loss: float
    validation_loss: float
    validation_auroc: float
    seconds: float
    waiting: float

    def quality(self) -> tuple[float, float]:
        """Return a sort key: higher is better; without validation, later is better."""
        if math.isnan(self.validation_loss):
            return 0.0, float(self.epoch)
        is_undefined = math.isnan(self.validation_auroc)
        return 0.0 if is_undefined else self.validation_auroc, -self.validation_loss


@dataclass(slots=True)
class History:
    """The epochs of a training so far.

    Attributes
    ----------
    epochs : list of Epoch
        In their order.
    best : int
        Number of the epoch with the highest macro AUROC in validation, the lower loss
        deciding ties; 0 before the first epoch has ended.
    """

    epochs: list[Epoch] = field(default_factory=list)
    best: int = 0

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "History":
        """Return the history from a result of `to_dict`.

        Raises
        ------
        SchemaError
            If it is none.
        """
        epochs, best = [Epoch(**epoch) for epoch in values["epochs"]], values["best"]
        numbers = [value for epoch in epochs for value in astuple(epoch)]
        if (
            [epoch.epoch for epoch in epochs] != [*range(1, len(epochs) + 1)]
            or not all(type(number) in (int, float) for number in (*numbers, best))
            or best not in (range(1, len(epochs) + 1) if epochs else (0,))
        ):
            raise SchemaError("the history of the training is not one")
        return cls(epochs, best)

    def to_dict(self) -> dict[str, Any]:
        """Return the history as plain numbers, for JSON."""
        return {"epochs": [asdict(epoch) for epoch in self.epochs], "best": self.best}

    def add(self, epoch: Epoch) -> bool:
        """Add an epoch; return whether it is the best so far."""
        self.epochs.append(epoch)
        if self.best and epoch.quality() <= self.epochs[self.best - 1].quality():
            return False
        self.best = epoch.epoch
        return True

    def should_stop_early(self, patience: int) -> bool:
        """Return whether the last `patience` epochs were not better than the best."""
        return len(self.epochs) - self.best >= patience

    def write_csv(self, path: Path) -> None:
        """Write a row for each epoch; undefined values are empty."""
        columns = [column.name for column in fields(Epoch)]
        write_csv(path, columns, map(astuple, self.epochs))
