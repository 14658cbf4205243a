"""Find beats and waves with one of the engines."""

from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.beats.types import Beats
from ecgstore.record import N_LEADS

ENGINES: Final = ("ecgstore", "neurokit")
"""What finds beats and waves; the first is the default."""


def find_beats(
    signal: FloatArray, fs: float, *, max_beats: int, engine: str = "ecgstore"
) -> Beats:
    """Find the beats of a record and delineate each of them in each lead.

    Parameters
    ----------
    signal : ndarray of shape (12, n_samples)
        Voltages in mV in the order of `LEADS`, band-pass filtered, real samples only
        (no padding). Anything else than voltages (NaN, infinities, constants) costs the
        leads that hold it, never raises.
    fs : float
        Sampling rate in Hz, at least 50.
    max_beats : int
        Number of beats to return at most; the first ones.
    engine : str
        One of `ENGINES`: ``"ecgstore"``, see `ecgstore.beats.unet.engine`, or
        ``"neurokit"``, see `ecgstore.beats.neurokit.engine`.

    Returns
    -------
    Beats
        The record's beats, their marks in every lead, and a status.

    Raises
    ------
    ValueError
        If the shape of the signal, the sampling rate or `max_beats` make no sense, or
        there is no such engine.
    """
    signal = np.asarray(signal, np.float64)
    if signal.ndim != 2 or len(signal) != N_LEADS:
        raise ValueError(
            f"signal has the shape {signal.shape}; expected ({N_LEADS}, n_samples)"
        )
    if not 50 <= fs < np.inf:
        raise ValueError(f"fs is {fs!r}; expected a sampling rate of at least 50 Hz")
    if max_beats < 1:
        raise ValueError(f"max_beats is {max_beats!r}; expected 1 or more")
    # Either engine loads a large library, and only the one in use shall.
    if engine == "ecgstore":
        from ecgstore.beats.unet import engine as delineator

        return delineator.find_beats(signal, fs, max_beats)
    if engine == "neurokit":
        from ecgstore.beats.neurokit import engine as neurokit

        return neurokit.find_beats(signal, fs, max_beats)
    raise ValueError(f"engine is {engine!r}; expected one of {', '.join(ENGINES)}")
