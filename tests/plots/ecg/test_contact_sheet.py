"""The contact sheet draws records with their marks, and says why they are shown."""

import itertools
import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.plots import SheetPanel, contact_sheet, save
from ecgstore.record import LEADS, MARKS, Mark

FS = 500.0
N_SAMPLES = 5000


def beats_of_all_leads(n_beats: int = 8) -> IntArray:
    """Return the marks of beats at the same time in all leads."""
    starts = 300 + 500 * np.arange(n_beats)
    of_lead = starts[:, None] + 30 * np.arange(len(MARKS))
    return np.tile(of_lead, (len(LEADS), 1, 1))


def a_panel(title: str = "A1: noise", n_samples: int = N_SAMPLES) -> SheetPanel:
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(len(LEADS), n_samples))
    marks = beats_of_all_leads()
    return SheetPanel(signal, FS, title, "50 years; AF", marks, marks[0, :, 4])


def drawn(axes: Axes, gid: str) -> tuple[FloatArray, FloatArray]:
    """Return x and y of what was drawn under a name."""
    (line,) = [artist for artist in axes.lines if artist.get_gid() == gid]
    return np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)


def test_every_record_has_a_panel_with_its_reason() -> None:
    titles = [f"A{k}: because of $_$ {k}" for k in range(7)]
    figure = contact_sheet([a_panel(title) for title in titles], title="costs $_$")
    figure.draw_without_rendering()
    shown = [axes.get_title("left") for axes in figure.axes]
    assert shown == [f"{title}\n50 years; AF" for title in titles]
    assert all(text.get_text() != "" for text in figure.texts)


def test_the_waves_are_coloured_where_their_marks_are() -> None:
    panel = a_panel()
    (axes,) = contact_sheet([panel], leads=("V5",)).axes
    seconds, curve = drawn(axes, "lead-V5")
    np.testing.assert_allclose(np.diff(curve), np.diff(panel.signal[10]))
    for wave, on in (("P", Mark.P_ON), ("QRS", Mark.QRS_ON), ("T", Mark.T_ON)):
        x, y = drawn(axes, f"V5-{wave}")
        expected = np.zeros(N_SAMPLES, bool)
        for beat in panel.marks[10]:
            expected[beat[on] : beat[on + 2] + 1] = True
        np.testing.assert_array_equal(np.isfinite(y), expected)
        np.testing.assert_array_equal(y[expected], curve[expected])
        peaks, heights = drawn(axes, f"V5-{wave}-peak")
        np.testing.assert_allclose(peaks, panel.marks[10, :, on + 1] / FS)
        np.testing.assert_allclose(heights, curve[panel.marks[10, :, on + 1]])
        np.testing.assert_array_equal(x, seconds)
    np.testing.assert_allclose(drawn(axes, "beats")[0], panel.r_peaks / FS)
    assert (drawn(axes, "beats")[1] > curve.max()).all()


def test_absent_marks_are_not_drawn() -> None:
    marks = beats_of_all_leads()
    marks[:, 2, : Mark.P_OFF + 1] = -1
    marks[:, 3, [Mark.T_ON, Mark.T_OFF]] = -1
    panel = a_panel()
    panel = SheetPanel(panel.signal, FS, "A1", "", marks, np.array([460, -1]))
    (axes,) = contact_sheet([panel], leads=("II",)).axes
    assert len(drawn(axes, "II-P-peak")[0]) == 7
    assert len(drawn(axes, "II-T-peak")[0]) == 8
    shown = np.isfinite(drawn(axes, "II-T")[1]).sum()
    assert shown == 7 * 61
    assert len(drawn(axes, "beats")[0]) == 1


def test_the_leads_lie_below_each_other() -> None:
    (axes,) = contact_sheet([a_panel()], leads=("I", "V1", "V6")).axes
    heights = [drawn(axes, f"lead-{name}")[1] for name in ("I", "V1", "V6")]
    for upper, lower in itertools.pairwise(heights):
        assert upper.min() > lower.max()
    low, high = axes.get_ylim()
    assert low < heights[-1].min() < heights[0].max() < high


@pytest.mark.parametrize("n_samples", [0, 1, 300])
def test_bad_signals_can_be_drawn(n_samples: int, tmp_path: Path) -> None:
    signal = np.zeros((len(LEADS), n_samples))
    signal[1] = np.nan
    signal[6, : n_samples // 2] = np.inf
    panel = SheetPanel(
        signal, FS, "x" * 300, "", np.full((12, 1, 9), -1), np.empty(0, np.int64)
    )
    with warnings.catch_warnings(action="error"):
        save(contact_sheet([panel, panel]), tmp_path / "sheet.svg")


def test_panels_that_cannot_be_drawn_are_refused() -> None:
    good = a_panel()
    with pytest.raises(ValueError, match="at least one record"):
        contact_sheet([])
    with pytest.raises(ValueError, match="expected some of I, II"):
        contact_sheet([good], leads=("X",))
    bad = SheetPanel(good.signal[:3], FS, "", "", good.marks, good.r_peaks)
    with pytest.raises(ValueError, match=r"signal has shape \(3, 5000\)"):
        contact_sheet([good, bad])
    bad = SheetPanel(good.signal, FS, "", "", good.marks[..., :5], good.r_peaks)
    with pytest.raises(ValueError, match=r"expected \(12, n_beats, 9\)"):
        contact_sheet([bad])
