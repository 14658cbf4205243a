"""Records of a store whose patients a checkpoint has seen in its training."""

from collections.abc import Mapping
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import BoolArray, UInt8Array
from ecgstore.config import Config
from ecgstore.errors import SchemaError
from ecgstore.storage import Selection, Store
from ecgstore.storage.deep_features.seen import Seen
from ecgstore.storage.format import schema

Part = Literal["training", "validation"]

_N_BYTES: Final = 8
"""Bytes kept of a signal's hash: 64 bits distinguish 10 million records."""


class Trained(Protocol):
    """A trained model that says what it was trained on."""

    @property
    def fingerprint(self) -> str: ...  # noqa: D102
    @property
    def origin(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def config(self) -> Config: ...  # noqa: D102


def short_hashes(selection: Selection) -> UInt8Array:
    """Return the first bytes of the SHA-256 of each record's source signal.

    Returns
    -------
    ndarray of shape (n_records, 8)
        The first 8 bytes of each digest.
    """
    return _short_hashes(selection.store)[selection.rows]


def _short_hashes(store: Store) -> UInt8Array:
    """Return the first bytes of the hashes of all records, (n_records, 8)."""
    digits = store.table(f"{schema.RECORDS}/sha256").astype(f"S{2 * _N_BYTES}")
    return np.frombuffer(bytes.fromhex(digits.tobytes().decode()), np.uint8).reshape(
        -1, _N_BYTES
    )


def _as_integers(hashes: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return hashes of shape (n_records, 8) as integers, which can be compared."""
    return np.ascontiguousarray(hashes).view(np.uint64)[:, 0]


def lists_seen_records(checkpoint: Trained, store: Store) -> bool:
    """Return whether the checkpoint lists its records in a form that fits the store.

    In the store of its training these are rows, in any other one hashes of signals.
    These are hashes of the leads of a store: a store of other leads has others.
    """
    if checkpoint.fingerprint == store.fingerprint:
        return "training_rows" in checkpoint.origin
    same_leads = checkpoint.config.leads == store.leads
    return same_leads and "training_signals" in checkpoint.origin


def seen_records(
    checkpoint: Trained, store: Store, *, part: Part | None = None
) -> BoolArray:
    """Return which records of a store are of patients seen in training.

    In the store of the training, these are the training and validation records, and all
    other records of their patients. In another store, training and validation records
    are recognised by their signals. A patient is recognised only if a record
    of the patient has the same signal in both stores.

    Parameters
    ----------
    checkpoint : Checkpoint or Hybrid
        The trained model.
    store : Store
        Any store.
    part : {"training", "validation"}, optional
        Consider training records only, or validation records only; both if left out.

    Returns
    -------
    ndarray of shape (n_records,)
        By row of the store.

    Raises
    ------
    SchemaError
        If the checkpoint lists rows that the store of its training does not have.
    """
    parts = ("training", "validation") if part is None else (part,)
    is_seen = np.zeros(len(store), bool)
    if checkpoint.fingerprint == store.fingerprint:
        for name in parts:
            rows = _listed(checkpoint, f"{name}_rows")
            if not ((rows >= 0) & (rows < len(store))).all():
                raise SchemaError(
                    f"{store.place}: the checkpoint lists {name} records that the "
                    f"store of its fingerprint does not have; expected rows below "
                    f"{len(store)}: train the network again"
                )
            is_seen[rows] = True
    else:
        signals = _as_integers(_short_hashes(store))
        for name in parts:
            listed = _as_integers(_listed(checkpoint, f"{name}_signals"))
            is_seen |= np.isin(signals, listed)
    patient = store.groups()
    return np.isin(patient, patient[is_seen])


def held_out_records(training: Selection, store: Store) -> BoolArray:
    """Return which records of any store are of patients held out of a training.

    These are patients with a signal that the store of the training has, but that is not
    among the training records. Stores of other leads have other hashes of signals.

    Parameters
    ----------
    training : Selection
        The training records.
    store : Store
        Any store.

    Returns
    -------
    ndarray of shape (n_records,)
        By row of `store`.
    """
    held_out = np.delete(_as_integers(_short_hashes(training.store)), training.rows)
    is_held_out = np.isin(_as_integers(_short_hashes(store)), held_out)
    patient = store.groups()
    return np.isin(patient, patient[is_held_out])


def training_roles(checkpoint: Trained, store: Store) -> UInt8Array:
    """Return the role of each record's patient in the training of a checkpoint.

    Returns
    -------
    ndarray of shape (n_records,)
        Codes of `Seen`, by row of the store: training takes precedence over
        validation; unknown if the checkpoint does not list its records, or lists those
        of a store with other leads.
    """
    if not lists_seen_records(checkpoint, store):
        return np.full(len(store), Seen.UNKNOWN, np.uint8)
    roles = np.full(len(store), Seen.UNSEEN, np.uint8)
    roles[seen_records(checkpoint, store, part="validation")] = Seen.VALIDATION
    roles[seen_records(checkpoint, store, part="training")] = Seen.TRAINING
    return roles


def _listed(checkpoint: Trained, name: str) -> NDArray[Any]:
    """Return rows or hashes that a checkpoint lists; none if it has no such list."""
    none = np.zeros((0, _N_BYTES), np.uint8) if "signals" in name else np.zeros(0, int)
    listed = checkpoint.origin.get(name)
    return none if listed is None else np.asarray(listed)
