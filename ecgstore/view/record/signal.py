"""Windows of a record's signal and of its marks."""

from typing import Final, NamedTuple

import numpy as np

from ecgstore.arrays import Float32Array, FloatArray, IntArray
from ecgstore.errors import EcgStoreError
from ecgstore.record import Mark
from ecgstore.storage import Store
from ecgstore.storage.format import schema

MOST_VALUES: Final = 30 * 500 * 12
"""Samples of all leads in one window: 30 s of twelve leads at 500 Hz."""


class Window(NamedTuple):
    """A part of a signal.

    Attributes
    ----------
    start : int
        Its first sample.
    values : ndarray of shape (n_leads, n_window)
        Voltages in mV, NaN where nothing was recorded.
    """

    start: int
    values: Float32Array


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


def span_of(
    start: int | None, stop: int | None, n_samples: int, n_leads: int
) -> tuple[int, int]:
    """Return the samples of a window that was asked for.

    Parameters
    ----------
    start, stop : int or None
        First sample, and the one after the last; by default those of the record, or of
        as much of it as one window holds.
    n_samples, n_leads : int
        Size of the record.

    Raises
    ------
    EcgStoreError
        If it begins before the record, ends before it begins, or is too long.

    Examples
    --------
    >>> span_of(None, None, 5000, 12), span_of(4000, 6000, 5000, 12)
    ((0, 5000), (4000, 5000))
    """
    longest = MOST_VALUES // n_leads
    first = 0 if start is None else start
    end = min(n_samples, first + longest) if stop is None else stop
    if not 0 <= first <= end:
        raise EcgStoreError(
            f"samples {first} to {end}: expected a start of 0 or more, and a stop that "
            "is not below it"
        )
    if end - first > longest:
        raise EcgStoreError(
            f"samples {first} to {end}: expected at most {longest} samples at a time"
        )
    return min(first, n_samples), min(end, n_samples)


def stored_window(
    store: Store, row: int, start: int | None = None, stop: int | None = None
) -> Window:
    """Return a window of a stored signal; nothing else of the row is read.

    Parameters
    ----------
    store : Store
        An open store.
    row : int
        Row of the record.
    start, stop : int, optional
        As for `span_of`; padding is part of the record, and NaN.

    Raises
    ------
    EcgStoreError
        As `span_of`.
    """
    first, end = span_of(start, stop, store.n_samples, store.n_leads)
    values = np.empty((1, store.n_leads, end - first), np.float32)
    if values.size:
        store.check_unchanged()
        gather = store.signal_rows.gather(
            np.array([row]), values, begins=np.array([first])
        )
        gather()
        gather.finish()
    missing = missing_leads(store, row)
    values[0, np.isin(store.leads, missing)] = np.nan
    values[0, :, max(real_samples(store, row) - first, 0) :] = np.nan
    return Window(first, values[0])


def cut_window(
    signal: FloatArray, store: Store, start: int | None = None, stop: int | None = None
) -> Window:
    """Return a window of a signal as `stored_window` does of the stored one.

    `signal` is that of `ecgstore.storage.original.original_signal`.
    """
    first, end = span_of(start, stop, store.n_samples, store.n_leads)
    values = np.full((store.n_leads, end - first), np.nan, np.float32)
    part = signal[:, first:end]
    values[:, : part.shape[1]] = part
    return Window(first, values)


def beats_of(store: Store, row: int) -> IntArray:
    """Return the sample indices of a record's beats, of shape (n_beats,)."""
    r_peaks = store.r_peaks([row])[0]
    return r_peaks[r_peaks >= 0]


def marks_in(store: Store, row: int, start: int, stop: int) -> IntArray:
    """Return the marks of all beats of which any is in a window.

    Parameters
    ----------
    store : Store
        An open store.
    row : int
        Row of the record.
    start, stop : int
        First sample of the window, and the one after its last.

    Returns
    -------
    ndarray of shape (n_leads, n_beats, 9)
        Sample indices in the order of `ecgstore.record.MARKS`; -1 where absent.

    Raises
    ------
    EcgStoreError
        As `span_of`.
    """
    first, end = span_of(start, stop, store.n_samples, store.n_leads)
    n_beats = len(beats_of(store, row))
    marks = store.fiducials([row])[0][:, :n_beats, : len(Mark)]
    inside = ((marks >= first) & (marks < end)).any(axis=(0, 2))
    return marks[:, inside]
