"""Windows of a record's signal and of its marks."""

from typing import Final

import numpy as np

from ecgstore.arrays import Float32Array, IntArray
from ecgstore.storage import Store
from ecgstore.storage.format import schema

MOST_VALUES: Final = 30 * 500 * 12
"""Samples of all leads in one window: 30 s of twelve leads at 500 Hz."""


def real_samples(store: Store, row: int) -> int:
    """Return the samples of a record per lead, without its padding."""
    padding = store.columns.read_quality(schema.PAD_LENGTH, np.array([row]))
    return store.n_samples - int(padding[0])


def missing_leads(store: Store, row: int) -> list[str]:
    """Return the names of the leads that a record lacks."""
    return names_in(store.columns.one("missing_leads", row))


def names_in(text: str) -> list[str]:
    """Return the names in a text with commas between them."""
    return text.split(",") if text else []


def stored_window(store: Store, row: int, start: int, stop: int) -> Float32Array:
    """Return a window of a stored signal; nothing else of the row is read.

    Parameters
    ----------
    store : Store
        An open store.
    row : int
        Row of the record.
    start, stop : int
        First sample, and the one after the last, within the stored row.

    Returns
    -------
    ndarray of shape (n_leads, stop - start)
        Voltages in mV; NaN in the padding, and in leads that the record lacks.
    """
    values = np.empty((1, store.n_leads, stop - start), np.float32)
    if values.size:
        store.check_unchanged()
        gather = store.signal_rows.gather(
            np.array([row]), values, begins=np.array([start])
        )
        gather()
        gather.finish()
    missing = missing_leads(store, row)
    values[0, np.isin(store.leads, missing)] = np.nan
    values[0, :, max(real_samples(store, row) - start, 0) :] = np.nan
    window: Float32Array = values[0]
    return window


def beats_of(store: Store, row: int) -> IntArray:
    """Return the sample indices of a record's beats, of shape (n_beats,)."""
    r_peaks = store.r_peaks([row])[0]
    beats: IntArray = r_peaks[r_peaks >= 0]
    return beats


def marks_in(store: Store, row: int, start: int, stop: int) -> IntArray:
    """Return the marks of all beats of which any is in a window.

    Parameters are those of `stored_window`.

    Returns
    -------
    ndarray of shape (n_leads, n_beats, 9)
        Sample indices in the order of `ecgstore.record.MARKS`; -1 where absent.
    """
    marks = store.fiducials([row])[0][:, : len(beats_of(store, row))]
    inside = ((marks >= start) & (marks < stop)).any(axis=(0, 2))
    found: IntArray = marks[:, inside]
    return found
