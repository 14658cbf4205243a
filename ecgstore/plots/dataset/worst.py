"""Records with bad signals, or with leads whose marks disagree."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.errors import counted
from ecgstore.record import Mark

_OUTER: Final = 0.1
"""This fraction of the leads, on either side, does not count as disagreement."""

_MS_PER_S: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem that records may have.

    Attributes
    ----------
    text : callable
        Returns the words for a severity, such as ``"{:.0%} clipped".format``.
    severity : ndarray of shape (n_records,)
        How severe the problem is in each record; 0 or NaN in records without it.
    """

    text: Callable[[float], str]
    severity: FloatArray


def worst_records(problems: Sequence[Problem], n_records: int) -> list[tuple[int, str]]:
    """Select the worst records of every problem in turn.

    All problems are thus represented, and need no common scale.

    Parameters
    ----------
    problems : sequence of Problem
        Problems of the same records.
    n_records : int
        Maximum number of records to select.

    Returns
    -------
    list of (int, str)
        Position of each record, and the problem for which it was selected, in the order
        of selection.

    Examples
    --------
    >>> flat = Problem("{:.0%} flat".format, np.array([0.0, 0.5, 0.2]))
    >>> late = Problem("{:.0f} ms apart".format, np.array([40.0, 50.0, np.nan]))
    >>> worst_records([flat, late], 3)
    [(1, '50% flat'), (0, '40 ms apart'), (2, '20% flat')]
    """
    queues = []
    for problem in problems:
        order = np.argsort(-problem.severity, kind="stable")  # NaN comes last
        queues.append([int(k) for k in order if problem.severity[k] > 0][::-1])
    selected: dict[int, str] = {}
    while len(selected) < n_records and any(queues):
        for problem, queue in zip(problems, queues, strict=True):
            while queue and queue[-1] in selected:
                queue.pop()
            if queue and len(selected) < n_records:
                place = queue.pop()
                selected[place] = problem.text(problem.severity[place])
    return [*selected.items()]


def mark_problems(fiducials: IntArray, fs: float) -> list[Problem]:
    """Return the problems of marks: leads that disagree, or lack waves.

    Parameters
    ----------
    fiducials : ndarray of shape (n_records, 12, n_beats, 9)
        Sample indices of the marks, -1 where absent.
    fs : float
        Sampling rate in Hz.

    Returns
    -------
    list of Problem
        No beats; for ends and onsets of the waves, the spread over the leads in ms,
        without the outermost tenth of the leads on either side, median over the beats;
        the fraction of beats with or without a P wave, whichever is smaller; the
        fractions of all beats of all leads without a QRS complex and without a T wave.
    """
    r_peaks = fiducials[..., Mark.R_PEAK] >= 0  # (n_records, 12, n_beats)
    beats = r_peaks.any(axis=1)
    leads = r_peaks.any(axis=2)
    n_beats, n_all = beats.sum(axis=1), beats.sum(axis=1) * leads.sum(axis=1)
    p_waves = (fiducials[..., Mark.P_PEAK] >= 0).any(axis=1).sum(axis=1)
    t_waves = (fiducials[..., Mark.T_PEAK] >= 0).sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        p_part = p_waves / n_beats
        no_qrs = 1 - r_peaks.sum(axis=(1, 2)) / n_all
        no_t = 1 - t_waves / n_all
    minority = np.minimum(p_part, 1 - p_part)
    spreads = {
        "QRS ends": _spread_ms(fiducials[..., Mark.QRS_OFF], fs),
        "QRS onsets": _spread_ms(fiducials[..., Mark.QRS_ON], fs),
        "T ends": _spread_ms(fiducials[..., Mark.T_OFF], fs),
        "P onsets": _spread_ms(fiducials[..., Mark.P_ON], fs),
    }
    return [
        Problem("no beats".format, (n_beats == 0).astype(np.float64)),
        *(
            Problem(f"{name} of the leads {{:.0f}} ms apart".format, spread_ms)
            for name, spread_ms in spreads.items()
        ),
        Problem("P waves: {:.0%} of the beats unlike the others".format, minority),
        Problem("no QRS complex in {:.0%} of the leads' beats".format, no_qrs),
        Problem("no T wave in {:.0%} of the leads' beats".format, no_t),
    ]


def _spread_ms(places: IntArray, fs: float) -> FloatArray:
    """Return the spread of a mark over the leads in ms, median over the beats.

    `places` has shape (n_records, 12, n_beats).
    """
    among_leads = np.where(places >= 0, places, np.nan).swapaxes(1, 2)
    spread = _quantile(among_leads, 1 - _OUTER) - _quantile(among_leads, _OUTER)
    return _MS_PER_S * _quantile(spread, 0.5) / fs


def _quantile(values: FloatArray, part: float) -> FloatArray:
    """Return a quantile over the last axis, ignoring NaN; NaN without a number.

    It is one of the values: between two, the one farther from the median.
    `numpy.nanquantile` takes minutes for the many short rows of a large store.
    """
    in_order = np.sort(values, axis=-1)  # NaN comes last
    n = np.isfinite(in_order).sum(axis=-1, keepdims=True)
    place = part * np.maximum(n - 1, 0)
    outer = np.ceil(place) if part > 0.5 else np.floor(place)
    if not in_order.shape[-1]:
        return np.full(in_order.shape[:-1], np.nan)
    quantile: FloatArray = np.take_along_axis(in_order, outer.astype(np.int64), axis=-1)
    return quantile[..., 0]


def quality_problems(quality: Mapping[str, FloatArray]) -> list[Problem]:
    """Return the problems of signals.

    Parameters
    ----------
    quality : mapping of str to ndarray of shape (n_records, 12)
        Columns of ``/quality``: ``flat_fraction``, ``clipped_fraction``,
        ``missing_fraction``, ``psqi`` and ``bassqi``.

    Returns
    -------
    list of Problem
        The number of flat leads; muscle noise and baseline wander, median over the
        leads; the clipped and the missing fraction of the worst lead.
    """
    flat = (quality["flat_fraction"] > 0.5).sum(axis=1).astype(np.float64)
    noise = 1 - _quantile(quality["psqi"].astype(np.float64), 0.5)
    wander = 1 - _quantile(quality["bassqi"].astype(np.float64), 0.5)
    return [
        Problem(_flat_leads, flat),
        Problem("noise: {:.0%} of the power at 5-40 Hz is above 15 Hz".format, noise),
        Problem("baseline wander: {:.0%} of the power is below 1 Hz".format, wander),
        Problem("{:.0%} of a lead clipped".format, _most(quality["clipped_fraction"])),
        Problem("{:.1%} of a lead missing".format, _most(quality["missing_fraction"])),
    ]


def _flat_leads(number: float) -> str:
    """Return the number of flat leads in words."""
    return f"{counted(round(number), 'lead')} {'is' if number == 1 else 'are'} flat"


def _most(values: FloatArray) -> FloatArray:
    """Return the highest value among the leads, at least 0; NaN is ignored."""
    highest: FloatArray = np.fmax.reduce(values.astype(np.float64), axis=1, initial=0.0)
    return highest
