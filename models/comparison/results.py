"""What a comparison predicted, and for which records; no PyTorch is needed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import BoolArray, FloatArray, IntArray, UInt8Array
from ecgstore.models.comparison.protocols import OuterFold

if TYPE_CHECKING:
    from ecgstore.storage import Store


@dataclass(frozen=True, eq=False, slots=True)
class ComparedRecords:
    """The records of a comparison, in the order of their rows.

    Attributes
    ----------
    names : tuple of str
        Their names.
    label_names : tuple of str
        Names of the classes.
    labels : ndarray of shape (n_records, n_classes)
        Which classes each record has, 0 or 1.
    source : ndarray of shape (n_records,)
        Name of each record's source.
    patient : ndarray of shape (n_records,)
        Number of each record's patient.
    """

    names: tuple[str, ...]
    label_names: tuple[str, ...]
    labels: UInt8Array
    source: NDArray[np.object_]
    patient: IntArray

    @classmethod
    def of(cls, store: "Store") -> Self:
        """Return the records of a store."""
        return cls(
            names=tuple(store),
            label_names=store.label_names,
            labels=store.labels(dtype=np.uint8),
            source=store.column("source").astype(object),
            patient=store.groups(),
        )


@dataclass(frozen=True, eq=False, slots=True)
class Predictions:
    """Predictions of a classifier for every record, with every seed.

    Attributes
    ----------
    probabilities : ndarray of shape (n_seeds, n_records, n_classes)
        By row of the store, each from classifiers that were not trained on the record.
    thresholds : ndarray of the same shape
        Thresholds of the outer fold that has the record among its test records.
    """

    probabilities: FloatArray
    thresholds: FloatArray

    @property
    def decisions(self) -> BoolArray:
        """Predicted classes, of the shape of `probabilities`."""
        return self.probabilities >= self.thresholds


@dataclass(frozen=True, eq=False, slots=True)
class ProtocolResult:
    """The result of one protocol.

    Attributes
    ----------
    outer : list of OuterFold
        Its folds.
    predictions : Mapping
        By name of the classifier.
    """

    outer: list[OuterFold]
    predictions: Mapping[str, Predictions]

    @property
    def n_seeds(self) -> int:
        """Number of random seeds."""
        return len(next(iter(self.predictions.values())).probabilities)

    @property
    def n_training(self) -> float:
        """Number of training records, mean over the folds."""
        return float(np.mean([len(fold.training) for fold in self.outer]))
