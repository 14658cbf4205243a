"""Loss and time of the steps of an epoch, added up."""

import time
from collections.abc import Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor

from ecgstore.models.distributed import is_first_process, sum_over_processes

Item = TypeVar("Item")


class EpochTotals:
    """Loss and time of the steps of an epoch so far.

    Parameters
    ----------
    n_steps : int
        Number of steps.
    loss : float
        Sum of the records' losses.
    n_records : int
        Number of records.
    total_s, waiting_s : float
        Time of the steps in s, and the part of it spent waiting for batches.
    """

    def __init__(
        self,
        n_steps: int = 0,
        loss: float = 0.0,
        n_records: int = 0,
        total_s: float = 0.0,
        waiting_s: float = 0.0,
    ) -> None:
        self.n_steps = n_steps
        self._loss: Tensor | float = loss  # stays on its device: no step waits for it
        self._n_records = n_records
        self._total_s = total_s
        self._waiting_s = waiting_s

    @classmethod
    def from_list(cls, values: list[Any]) -> "EpochTotals":
        """Return totals from `to_list`; rank 0 gets the loss of all processes."""
        n_steps, *loss_and_n, total_s, waiting_s = values
        loss, n_records = loss_and_n if is_first_process() else (0.0, 0)
        return cls(n_steps, loss, n_records, total_s, waiting_s)

    def to_list(self) -> list[Any]:
        """Return the totals over all processes; to be called in every process."""
        loss, n_records = self._over_processes()
        return [self.n_steps, loss, n_records, self._total_s, self._waiting_s]

    def timed(self, batches: Iterator[Item]) -> Iterator[Item]:
        """Yield batches; add the waiting time and the total time of every step."""
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
        self._n_records += n_records
        self._loss = self._loss + loss.detach().double() * n_records

    def mean_loss(self) -> float:
        """Return the mean loss of the records of all processes."""
        loss, n_records = self._over_processes()
        return loss / max(n_records, 1)

    def waiting_share(self) -> float:
        """Return the share of the steps' time that was spent waiting for batches."""
        return self._waiting_s / self._total_s if self._total_s else 0.0

    def _over_processes(self) -> tuple[float, int]:
        """Return loss and number of the records of all processes."""
        if not isinstance(self._loss, Tensor):  # no step yet, in any process
            return self._loss, self._n_records
        n_records = torch.tensor(self._n_records, device=self._loss.device)
        return float(sum_over_processes(self._loss)), int(sum_over_processes(n_records))
