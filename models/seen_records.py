"""Which records of a store a checkpoint has seen in its training."""

from typing import Final

import numpy as np

from ecgstore.arrays import BoolArray
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.outer_folds import patients
from ecgstore.storage import Selection, Store

_N_DIGITS: Final = 16
"""Hexadecimal digits of a signal's hash: 64 bits tell 10 million records apart."""


def short_hashes(selection: Selection) -> list[str]:
    """Return the beginning of the SHA-256 of each record's source signal."""
    hashes = selection.store.records["sha256"].to_numpy()[selection.rows]
    return [each[:_N_DIGITS] for each in hashes]


def tells_what_it_saw(checkpoint: Checkpoint, store: Store) -> bool:
    """Return whether `seen` can find out anything about this store."""
    is_its_own = checkpoint.fingerprint == store.fingerprint
    return f"training_{'rows' if is_its_own else 'signals'}" in checkpoint.origin


def seen(checkpoint: Checkpoint, store: Store, *, part: str | None = None) -> BoolArray:
    """Return of which records of a store the patient was seen in training.

    In the store of the training, these are the records trained and validated on, and
    all other ones of their patients. In another store, records with the same signal
    stand for them: other recordings of the same patient are not recognised, unless one
    with the same signal is there too.

    Parameters
    ----------
    checkpoint : Checkpoint
        The checkpoint.
    store : Store
        Any store.
    part : {"training", "validation"}, optional
        Only what was trained on, or what the epoch was chosen by; both if left out.

    Returns
    -------
    ndarray of shape (n_records,)
        By row of the store.
    """
    parts = ("training", "validation") if part is None else (part,)
    met = np.zeros(len(store), bool)
    if checkpoint.fingerprint == store.fingerprint:
        for each in parts:
            met[list(checkpoint.origin.get(f"{each}_rows", ()))] = True
    else:
        known = {
            signal
            for each in parts
            for signal in checkpoint.origin.get(f"{each}_signals", ())
        }
        met |= store.records["sha256"].str[:_N_DIGITS].isin(known).to_numpy()
    patient = patients(store)
    return np.isin(patient, patient[met])
