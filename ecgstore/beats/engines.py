"""Find beats and waves with one of the engines."""

import importlib
from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.beats.types import Beats
from ecgstore.record import N_LEADS

ENGINES: Final = {
    "ecgstore": "ecgstore.beats.unet.engine",
    "neurokit": "ecgstore.beats.neurokit.engine",
}
"""The engines by name, the default first: modules with a function `find_beats`.

That function takes the checked `signal`, `fs` and `max_beats` of `find_beats` below,
and returns the beats.
"""


def find_beats(
    signal: FloatArray, fs: float, *, max_beats: int, engine: str = "ecgstore"
) -> Beats:
    """Find the beats of a record and delineate each of them in each lead.

    Parameters
    ----------
    signal : ndarray of shape (12, n_samples)
        Voltages in mV in the order of `LEADS`, band-pass filtered, without padding.
        Leads that hold no voltages (NaN, infinities, a constant) are left out, without
        an error.
    fs : float
        Sampling rate in Hz, at least 50.
    max_beats : int
        Maximum number of beats; the first ones are returned.
    engine : str
        One of `ENGINES`: ``"ecgstore"``, a small network, or ``"neurokit"``.

    Returns
    -------
    Beats
        The record's beats, their marks in every lead, and a status.

    Raises
    ------
    ValueError
        If the shape of the signal, the sampling rate, `max_beats` or the engine is
        invalid.
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
    if engine not in ENGINES:
        raise ValueError(f"engine is {engine!r}; expected one of {', '.join(ENGINES)}")
    # Imported on first use: each engine loads a large library.
    beats: Beats = importlib.import_module(ENGINES[engine]).find_beats(
        signal, fs, max_beats
    )
    return beats
