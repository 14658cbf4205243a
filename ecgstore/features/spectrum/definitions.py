"""Definitions of the spectral features, and of those of f waves."""

from typing import Final

from ecgstore.arrays import FloatArray
from ecgstore.features.feature import Definition, FeatureGroup, Inputs, Needs
from ecgstore.features.spectrum.compute import (
    BANDS_HZ,
    SEGMENT_S,
    f_wave_features,
    spectral_features,
)

_WELCH: Final = "Welch 1967, IEEE Trans. Audio Electroacoust. 15:70"
_SLOCUM: Final = "Slocum et al. 1992, J. Electrocardiol. 25:1"
_BANDS: Final = (
    ("low", "0.5 <= f < 4 Hz"),
    ("middle", "4 <= f < 15 Hz"),
    ("high", "15 <= f <= 40 Hz"),
)
_SEGMENT: Final = Needs(duration_s=SEGMENT_S, above_hz=2 * BANDS_HZ[-1])
_SHORT: Final = (
    "the record is shorter than 4 s, its sampling rate is 80 Hz or less, or samples of "
    "the lead are missing"
)
_SHORT_OR_FLAT: Final = f"{_SHORT}, or the lead is flat"

# The order is that of the columns in `ecgstore.features.spectrum._kernels`.
_SPECTRAL: Final = (
    *(
        Definition(
            f"{name}_power_mv2",
            "mV^2",
            f"power at {band}",
            _WELCH,
            (0, 5),
            _SHORT,
            needs=_SEGMENT,
        )
        for name, band in _BANDS
    ),
    *(
        Definition(
            f"relative_{name}_power",
            "1",
            f"{name}_power / power at 0.5 to 40 Hz",
            _WELCH,
            (0, 1),
            _SHORT_OR_FLAT,
            needs=_SEGMENT,
        )
        for name, _ in _BANDS
    ),
    Definition(
        "spectral_entropy",
        "1",
        "-sum(p_f ln p_f) / ln(number of f), p_f = power at f / power at 0.5 to 40 Hz",
        "Inouye et al. 1991, Electroencephalogr. Clin. Neurophysiol. 79:204",
        (0, 1),
        _SHORT_OR_FLAT,
        needs=_SEGMENT,
    ),
    Definition(
        "dominant_frequency_hz",
        "Hz",
        "the frequency from 0.5 to 40 Hz with the most power",
        _WELCH,
        (0.5, 40),
        _SHORT_OR_FLAT,
        needs=_SEGMENT,
    ),
)

_NO_RESIDUAL: Final = (
    "there are fewer than 4 whole beats, less than 4 s from the first of them on, the "
    "sampling rate is 80 Hz or less, or samples of the lead are missing"
)
_NOTHING_LEFT: Final = f"{_NO_RESIDUAL}, or the residual is 0"

_F_WAVE: Final = (
    Definition(
        "f_wave_power_mv2",
        "mV^2",
        "power of the residual at 4 <= f < 9 Hz",
        _SLOCUM,
        (0, 1),
        _NO_RESIDUAL,
        needs=_SEGMENT,
    ),
    Definition(
        "relative_f_wave_power",
        "1",
        "f_wave_power / power of the residual at 1 to 40 Hz",
        _SLOCUM,
        (0, 1),
        _NOTHING_LEFT,
        needs=_SEGMENT,
    ),
    Definition(
        "f_wave_frequency_hz",
        "Hz",
        "the frequency from 4 to below 9 Hz at which the residual has the most power",
        "Holm et al. 1998, Cardiovasc. Res. 38:69",
        (4, 9),
        _NOTHING_LEFT,
        needs=_SEGMENT,
    ),
    Definition(
        "f_wave_concentration",
        "1",
        "power of the residual at 0.82 to 1.17 times f_wave_frequency / that at 1 to "
        "40 Hz",
        "Castells et al. 2005, IEEE Trans. Biomed. Eng. 52:258",
        (0, 1),
        _NOTHING_LEFT,
        needs=_SEGMENT,
    ),
)

_SPECTRAL_NOTES: Final = """\
The spectrum of a lead is estimated by Welch's method: the mean over Hann-windowed
segments of 4 s that overlap by half, each without its mean; the resolution is 0.25 Hz.
No beats are needed. The low band holds the baseline and the slowest waves, the middle
one T and P waves, and the high one the QRS complex.
"""

_F_WAVE_NOTES: Final = """\
Fibrillatory waves (f waves) are measured on the residual of a lead: the signal minus
the average beat, which is subtracted from every beat. A beat lasts from 0.25 s before
its R-peak (0.35 of the median RR interval, if that is less) to the beginning of the
next one. P waves are at a fixed distance from the R-peak, so they are removed with the
beats, and f waves remain. The average beat is as long as the median RR interval; in
longer beats, its last value is repeated. The spectrum of the residual is computed as
above. Ectopic beats leave residuals that are no f waves: see `n_ectopic`.
"""


def _measure_spectra(inputs: Inputs) -> FloatArray:
    """Measure the spectral features of the record and of each lead."""
    return spectral_features(inputs.signal, inputs.fs)


def _measure_f_waves(inputs: Inputs) -> FloatArray:
    """Measure the features of f waves of the record and of each lead."""
    return f_wave_features(inputs.signal, inputs.beats.r_peaks, inputs.fs)


SPECTRUM: Final = FeatureGroup(
    position=4,
    title="Spectrum",
    notes=_SPECTRAL_NOTES,
    definitions=_SPECTRAL,
    per_lead=True,
    measure=_measure_spectra,
    function="ecgstore.features.spectrum.compute.spectral_features",
)

F_WAVES: Final = FeatureGroup(
    position=5,
    title="Fibrillatory waves",
    notes=_F_WAVE_NOTES,
    definitions=_F_WAVE,
    per_lead=True,
    measure=_measure_f_waves,
    function="ecgstore.features.spectrum.compute.f_wave_features",
)

GROUPS: Final = (SPECTRUM, F_WAVES)
