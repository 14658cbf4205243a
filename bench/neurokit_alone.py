"""NeuroKit2 alone, as its users call it, and its names for what ecgstore computes."""

from typing import Final

import neurokit2
import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.features import delineation
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


def neurokit_marks(
    lead: FloatArray, fs: float, *, cleaned: bool
) -> dict[Mark, FloatArray]:
    """Return NeuroKit2's marks of a lead with its own R-peaks; R-peaks if it fails.

    Parameters
    ----------
    lead : ndarray of shape (n_samples,)
        Voltages in mV: raw if `cleaned`, otherwise band-pass filtered.
    fs : float
        Sampling rate in Hz.
    cleaned : bool
        Whether `neurokit2.ecg_clean` filters the lead first.

    Returns
    -------
    dict
        Sample indices by mark, NaN where a beat lacks one.
    """
    if cleaned:
        lead = neurokit2.ecg_clean(lead, sampling_rate=fs)
    _, info = neurokit2.ecg_peaks(lead, sampling_rate=fs)
    r_peaks = info["ECG_R_Peaks"]
    marks = {Mark.R_PEAK: np.asarray(r_peaks, np.float64)}
    try:
        _, waves = neurokit2.ecg_delineate(
            lead, r_peaks, sampling_rate=fs, method="prominence"
        )
    except Exception:  # NeuroKit2 has no list of what it raises, as with one beat
        return marks
    return marks | {
        mark: np.array(waves[their_name], np.float64)
        for mark, their_name in delineation._NEUROKIT_NAMES.items()
    }
