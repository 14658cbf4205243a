"""NeuroKit2 alone, as its users call it, and its names for what ecgstore computes."""

from typing import Final

import neurokit2
import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.beats.neurokit import delineation
from ecgstore.record import Mark

HRV_TIME: Final = {
    "mean_rr_ms": "MeanNN",
    "sdnn_ms": "SDNN",
    "rmssd_ms": "RMSSD",
    "sdsd_ms": "SDSD",
    "cvnn": "CVNN",
    "cvsd": "CVSD",
    "median_rr_ms": "MedianNN",
    "mad_rr_ms": "MadNN",
    "mcvnn": "MCVNN",
    "iqr_rr_ms": "IQRNN",
    "sdrmssd": "SDRMSSD",
    "prc20_rr_ms": "Prc20NN",
    "prc80_rr_ms": "Prc80NN",
    "pnn50": "pNN50",
    "pnn20": "pNN20",
    "min_rr_ms": "MinNN",
    "max_rr_ms": "MaxNN",
}
"""What `neurokit2.hrv_time` calls our RR features, after "HRV_"; it gives pNNx in %."""


def neurokit_peaks(lead: FloatArray, fs: float) -> FloatArray:
    """Return the R-peaks of a lead, as sample indices."""
    _, info = neurokit2.ecg_peaks(lead, sampling_rate=fs)
    return np.asarray(info["ECG_R_Peaks"], np.float64)


def neurokit_waves(
    lead: FloatArray, fs: float, r_peaks: FloatArray, method: str
) -> dict[Mark, FloatArray]:
    """Return NeuroKit2's marks of a lead, without the R-peaks that it is given.

    Parameters
    ----------
    lead : ndarray of shape (n_samples,)
        Voltages in mV, filtered.
    fs : float
        Sampling rate in Hz.
    r_peaks : ndarray of shape (n_beats,)
        What `neurokit_peaks` returned.
    method : str
        ``"dwt"`` (NeuroKit2's default) or ``"prominence"``.

    Returns
    -------
    dict
        Sample indices by mark, NaN where a beat lacks one.

    Raises
    ------
    Exception
        Of any kind: NeuroKit2 has no list of what it raises, as with one beat.
    """
    _, waves = neurokit2.ecg_delineate(
        lead, r_peaks.astype(np.int64), sampling_rate=fs, method=method
    )
    return {
        mark: np.array(waves[their_name], np.float64)
        for mark, their_name in delineation._NEUROKIT_NAMES.items()
    }
