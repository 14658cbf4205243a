"""The window of samples that is read of each record."""

import operator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import Int16Array, IntArray, UInt64Array
from ecgstore.pipes.orders.random_numbers import key_of, mix


@dataclass(frozen=True, slots=True)
class RandomCrop:
    """A window at a random position, another one each time a record is drawn.

    It lies within the real samples, or begins with the record if these are fewer than
    the window.

    Parameters
    ----------
    n_samples : int
        Length of the window.
    """

    n_samples: int


Window: TypeAlias = tuple[int, int] | RandomCrop | None
"""(begin, end) in samples, `end` not included; a random crop; or the whole record."""

_CROP: Final = key_of(0x63726F70)
"""Key of the random numbers from which the begin of a crop is drawn."""


def window_length(window: Window, n_samples: int) -> int:
    """Return the length of a window in samples.

    Parameters
    ----------
    window : tuple of int, RandomCrop or None
        The window.
    n_samples : int
        Length of a stored record.

    Raises
    ------
    ValueError
        If the window is not within the record.
    """
    if window is None:
        return n_samples
    try:
        begin, end = (
            (0, operator.index(window.n_samples))
            if isinstance(window, RandomCrop)
            else map(operator.index, window)
        )
    except (TypeError, ValueError):  # not two values, or not integers
        begin, end = 0, 0
    if not 0 <= begin < end <= n_samples:
        raise ValueError(
            f"window is {window!r}; expected samples within 0 to {n_samples}, such as "
            f"(0, {n_samples}) or RandomCrop({n_samples // 2})"
        )
    return end - begin


def window_begins(
    window: Window, n_real_samples: IntArray, seeds: UInt64Array
) -> IntArray | None:
    """Return the first sample of each record's window; None if it is always 0.

    Parameters
    ----------
    window : tuple of int, RandomCrop or None
        The window.
    n_real_samples : ndarray of shape (n_records,)
        Number of samples of each record before the padding.
    seeds : ndarray of shape (n_records,)
        The records' seeds; see `RowBatch`.
    """
    if window is None:
        return None
    if not isinstance(window, RandomCrop):
        return np.full(len(seeds), window[0], np.int64)
    n_choices = np.maximum(n_real_samples - window.n_samples, 0) + 1
    drawn = mix(_CROP, seeds) % n_choices.astype(np.uint64)
    begins: IntArray = drawn.astype(np.int64)
    return begins


def marks_in_window(
    marks: NDArray[np.int16], begins: IntArray | None, n_window: int
) -> Int16Array:
    """Return marks as sample indices relative to the begin of each record's window.

    Parameters
    ----------
    marks : ndarray of shape (n_records, ...)
        Sample indices in the record, -1 where absent.
    begins : ndarray of shape (n_records,) or None
        First sample of each window.
    n_window : int
        Length of the windows.

    Returns
    -------
    ndarray of the same shape
        Every mark at its position in the array, -1 where it is absent or outside the
        window.
    """
    absent = marks.dtype.type(-1)
    if begins is not None:
        shape = (-1,) + (1,) * (marks.ndim - 1)
        first = begins.astype(marks.dtype).reshape(shape)
        marks = np.where(marks < 0, absent, marks - first)
    inside = (marks >= 0) & (marks < n_window)
    return np.where(inside, marks, absent)
