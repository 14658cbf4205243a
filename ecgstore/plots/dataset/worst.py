"""Which records to look at first: bad signals, and leads whose marks disagree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.record import Mark

_OUTER: Final = 0.1
"""This part of the leads, on either side, does not count as disagreement."""

_MS_PER_S: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Why records may be bad.

    Attributes
    ----------
    text : str
        What the value says, with a place for it, such as ``"{:.0%} clipped"``.
    values : ndarray of shape (n_records,)
        The higher, the worse; NaN and 0 are no reason.
    """

    text: str
    values: FloatArray


def worst(suspicions: Sequence[Suspicion], n_records: int) -> list[tuple[int, str]]:
    """Choose the worst records, the suspicions taking turns.

    So each kind of failure is seen, and none has to be weighed against another.

    Parameters
    ----------
    suspicions : sequence of Suspicion
        All about the same records.
    n_records : int
        How many to choose at most.

    Returns
    -------
    list of (int, str)
        Each record's position and why it was chosen, in the order of the choice.

    Examples
    --------
    >>> flat = Suspicion("{:.0f} flat leads", np.array([0.0, 3.0, 1.0]))
    >>> late = Suspicion("{:.0f} ms apart", np.array([40.0, 50.0, np.nan]))
    >>> worst([flat, late], 3)
    [(1, '3 flat leads'), (0, '40 ms apart'), (2, '1 flat leads')]
    """
    queues = []
    for each in suspicions:
        order = np.argsort(-each.values, kind="stable")  # NaN comes last
        queues.append([int(k) for k in order if each.values[k] > 0][::-1])
    chosen: dict[int, str] = {}
    while len(chosen) < n_records and any(queues):
        for each, queue in zip(suspicions, queues, strict=True):
            while queue and queue[-1] in chosen:
                queue.pop()
            if queue and len(chosen) < n_records:
                place = queue.pop()
                chosen[place] = each.text.format(each.values[place])
    return [*chosen.items()]


def suspicions_of_marks(fiducials: IntArray, fs: float) -> list[Suspicion]:
    """Return how little the leads of records agree on their marks.

    Parameters
    ----------
    fiducials : ndarray of shape (n_records, 12, n_beats, 9)
        Sample indices of the marks, -1 where absent.
    fs : float
        Sampling rate in Hz.

    Returns
    -------
    list of Suspicion
        No beats at all; for the QRS complex and for the T wave, how far the leads are
        apart, without the tenth of them that is out on either side, in ms, median of
        the beats; the part of the beats with or without a P wave, whatever is less; the
        part of all beats in all leads that lacks a QRS complex, and a T wave.
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
    ends = {
        "QRS ends": _apart(fiducials[..., Mark.QRS_OFF], fs),
        "QRS onsets": _apart(fiducials[..., Mark.QRS_ON], fs),
        "T ends": _apart(fiducials[..., Mark.T_OFF], fs),
        "P onsets": _apart(fiducials[..., Mark.P_ON], fs),
    }
    return [
        Suspicion("no beats", (n_beats == 0).astype(np.float64)),
        *(
            Suspicion(f"{name} of the leads {{:.0f}} ms apart", values)
            for name, values in ends.items()
        ),
        Suspicion("P waves: {:.0%} of the beats unlike the others", minority),
        Suspicion("no QRS complex in {:.0%} of the leads' beats", no_qrs),
        Suspicion("no T wave in {:.0%} of the leads' beats", no_t),
    ]


def _apart(places: IntArray, fs: float) -> FloatArray:
    """Return how far apart the leads mark a beat in ms, median of the beats.

    `places` has shape (n_records, 12, n_beats).
    """
    among_leads = np.where(places >= 0, places, np.nan).swapaxes(1, 2)
    spread = _quantile(among_leads, 1 - _OUTER) - _quantile(among_leads, _OUTER)
    return _MS_PER_S * _quantile(spread, 0.5) / fs


def _quantile(values: FloatArray, part: float) -> FloatArray:
    """Return a quantile of the last axis without its NaN; NaN of nothing.

    It is one of the values, the outer one of two: `numpy.nanquantile` takes minutes for
    as many short rows as a large store has.
    """
    in_order = np.sort(values, axis=-1)  # NaN comes last
    n = np.isfinite(in_order).sum(axis=-1, keepdims=True)
    place = part * np.maximum(n - 1, 0)
    outer = np.ceil(place) if part > 0.5 else np.floor(place)
    if not in_order.shape[-1]:
        return np.full(in_order.shape[:-1], np.nan)
    found: FloatArray = np.take_along_axis(in_order, outer.astype(np.int64), axis=-1)
    return found[..., 0]


def suspicions_of_quality(quality: Mapping[str, FloatArray]) -> list[Suspicion]:
    """Return how bad the signals of records are.

    Parameters
    ----------
    quality : mapping of str to ndarray of shape (n_records, 12)
        Columns of ``/quality``: ``flat_fraction``, ``clipped_fraction``,
        ``missing_fraction``, ``psqi`` and ``bassqi``.

    Returns
    -------
    list of Suspicion
        The number of flat leads; the clipped and the missing part of the worst lead;
        muscle noise and baseline wander in half of the leads.
    """
    flat = (quality["flat_fraction"] > 0.5).sum(axis=1).astype(np.float64)
    noise = 1 - _quantile(quality["psqi"].astype(np.float64), 0.5)
    wander = 1 - _quantile(quality["bassqi"].astype(np.float64), 0.5)
    return [
        Suspicion("{:.0f} leads are flat", flat),
        Suspicion("noise: {:.0%} of the power at 5-40 Hz is above 15 Hz", noise),
        Suspicion("baseline wander: {:.0%} of the power is below 1 Hz", wander),
        Suspicion("{:.0%} of a lead clipped", _most(quality["clipped_fraction"])),
        Suspicion("{:.1%} of a lead missing", _most(quality["missing_fraction"])),
    ]


def _most(values: FloatArray) -> FloatArray:
    """Return the highest value among the leads, 0 if there is none."""
    highest: FloatArray = np.fmax.reduce(values.astype(np.float64), axis=1, initial=0.0)
    return highest
