"""Which records of a store a checkpoint has seen in its training."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import BoolArray, UInt8Array
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.patients import patients
from ecgstore.storage import Selection, Store
from ecgstore.storage.deep_features.seen import Seen
from ecgstore.storage.format import schema

_N_BYTES: Final = 8
"""Bytes of a signal's hash: 64 bits tell 10 million records apart."""


def short_hashes(selection: Selection) -> UInt8Array:
    """Return the beginning of the SHA-256 of each record's source signal.

    Returns
    -------
    ndarray of shape (n_records, 8)
        The first bytes of the digests.
    """
    return _short_hashes(selection.store)[selection.rows]


def _short_hashes(store: Store) -> UInt8Array:
    """Return the beginnings of the hashes of all records, (n_records, 8)."""
    digits = store.table(f"{schema.RECORDS}/sha256").astype(f"S{2 * _N_BYTES}")
    return np.frombuffer(bytes.fromhex(digits.tobytes().decode()), np.uint8).reshape(
        -1, _N_BYTES
    )


def _as_numbers(hashes: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return hashes of shape (n_records, 8) as numbers that can be compared."""
    return np.ascontiguousarray(hashes).view(np.uint64)[:, 0]


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
            met[_known(checkpoint, f"{each}_rows")] = True
    else:
        signals = _as_numbers(_short_hashes(store))
        for each in parts:
            met |= np.isin(signals, _as_numbers(_known(checkpoint, f"{each}_signals")))
    patient = patients(store)
    return np.isin(patient, patient[met])


def seen_codes(checkpoint: Checkpoint, store: Store) -> UInt8Array:
    """Return for what the patient of each record of a store was seen in training.

    Returns
    -------
    ndarray of shape (n_records,)
        Codes of `Seen`, by row of the store: training takes precedence over
        validation; unknown if the checkpoint does not say.
    """
    if not tells_what_it_saw(checkpoint, store):
        return np.full(len(store), Seen.UNKNOWN, np.uint8)
    codes = np.full(len(store), Seen.UNSEEN, np.uint8)
    codes[seen(checkpoint, store, part="validation")] = Seen.VALIDATION
    codes[seen(checkpoint, store, part="training")] = Seen.TRAINING
    return codes


def _known(checkpoint: Checkpoint, name: str) -> NDArray[Any]:
    """Return rows or signals that a checkpoint has seen; none if it does not say."""
    none = np.zeros((0, _N_BYTES), np.uint8) if "signals" in name else np.zeros(0, int)
    found = checkpoint.origin.get(name)
    return none if found is None else np.asarray(found)
