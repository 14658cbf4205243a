"""Find beats and waves with one of the engines."""

import importlib
from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from ecgstore.arrays import unmasked
from ecgstore.beats.types import Beats
from ecgstore.chosen_leads import lead_names
from ecgstore.record import FRANK_LEADS, LEADS

ENGINES: Final = {
    "ecgstore": "ecgstore.beats.unet.engine",
    "neurokit": "ecgstore.beats.neurokit.engine",
}
"""The engines by name, the default first: modules with a function `find_beats`.

That function takes the checked `signal`, `fs`, `max_beats` and `leads` of `find_beats`
below, and returns the beats.
"""

BEATS_VERSION: Final = 3
"""Rises when an engine finds other beats or marks than before."""

MIN_FS: Final = 50.0
"""Lowest sampling rate in Hz."""

KNOWN_LEADS: Final = (*LEADS, *FRANK_LEADS)
"""Names of leads in which beats can be found."""


def find_beats(
    signal: ArrayLike,
    fs: float,
    *,
    leads: Iterable[str] = LEADS,
    max_beats: int | None = None,
    engine: str = "ecgstore",
) -> Beats:
    """Find the beats of a record and delineate each of them in each lead.

    Parameters
    ----------
    signal : array_like of shape (n_leads, n_samples)
        Voltages in mV, band-pass filtered, without padding; NaN or masked where a
        sample is missing. Leads that hold no voltages (NaN, infinities, a
        constant) are left out, without an error.
    fs : float
        Sampling rate in Hz, at least 50.
    leads : iterable of str
        Names of the rows of `signal`: any of the twelve leads and of Frank's X, Y and
        Z, in any order. The marks have the same order.
    max_beats : int, optional
        Maximum number of beats; the first ones are returned. All by default.
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
    ConfigError
        If a lead is unknown or given twice.

    Examples
    --------
    >>> from ecgstore.sample import sample_folder
    >>> from ecgstore.sources import read_record
    >>> record = read_record(sample_folder() / "ptb-xl" / "g1" / "HR00001.hea")
    >>> find_beats(record.signal[[6, 1]], record.fs, leads=["V1", "II"])
    <ecgstore.Beats: 11 beats, 192 marks, status ok>
    """
    names = lead_names(leads, KNOWN_LEADS)
    signal = unmasked(signal)  # converted piece by piece, if it is long
    if signal.ndim != 2 or len(signal) != len(names):
        raise ValueError(
            f"signal has the shape {signal.shape}; expected ({len(names)}, n_samples): "
            f"a row for each lead of {', '.join(names)}"
        )
    if not MIN_FS <= fs < np.inf:
        raise ValueError(
            f"fs is {fs!r}; expected a sampling rate of at least {MIN_FS:g} Hz"
        )
    if max_beats is not None and max_beats < 1:
        raise ValueError(f"max_beats is {max_beats!r}; expected 1 or more")
    if engine not in ENGINES:
        raise ValueError(f"engine is {engine!r}; expected one of {', '.join(ENGINES)}")
    # Imported on first use: each engine loads a large library.
    beats: Beats = importlib.import_module(ENGINES[engine]).find_beats(
        signal, fs, max_beats, names
    )
    return beats
