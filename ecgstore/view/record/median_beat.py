"""The median beat of each lead."""

from typing import Any, Final

import numpy as np

from ecgstore.arrays import IntArray
from ecgstore.record import MARKS
from ecgstore.storage import Store
from ecgstore.view.record.signal import (
    beats_of,
    real_samples,
    stored_window,
)

BEFORE_MS: Final = 400
AFTER_MS: Final = 600
"""Time before and after the R-peak: the P wave of a long PR interval, and a long QT."""

MOST_BEATS: Final = 500
"""Of more beats, as many as this are taken at equal distances."""

_LEAST_PART: Final = 0.5


def median_beat(store: Store, row: int) -> dict[str, Any]:
    """Return the median of a record's beats in each lead, aligned at their R-peaks.

    Beats count that are whole, that is from `BEFORE_MS` before their R-peak to
    `AFTER_MS` after it within the record. All leads are aligned at the R-peaks of the
    record, so that times can be compared between leads.

    Parameters
    ----------
    store : Store
        An open store.
    row : int
        Row of the record.

    Returns
    -------
    dict
        Sampling rate `fs`, `leads`, `before_ms`, `n_beats` of the record, `n_used` of
        them, `curves`: mV of each lead, NaN in those that the record lacks, empty if
        no beat is whole. `marks`: for each lead, by their names, the median times of
        the marks after the R-peak in ms, NaN for those that less than half of the
        beats have.
    """
    fs, r_peaks = store.fs, beats_of(store, row)
    before, after = round(BEFORE_MS * fs / 1000), round(AFTER_MS * fs / 1000)
    n_real = real_samples(store, row)
    whole = np.flatnonzero((r_peaks >= before) & (r_peaks + after < n_real))
    used = whole[_evenly(len(whole))]
    found: dict[str, Any] = {
        "fs": fs,
        "leads": list(store.leads),
        "before_ms": 1000 * before / fs,
        "n_beats": len(r_peaks),
        "n_used": len(used),
        "curves": [],
        "marks": [],
    }
    if not len(used):
        return found
    beats = np.stack(
        [
            stored_window(store, row, begin, begin + before + 1 + after)
            for begin in (r_peaks[used] - before).tolist()
        ]
    )  # (n_used, n_leads, n_samples)
    marks = store.fiducials([row])[0][:, used]
    return found | {
        "curves": np.median(beats, axis=0).tolist(),
        "marks": _marks_ms(marks, r_peaks[used], fs),
    }


def _evenly(n: int) -> IntArray:
    """Return the positions of at most `MOST_BEATS` of `n` beats.

    Examples
    --------
    >>> _evenly(3).tolist(), len(_evenly(10_000)), int(_evenly(10_000)[-1])
    ([0, 1, 2], 500, 9999)
    """
    return np.linspace(0, n - 1, min(n, MOST_BEATS)).round().astype(np.int64)


def _marks_ms(marks: IntArray, r_peaks: IntArray, fs: float) -> list[dict[str, float]]:
    """Return the median times of the marks of each lead after the R-peak in ms."""
    after_ms = 1000 * (marks - r_peaks[None, :, None]) / fs
    times = np.where(marks >= 0, after_ms, np.nan)
    enough = (marks >= 0).mean(axis=1) >= _LEAST_PART  # (n_leads, n_marks)
    of_leads = []
    for lead, lead_times in enumerate(times):
        medians = {
            name: float(np.nanmedian(lead_times[:, mark]))
            if enough[lead, mark]
            else float("nan")
            for mark, name in enumerate(MARKS)
        }
        of_leads.append(medians)
    return of_leads
