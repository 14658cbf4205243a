"""Protocols: how the records of a store are divided into training and test records.

To add a protocol, write its function here and add it to `PROTOCOLS`. The protocol
"patients-150" is "patients" with 150 training records in each fold, for a learning
curve.
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
    source = store.column("source")
    names = sorted(set(source))
    if len(names) < 2:
        raise EcgStoreError(
            f"{store.place}: all records are of {names[0]}; expected two or more "
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


def with_fewer(outer: OuterFold, patient: IntArray, n_records: int) -> OuterFold:
    """Return a fold with about so many of its training records, of whole patients.

    Patients are drawn at random, the same ones first for every number: fewer records
    are a part of more.

    Parameters
    ----------
    outer : OuterFold
        The fold.
    patient : ndarray of shape (n_rows,)
        Number of the patient of every row of the store.
    n_records : int
        Number of training records; all if there are fewer.
    """
    own = patient[outer.training]
    order = np.random.default_rng(0).permutation(np.unique(own))
    place = np.empty(order.max(initial=0) + 1, np.int64)
    place[order] = np.arange(len(order))
    n_up_to = np.cumsum(np.bincount(place[own], minlength=len(order)))
    n_patients = int(np.searchsorted(n_up_to, n_records)) + 1
    return OuterFold(outer.name, outer.training[place[own] < n_patients], outer.test)


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


def outer_folds(store: "Store", name: str, n_folds: int) -> list[OuterFold]:
    """Return the folds of a protocol, also of one with fewer training records.

    Parameters
    ----------
    store : Store
        The records.
    name : str
        One of `PROTOCOLS`, or such a name, a hyphen, and a number of records.
    n_folds : int
        Number of folds of patients.
    """
    protocol, _, n_records = name.partition("-")
    folds = PROTOCOLS[protocol].outer_folds(store, n_folds)
    if not n_records:
        return folds
    return [with_fewer(fold, store.groups(), int(n_records)) for fold in folds]
