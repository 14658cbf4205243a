"""Which records are judged by what was learnt from which others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from ecgstore.arrays import IntArray
from ecgstore.errors import EcgStoreError
from ecgstore.models.patients import folds_of, patients
from ecgstore.storage import Store


@dataclass(frozen=True, eq=False, slots=True)
class OuterFold:
    """Records that are judged, and those that may be learnt from.

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


def by_patient(store: Store, n_folds: int) -> list[OuterFold]:
    """Return folds of patients: every record is judged once."""
    every = np.arange(len(store))
    return [
        OuterFold(str(number), np.setdiff1d(every, test), test)
        for number, test in enumerate(folds_of(store, every, n_folds))
        if len(test)
    ]


def by_source(store: Store, n_folds: int) -> list[OuterFold]:
    """Return a fold for each source, judged by what was learnt from the others.

    Patients of that source who have records elsewhere are left out of training.
    `n_folds` does not matter.
    """
    del n_folds
    source = store.records["source"].to_numpy()
    names = sorted(set(source))
    if len(names) < 2:
        raise EcgStoreError(
            f"{store.path}: all records are of {names[0]}; expected two or more "
            "sources to leave one out: compare with --protocol patients"
        )
    patient = patients(store)
    return [
        OuterFold(
            name,
            np.flatnonzero(~np.isin(patient, patient[source == name])),
            np.flatnonzero(source == name),
        )
        for name in names
    ]


PROTOCOLS: Final[Mapping[str, Callable[[Store, int], list[OuterFold]]]] = {
    "patients": by_patient,
    "sources": by_source,
}
"""How records to judge are chosen: folds of patients, or source after source."""
