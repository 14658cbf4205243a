"""The contact sheet shows the worst records, with their marks, and says why."""

import itertools
import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes

import ecgstore
from ecgstore.arrays import FloatArray, IntArray
from ecgstore.errors import ConfigError, EcgStoreError
from ecgstore.plots import SheetPanel, contact_sheet, plot_worst, save
from ecgstore.plots.dataset.worst import (
    Suspicion,
    suspicions_of_marks,
    suspicions_of_quality,
    worst,
)
from ecgstore.record import LEADS, MARKS, Mark

FS = 500.0
N_SAMPLES = 5000


def some_marks(n_beats: int = 8) -> IntArray:
    """Return the marks of beats that all leads see at the same time."""
    starts = 300 + 500 * np.arange(n_beats)
    of_lead = starts[:, None] + 30 * np.arange(len(MARKS))
    return np.tile(of_lead, (len(LEADS), 1, 1))


def a_panel(title: str = "A1: noise", n_samples: int = N_SAMPLES) -> SheetPanel:
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(len(LEADS), n_samples))
    marks = some_marks()
    return SheetPanel(signal, FS, title, "50 years; AF", marks, marks[0, :, 4])


def drawn(axes: Axes, gid: str) -> tuple[FloatArray, FloatArray]:
    """Return x and y of what was drawn under a name."""
    (line,) = [each for each in axes.lines if each.get_gid() == gid]
    return np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)


def values_of(suspicions: list[Suspicion], part: str) -> list[float]:
    (found,) = [each for each in suspicions if part in each.text]
    values: list[float] = found.values.tolist()
    return values


# Drawing


def test_every_record_has_a_panel_that_says_why() -> None:
    titles = [f"A{k}: because of $_$ {k}" for k in range(7)]
    figure = contact_sheet([a_panel(each) for each in titles], title="costs $_$")
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
    marks = some_marks()
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


def test_what_cannot_be_drawn_is_refused() -> None:
    good = a_panel()
    with pytest.raises(ValueError, match="at least one record"):
        contact_sheet([])
    with pytest.raises(ValueError, match="expected one or more of I, II"):
        contact_sheet([good], leads=("X",))
    bad = SheetPanel(good.signal[:3], FS, "", "", good.marks, good.r_peaks)
    with pytest.raises(ValueError, match=r"signal has shape \(3, 5000\)"):
        contact_sheet([good, bad])
    bad = SheetPanel(good.signal, FS, "", "", good.marks[..., :5], good.r_peaks)
    with pytest.raises(ValueError, match=r"expected \(12, n_beats, 9\)"):
        contact_sheet([bad])


# Choosing


def test_suspicions_take_turns_and_each_record_comes_once() -> None:
    first = Suspicion("first {:.0f}", np.array([5.0, 4.0, 3.0, 0.0, np.nan]))
    second = Suspicion("second {:.0f}", np.array([9.0, np.nan, 1.0, 0.0, 0.0]))
    assert worst([first, second], 9) == [
        (0, "first 5"),
        (2, "second 1"),
        (1, "first 4"),
    ]
    assert worst([first, second], 1) == [(0, "first 5")]
    assert worst([], 3) == []


def test_agreement_is_not_suspicious() -> None:
    marks = np.stack([some_marks(), some_marks()])
    for each in suspicions_of_marks(marks, FS):
        assert not (each.values > 0).any(), each.text


def test_planted_disagreement_is_found() -> None:
    same = some_marks()
    apart = same.copy()
    apart[:4, :, Mark.T_OFF] += 50  # 100 ms late in a third of the leads
    one_lead = same.copy()
    one_lead[3, :, Mark.T_OFF] += 50  # in one, which does not count
    no_p = same.copy()
    no_p[:, ::2, : Mark.P_OFF + 1] = -1
    no_t = same.copy()
    no_t[:6, :, Mark.T_ON :] = -1
    no_qrs = same.copy()
    no_qrs[2, :4] = -1
    nothing = np.full_like(same, -1)
    records = np.stack([same, apart, one_lead, no_p, no_t, no_qrs, nothing])
    found = suspicions_of_marks(records, FS)
    assert values_of(found, "T ends")[:5] == [0, 100, 0, 0, 0]
    assert values_of(found, "P waves:")[:5] == [0, 0, 0, 0.5, 0]
    assert values_of(found, "no T wave")[4] == 0.5
    assert values_of(found, "no QRS")[5] == pytest.approx(4 / 96)
    assert values_of(found, "no beats") == [0, 0, 0, 0, 0, 0, 1]
    assert [place for place, _ in worst(found, 7)][:2] == [6, 1]


def test_marks_of_no_record_and_of_no_beat() -> None:
    for shape in ((0, 12, 5, 9), (2, 12, 0, 9)):
        for each in suspicions_of_marks(np.full(shape, -1), FS):
            assert each.values.shape == (shape[0],)


def test_bad_quality_is_found() -> None:
    names = ("flat_fraction", "clipped_fraction", "missing_fraction")
    quality: dict[str, FloatArray] = {name: np.zeros((3, 12)) for name in names}
    quality["psqi"] = np.full((3, 12), 0.8)
    quality["bassqi"] = np.full((3, 12), 0.9)
    quality["flat_fraction"][1, :3] = 1.0
    quality["psqi"][1, :3] = np.nan
    quality["clipped_fraction"][2, 4] = 0.25
    quality["missing_fraction"][0, 4] = np.nan
    quality["psqi"][2] = 0.1
    found = suspicions_of_quality(quality)
    assert values_of(found, "flat") == [0, 3, 0]
    assert values_of(found, "clipped") == [0, 0, 0.25]
    assert values_of(found, "missing") == [0, 0, 0]
    assert values_of(found, "noise") == pytest.approx([0.2, 0.2, 0.9])


# Of a store


def test_the_worst_of_a_store(sample_store: Path, tmp_path: Path) -> None:
    with ecgstore.open(sample_store) as store:
        figure = plot_worst(store, 5)
        save(figure, tmp_path / "worst.png")
        shown = [axes.get_title("left").partition(":")[0] for axes in figure.axes]
        assert len(set(shown)) == 5
        assert all(name in store for name in shown)
        of_af = plot_worst(store, 99, "af")
        assert "atrial fibrillation" in of_af.get_suptitle()
        for axes in of_af.axes:
            name = axes.get_title("left").partition(":")[0]
            assert "164889003" in store.records["dx"][name].split(",")
        with pytest.raises(ConfigError, match="nonsense"):
            plot_worst(store, 5, "nonsense")
        with pytest.raises(EcgStoreError, match="no records with 12345 to draw"):
            plot_worst(store, 5, "12345")


def test_a_store_without_beats_has_no_agreement(
    few_records: Path, tmp_path: Path
) -> None:
    path = tmp_path / "signals.h5"
    config = ecgstore.Config(beats="none")
    ecgstore.build_store([few_records], path, config, n_workers=1, quiet=True)
    with (
        ecgstore.open(path) as store,
        pytest.raises(EcgStoreError, match="--beats ecgstore"),
    ):
        plot_worst(store, 5)
