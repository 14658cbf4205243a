"""Protocols: how the records of a store are divided into training and test records.

To add a protocol, write its function here and add it to `PROTOCOLS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from ecgstore.arrays import IntArray
from ecgstore.errors import EcgStoreError

if TYPE_CHECKING:
    from ecgstore.storage import Store


@dataclass(frozen=True, eq=False, slots=True)
class OuterFold:
    """Test records, and the records that may be used for training.

    Attributes
    ----------
    name : str
        Number of the fold, or name of the source left out.
    training, test : ndarray of int64
        Rows, increasing; no patient is in both.
    """

    name: str
    training: IntArray
    test: IntArray


def by_patient(store: "Store", n_folds: int) -> list[OuterFold]:
    """Return folds of patients: every record is in the test records of one fold."""
    # Here and below: command lines list the protocols without loading pandas and SciPy.
    from ecgstore.models.patients import folds_of

    rows = np.arange(len(store))
    return [
        OuterFold(str(number), np.setdiff1d(rows, test), test)
        for number, test in enumerate(folds_of(store, rows, n_folds))
        if len(test)
    ]


def by_source(store: "Store", n_folds: int) -> list[OuterFold]:
    """Return a fold for each source, with records of the other sources for training.

    Patients of the source who also have records in other sources are left out of the
    training records. `n_folds` is not used.

    Raises
    ------
    EcgStoreError
        If all records are of one source.
    """
    del n_folds
    source = store.records["source"].to_numpy()
    names = sorted(set(source))
    if len(names) < 2:
        raise EcgStoreError(
            f"{store.path}: all records are of {names[0]}; expected two or more "
            "sources to leave one out: compare with --protocols patients"
        )
    patient = store.groups()
    return [
        OuterFold(
            name,
            np.flatnonzero(~np.isin(patient, patient[source == name])),
            np.flatnonzero(source == name),
        )
        for name in names
    ]


@dataclass(frozen=True, slots=True)
class Protocol:
    """A protocol of the comparison.

    Attributes
    ----------
    outer_folds : callable
        From a store and a number of folds to the outer folds.
    help : str
        How test records are held out, for the help of the command line.
    """

    outer_folds: Callable[["Store", int], list[OuterFold]]
    help: str


PROTOCOLS: Final[Mapping[str, Protocol]] = {
    "patients": Protocol(by_patient, "in folds of patients"),
    "sources": Protocol(by_source, "all records of one source after the other"),
}
"""The protocols by name."""
