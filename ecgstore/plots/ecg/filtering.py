"""The effect of a filter on an ECG, in time and in frequency."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.signal import welch

from ecgstore.arrays import FloatArray, unmasked
from ecgstore.chosen_leads import lead_names
from ecgstore.plots.style.colours import BLUE, GREY, ORANGE
from ecgstore.plots.style.curves import centred
from ecgstore.record import LEADS
from ecgstore.system.visible import visible_lines

_LEAST_DENSITY: Final = (
    1e-9  # mV2/Hz; the rounding of 1 uV counts is of this size at 500 Hz
)
_SEGMENT_S: Final = 4.0
_SHOWN_S: Final = 10.0


def filter_effect(
    raw: FloatArray,
    filtered: FloatArray,
    fs: float,
    *,
    leads: Sequence[str] = ("I", "II", "V1", "V5"),
    of: Sequence[str] = LEADS,
    title: str = "",
    band: tuple[float, float] | None = None,
) -> Figure:
    """Plot some leads before and after filtering, with their spectra.

    There is a row for each lead: the first 10 s of both curves on the left, their power
    spectral densities (Welch's method, segments of 4 s, the whole recording) on the
    right. The raw curve is shown without its median, because a filtered curve is
    centred on 0 mV. Missing samples count as 0 mV in the spectra.

    Parameters
    ----------
    raw, filtered : ndarray of shape (n_leads, n_samples)
        Voltages in mV before and after, at the same sampling rate and without
        padding.
    fs : float
        Sampling rate in Hz.
    leads : sequence of str
        Names of the leads to show.
    of : sequence of str
        Names of the rows of the arrays.
    title : str
        Title of the figure.
    band : tuple of float, optional
        The edges of the pass-band in Hz, shown in the spectra.

    Returns
    -------
    Figure
        Two Axes for each lead: the curves, then the spectra.

    Raises
    ------
    ValueError
        If the arrays' shapes differ or are not (n_leads, n_samples), or if there is no
        lead of a name.
    """
    raw, filtered = unmasked(raw), unmasked(filtered)
    _check(raw, filtered, len(of))
    leads = lead_names(leads, of)
    figure = Figure(figsize=(12.0, 0.9 + 1.9 * len(leads)), dpi=150, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
    axes = figure.subplots(
        len(leads), 2, squeeze=False, sharex="col", width_ratios=(2.6, 1.0)
    )
    figure.suptitle(
        visible_lines(title), fontsize=13, fontweight="bold", parse_math=False
    )
    for (curves, spectra), name in zip(axes, leads, strict=True):
        before = centred(raw[of.index(name)])
        after = np.asarray(filtered[of.index(name)], dtype=np.float64)
        _draw_curves(curves, before, after, fs, name)
        _draw_spectra(spectra, before, after, fs, band)
    duration_s = raw.shape[1] / fs
    shown = (
        f", first {_SHOWN_S:g} s of {duration_s:g} s" if duration_s > _SHOWN_S else ""
    )
    axes[0, 0].set_title(f"mV{shown}", loc="left", fontsize=10)
    axes[0, 1].set_title("power spectral density, mV²/Hz", loc="left", fontsize=10)
    axes[-1, 0].set_xlabel("s")
    axes[-1, 1].set_xlabel("Hz")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    if band is not None:
        handles.append(axes[0, 1].patches[0])
        labels.append(f"pass-band, {band[0]:g} to {band[1]:g} Hz")
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=len(handles),
        frameon=False,
        fontsize=9,
    )
    return figure


def _check(raw: FloatArray, filtered: FloatArray, n_leads: int) -> None:
    """Refuse arrays of a wrong shape."""
    for name, array in (("raw", raw), ("filtered", filtered)):
        if array.ndim != 2 or len(array) != n_leads:
            raise ValueError(
                f"{name} has shape {array.shape}, expected ({n_leads}, n_samples)"
            )
    if raw.shape != filtered.shape:
        raise ValueError(
            f"raw has shape {raw.shape} and filtered {filtered.shape}; resample and "
            "cut both alike"
        )


def _draw_curves(
    axes: Axes, before: FloatArray, after: FloatArray, fs: float, name: str
) -> None:
    """Draw a lead before and after the filter, in the same Axes."""
    seconds = np.arange(min(len(before), int(_SHOWN_S * fs) + 1)) / fs
    for curve, colour, label in ((before, ORANGE, "raw"), (after, BLUE, "filtered")):
        axes.plot(
            seconds, curve[: len(seconds)], color=colour, linewidth=0.9, label=label
        )
    is_missing = len(after) > 0 and bool(np.isnan(after).all())
    axes.text(
        0.006,
        0.95,
        f"{name}: not recorded" if is_missing else name,
        transform=axes.transAxes,
        fontweight="bold",
        va="top",
        zorder=5,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5},
    )
    axes.margins(x=0.0)
    axes.grid(color=GREY, alpha=0.25, linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_spectra(
    axes: Axes,
    before: FloatArray,
    after: FloatArray,
    fs: float,
    band: tuple[float, float] | None,
) -> None:
    """Draw a lead's power spectral density before and after the filter."""
    if band is not None:
        axes.axvspan(*band, color=GREY, alpha=0.15, linewidth=0.0)
    for curve, colour in ((before, ORANGE), (after, BLUE)):
        frequency, density = _spectrum(curve, fs)
        axes.plot(frequency, density, color=colour, linewidth=0.9)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(1.0 / _SEGMENT_S, fs / 2)
    axes.set_ylim(bottom=_LEAST_DENSITY)
    axes.grid(color=GREY, alpha=0.25, linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_formatter("{x:g}")


def _spectrum(curve: FloatArray, fs: float) -> tuple[FloatArray, FloatArray]:
    """Return frequencies above 0 Hz and the power spectral density there."""
    curve = np.where(np.isfinite(curve), curve, 0.0)
    if len(curve) < 2:
        return np.empty(0), np.empty(0)
    frequency, density = welch(
        curve, fs, nperseg=min(len(curve), round(_SEGMENT_S * fs))
    )
    return frequency[1:], np.maximum(density[1:], _LEAST_DENSITY)
