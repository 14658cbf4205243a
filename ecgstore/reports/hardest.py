"""The records that a classifier gets most wrong, as a table and as pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ecgstore.arrays import BoolArray, FloatArray
from ecgstore.diagnoses import ClassSet, diagnoses
from ecgstore.record import person_text, without_leads
from ecgstore.reports.ecg_svg import ecg_picture
from ecgstore.reports.page import Cell, EcgPicture, Gallery, Table
from ecgstore.scores.texts import number_text

if TYPE_CHECKING:
    from ecgstore.storage import Store

N_SHOWN: Final = 12

_LEAST: Final = 1e-7
"""Probabilities of 0 and 1 count as if they were this far from them."""

LOSS_EXPLAINED: Final = (
    "The loss of a record is the mean cross entropy of its classes: 0 where every "
    "probability is 0 or 1 and right; a confident error makes it large. A high loss is "
    "an error of the classifier, or of the label: look at the record."
)


@dataclass(frozen=True, slots=True)
class HardRecord:
    """A record with a high loss.

    Attributes
    ----------
    name : str
        Its name in the store.
    loss : float
        Mean cross entropy of its classes.
    labels : tuple of str
        The classes that it has.
    probabilities : tuple of (str, float, float, bool)
        Of the classes that it has or was predicted to have: name, probability,
        threshold, and whether it was predicted.
    """

    name: str
    loss: float
    labels: tuple[str, ...]
    probabilities: tuple[tuple[str, float, float, bool], ...]

    @property
    def predicted(self) -> tuple[str, ...]:
        """The classes that it was predicted to have."""
        return tuple(
            name for name, *_, is_predicted in self.probabilities if is_predicted
        )


def record_losses(labels: BoolArray, probabilities: FloatArray) -> FloatArray:
    """Return the mean cross entropy of each record.

    Parameters
    ----------
    labels : ndarray of shape (n_records, n_classes)
        True classes.
    probabilities : ndarray of shape (..., n_records, n_classes)
        Predicted probabilities; losses are means over the first axis.

    Returns
    -------
    ndarray of shape (n_records,)

    Examples
    --------
    >>> record_losses(np.array([[True], [True]]), np.array([[1.0], [0.5]])).round(3)
    array([0.   , 0.693])
    """
    right = np.where(labels, probabilities, 1 - probabilities)
    losses: FloatArray = np.log(1 / np.clip(right, _LEAST, 1.0)).mean(axis=-1)
    return losses if losses.ndim == 1 else losses.mean(axis=0)


def hardest_records(
    names: Sequence[str],
    label_names: Sequence[str],
    labels: BoolArray,
    probabilities: FloatArray,
    thresholds: FloatArray,
    n_shown: int = N_SHOWN,
) -> list[HardRecord]:
    """Return the records with the highest losses, the highest first.

    Parameters
    ----------
    names : sequence of str
        Name of each record.
    label_names : sequence of str
        Names of the classes.
    labels : ndarray of shape (n_records, n_classes)
        True classes.
    probabilities : ndarray of shape (n_seeds, n_records, n_classes)
        Predicted probabilities, whose mean is shown.
    thresholds : ndarray of the same shape
        A class is predicted where its mean probability reaches the mean threshold.
    n_shown : int
        Number of records.
    """
    losses = record_losses(labels, probabilities)
    mean, limits = probabilities.mean(axis=0), thresholds.mean(axis=0)
    decided = mean >= limits
    hardest = []
    for at in np.argsort(-losses, kind="stable")[:n_shown].tolist():
        shown = np.flatnonzero(labels[at] | decided[at]).tolist()
        hardest.append(
            HardRecord(
                name=names[at],
                loss=float(losses[at]),
                labels=tuple(
                    label_names[k] for k in np.flatnonzero(labels[at]).tolist()
                ),
                probabilities=tuple(
                    (
                        label_names[k],
                        float(mean[at, k]),
                        float(limits[at, k]),
                        bool(decided[at, k]),
                    )
                    for k in shown
                ),
            )
        )
    return hardest


def hardest_table(records: Sequence[HardRecord], classifier: str) -> Table:
    """Return a table of the hardest records."""
    rows: list[list[Cell]] = [
        [
            record.name,
            ", ".join(record.labels) or "none",
            ", ".join(record.predicted) or "none",
            _probabilities(record),
            record.loss,
        ]
        for record in records
    ]
    return Table(
        f"The {len(rows)} records with the highest loss: {classifier}",
        [
            "record",
            "labelled",
            "predicted",
            "probability (threshold) of these classes",
            "loss",
        ],
        rows,
        LOSS_EXPLAINED,
    )


def hardest_gallery(records: Sequence[HardRecord], store: "Store") -> Gallery:
    """Return pictures of the hardest records, with labels and predictions in words."""
    return Gallery([_picture(record, store) for record in records])


def _picture(record: HardRecord, store: "Store") -> EcgPicture:
    """Return the picture of a record."""
    stored = store[record.name]
    known, classes = diagnoses(), store.config.classes
    codes = [known[code].name if code in known else code for code in stored.dx]
    person = person_text(stored.age, stored.sex)
    lines = [
        ", ".join(filter(None, (stored.source, person, f"fold {stored.fold}"))),
        f"labelled: {_in_words(record.labels, classes)}",
        f"predicted: {_in_words(record.predicted, classes)}",
        f"probability (threshold): {_probabilities(record)}; loss "
        f"{number_text(record.loss)}",
        f"diagnoses of the source: {', '.join(codes) or 'none'}",
    ]
    signal = without_leads(stored.signal, stored.missing_leads, stored.leads)
    return ecg_picture(
        signal,
        stored.fs,
        title=record.name,
        description=f"ECG of {record.name}; {'; '.join(lines)}",
        lines=lines,
        leads=stored.leads,
    )


def _in_words(names: Sequence[str], classes: ClassSet) -> str:
    """Return classes with their descriptions."""
    described = {one.name: one.description for one in classes.classes}
    words = [
        f"{name} ({text})" if (text := described.get(name)) and text != name else name
        for name in names
    ]
    return ", ".join(words) or "no class"


def _probabilities(record: HardRecord) -> str:
    """Return the probabilities of classes, with their thresholds."""
    return (
        ", ".join(
            f"{name} {number_text(probability)} ({number_text(threshold)})"
            for name, probability, threshold, _ in record.probabilities
        )
        or "none"
    )
