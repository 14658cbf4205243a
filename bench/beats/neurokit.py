"""NeuroKit2 without ecgstore, called as users call it."""

import neurokit2
import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.beats.neurokit.delineation import NEUROKIT_NAMES
from ecgstore.record import Mark


def neurokit_peaks(lead: FloatArray, fs: float) -> FloatArray:
    """Return the R-peaks of a lead, as sample indices."""
    _, info = neurokit2.ecg_peaks(lead, sampling_rate=fs)
    return np.asarray(info["ECG_R_Peaks"], np.float64)


def neurokit_waves(
    lead: FloatArray, fs: float, r_peaks: FloatArray, method: str
) -> dict[Mark, FloatArray]:
    """Return the marks that NeuroKit2 detects around the R-peaks of a lead.

    Parameters
    ----------
    lead : ndarray of shape (n_samples,)
        Voltages in mV, filtered.
    fs : float
        Sampling rate in Hz.
    r_peaks : ndarray of shape (n_beats,)
        Result of `neurokit_peaks`.
    method : str
        ``"dwt"`` (NeuroKit2's default) or ``"prominence"``.

    Returns
    -------
    dict
        Sample indices by mark, NaN where a beat lacks one; R-peaks are not among them.

    Raises
    ------
    Exception
        Of any class: NeuroKit2 does not document its exceptions, for example with one
        beat.
    """
    _, waves = neurokit2.ecg_delineate(
        lead, r_peaks.astype(np.int64), sampling_rate=fs, method=method
    )
    return {
        mark: np.array(waves[name], np.float64) for mark, name in NEUROKIT_NAMES.items()
    }
