"""Before and after the filter."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecgstore.plots import filter_effect, save
from tests.plots.ecg.drawn import FS, N_SAMPLES, slopes, xy


def spectra_axes(figure: Figure) -> list[Axes]:
    return figure.axes[1::2]


def test_filter_effect_shows_both_curves_of_each_lead() -> None:
    raw = slopes() + 3.0
    filtered = slopes() * -0.5
    figure = filter_effect(raw, filtered, FS, leads=("I", "V6"), title="costs $_$")
    assert len(figure.axes) == 4
    figure.draw_without_rendering()  # "$" does not begin a formula
    for axes, lead in zip(figure.axes[0::2], (0, 11), strict=True):
        before, after = axes.lines
        assert (before.get_label(), after.get_label()) == ("raw", "filtered")
        median = np.median(raw[lead])
        np.testing.assert_allclose(xy(before)[1], raw[lead] - median)
        np.testing.assert_allclose(xy(after)[1], filtered[lead])
        np.testing.assert_allclose(xy(before)[0], np.arange(N_SAMPLES) / FS)
    assert [a.texts[0].get_text() for a in figure.axes[0::2]] == ["I", "V6"]


def test_filter_effect_spectrum_shows_where_the_power_is() -> None:
    seconds = np.arange(N_SAMPLES) / FS
    hum = np.sin(2 * np.pi * 50 * seconds)
    slow = np.sin(2 * np.pi * 5 * seconds)
    figure = filter_effect(
        np.tile(slow + hum, (12, 1)), np.tile(slow, (12, 1)), FS, band=(0.5, 40.0)
    )
    for axes in spectra_axes(figure):
        before, after = [xy(artist) for artist in axes.lines]
        for frequency, density in (before, after):
            assert density[np.searchsorted(frequency, 5.0)] > 0.1  # mV2/Hz
        at_50 = np.searchsorted(before[0], 50.0)
        assert before[1][at_50] > 0.1
        assert after[1][at_50] < 1e-6
        (band,) = axes.patches
        box = axes.transData.inverted().transform(
            band.get_transform().transform(band.get_path().vertices)
        )
        assert (box[:, 0].min(), box[:, 0].max()) == pytest.approx((0.5, 40.0))


def test_filter_effect_shows_at_most_10_s() -> None:
    figure = filter_effect(slopes(20_000, 1000.0), slopes(20_000, 1000.0), 1000.0)
    assert xy(figure.axes[0].lines[0])[0][-1] == pytest.approx(10.0)
    assert figure.axes[0].get_title("left") == "mV, first 10 s of 20 s"


@pytest.mark.parametrize("n_samples", [0, 1, 300])
def test_filter_effect_draws_flat_missing_and_short_leads(
    n_samples: int, tmp_path: Path
) -> None:
    raw = np.zeros((12, n_samples))
    raw[1] = np.nan
    raw[6, : n_samples // 2] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = filter_effect(
            raw, np.zeros_like(raw), FS, leads=("II", "V1"), band=(0.5, 40.0)
        )
        save(figure, tmp_path / "filter.svg")


def test_filter_effect_refuses_mismatched_signals() -> None:
    with pytest.raises(ValueError, match="resample and cut both alike"):
        filter_effect(slopes(), slopes(100), FS)
    with pytest.raises(ValueError, match=r"filtered has shape \(3, 5000\)"):
        filter_effect(slopes(), slopes()[:3], FS)
    with pytest.raises(ValueError, match="of I, II"):
        filter_effect(slopes(), slopes(), FS, leads=("II", "X"))
    with pytest.raises(ValueError, match="of I, II"):
        filter_effect(slopes(), slopes(), FS, leads=())
