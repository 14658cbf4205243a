"""Plots are true to scale, show what they are given, and are written whole."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.errors import ConfigError, EcgStoreError
from ecgstore.plots import class_balance, ecg_paper, filter_effect, save
from ecgstore.plots.ecg.layout import PAGE_WIDTH, Trace, fit_rows, panels
from ecgstore.plots.style.curves import centred
from ecgstore.record import LEADS, MARKS
from ecgstore.sample import sample_folder

FS = 500.0
N_SAMPLES = 5000
COLUMNS = (
    ("I", "II", "III"),
    ("aVR", "aVL", "aVF"),
    ("V1", "V2", "V3"),
    ("V4", "V5", "V6"),
)


def read_sample(record_id: str) -> tuple[FloatArray, float]:
    """Return a real record in mV, (12, n_samples), and its sampling rate."""
    path = next(sample_folder().rglob(f"{record_id}.mat"))
    fs = float(path.with_suffix(".hea").read_text().split()[2])
    adc = np.fromfile(path, dtype="<i2", offset=24).reshape(-1, 12)
    return adc.T / 1000.0, fs


def slopes(n_samples: int = N_SAMPLES, fs: float = FS) -> FloatArray:
    """Return a signal that rises by a different number of mV/s in each lead."""
    rates = 0.02 * (np.arange(len(LEADS)) + 1)
    seconds: FloatArray = np.arange(n_samples) / fs
    return rates[:, None] * seconds


def only_axes(figure: Figure) -> Axes:
    (axes,) = figure.axes
    return axes


def line(figure: Figure, gid: str) -> Line2D:
    (found,) = [each for each in only_axes(figure).lines if each.get_gid() == gid]
    return found


def lines(figure: Figure, gid: str) -> list[Line2D]:
    return [each for each in only_axes(figure).lines if each.get_gid() == gid]


def brackets(figure: Figure, gid: str) -> list[LineCollection]:
    return [
        each
        for each in only_axes(figure).collections
        if isinstance(each, LineCollection) and each.get_gid() == gid
    ]


def xy(of: Line2D) -> tuple[FloatArray, FloatArray]:
    return np.asarray(of.get_xdata(), float), np.asarray(of.get_ydata(), float)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in only_axes(figure).texts]


def on_page_mm(figure: Figure, points: FloatArray) -> FloatArray:
    """Return where points of the data stand on the printed page, in mm."""
    pixels = only_axes(figure).transData.transform(points)
    return np.asarray(pixels / figure.dpi * 25.4)


# The clinical print


def test_the_print_is_true_to_scale() -> None:
    figure = ecg_paper(slopes(), FS)
    x, y = xy(line(figure, "rhythm-II"))
    corners = on_page_mm(figure, np.column_stack([x, y]))
    per_s = (corners[-1, 0] - corners[0, 0]) / ((N_SAMPLES - 1) / FS)
    assert per_s == pytest.approx(25.0, rel=1e-9)
    rise_mv = slopes()[1, -1] - slopes()[1, 0]
    assert (corners[-1, 1] - corners[0, 1]) / rise_mv == pytest.approx(10.0, rel=1e-9)


def test_the_page_is_a4_when_that_is_high_enough() -> None:
    figure = ecg_paper(slopes() * 0.1, FS)
    np.testing.assert_allclose(figure.get_size_inches() * 25.4, (297.0, 210.0))


@pytest.mark.parametrize("step", [1, 5])
def test_the_grid_is_in_mm(step: int) -> None:
    figure = ecg_paper(slopes(), FS)
    (grid,) = brackets(figure, f"grid-{step}-mm")
    ends = np.array(grid.get_segments())  # (n_lines, 2, 2)
    page = on_page_mm(figure, ends.reshape(-1, 2)).reshape(ends.shape)
    upright = page[np.isclose(page[:, 0, 0], page[:, 1, 0])]
    level = page[np.isclose(page[:, 0, 1], page[:, 1, 1])]
    assert len(upright) + len(level) == len(page)
    np.testing.assert_allclose(np.diff(upright[:, 0, 0]), step)
    np.testing.assert_allclose(np.diff(level[:, 0, 1]), step)


def test_traces_and_pulses_stand_on_thick_lines() -> None:
    figure = ecg_paper(slopes(), FS)
    (grid,) = brackets(figure, "grid-5-mm")
    ends = np.array(grid.get_segments())
    thick_y = ends[np.isclose(ends[:, 0, 1], ends[:, 1, 1]), 0, 1]
    thick_x = ends[np.isclose(ends[:, 0, 0], ends[:, 1, 0]), 0, 0]
    for pulse in lines(figure, "calibration"):
        assert np.min(np.abs(thick_y - xy(pulse)[1][0])) < 1e-9
    assert np.min(np.abs(thick_x - xy(line(figure, "lead-I"))[0][0])) < 1e-9


def test_the_calibration_pulse_is_1_mv_and_200_ms() -> None:
    figure = ecg_paper(slopes(), FS)
    pulses = lines(figure, "calibration")
    assert len(pulses) == 4
    for pulse in pulses:
        page = on_page_mm(figure, np.column_stack(xy(pulse)))
        assert np.ptp(page[:, 1]) == pytest.approx(10.0)
        high = page[np.isclose(page[:, 1], page[:, 1].max()), 0]
        assert np.ptp(high) == pytest.approx(5.0)
        assert (
            page[:, 0].max()
            < on_page_mm(figure, np.column_stack(xy(line(figure, "lead-I"))))[
                :, 0
            ].min()
        )


def test_every_lead_is_in_its_panel() -> None:
    figure = ecg_paper(slopes(), FS)
    left = xy(line(figure, "rhythm-II"))[0][0]
    heights = []
    for column, names in enumerate(COLUMNS):
        for name in names:
            x, y = xy(line(figure, f"lead-{name}"))
            assert x[0] == pytest.approx(left + column * 62.5)
            assert x[-1] == pytest.approx(left + min(column * 62.5 + 62.5, 249.95))
            mv_per_s = np.diff(y) / np.diff(x) * 25 / 10
            rate = 0.02 * (LEADS.index(name) + 1)
            np.testing.assert_allclose(mv_per_s, rate, rtol=1e-6)
        heights.append(
            [float(np.median(xy(line(figure, f"lead-{name}"))[1])) for name in names]
        )
    rows = np.array(heights)  # (4 columns, 3 rows)
    np.testing.assert_allclose(rows, np.broadcast_to(rows[0], rows.shape))
    strip = np.median(xy(line(figure, "rhythm-II"))[1])
    assert rows[0, 0] > rows[0, 1] > rows[0, 2] > strip


def test_every_lead_is_named_in_its_panel() -> None:
    figure = ecg_paper(slopes() * 0.1, FS)
    axes = only_axes(figure)
    named = [text for text in axes.texts if text.get_text() in LEADS]
    assert sorted(text.get_text() for text in named) == sorted([*LEADS, "II"])
    for name in set(LEADS) - {"II"}:
        (text,) = [text for text in named if text.get_text() == name]
        x, y = xy(line(figure, f"lead-{name}"))
        text_x, text_y = text.get_position()
        assert 0 < text_x - x[0] < 3
        assert 0 < text_y - np.median(y) < 15


def test_columns_follow_each_other_in_time() -> None:
    signal = np.tile(np.sin(np.arange(N_SAMPLES) / 37.0), (12, 1))
    figure = ecg_paper(signal, FS)
    for column, names in enumerate(COLUMNS):
        shown = signal[0, column * 1250 : column * 1250 + 1251]
        for name in names:
            y = xy(line(figure, f"lead-{name}"))[1] / 10
            np.testing.assert_allclose(y - np.median(y), shown - np.median(shown))


@given(
    n_samples=st.integers(0, 12_000),
    fs=st.sampled_from([50.0, 100.0, 250.0, 257.0, 360.0, 500.0, 1000.0, 333.3]),
)
def test_panels_show_successive_samples_at_their_places(
    n_samples: int, fs: float
) -> None:
    for panel in panels(n_samples, fs):
        samples = panel.samples(n_samples, fs)
        assert np.all(np.diff(samples) == 1)
        assert len(samples) <= panel.width / 25 * fs + 1 + 1e-6
        if len(samples):
            assert samples[0] >= 0
            assert samples[-1] < n_samples
            x = panel.x(samples, fs)
            assert x[0] >= panel.left - 1e-6
            assert x[-1] <= panel.left + panel.width + 1e-6
        if n_samples >= 2.5 * fs:  # then no panel has room for another sample
            assert len(samples) > 2.5 * fs - 1 - 1e-6 or panel.row == 3
        if n_samples > 10 * fs:
            assert not panel.shifted


@given(
    highest=st.lists(st.floats(0, 40), min_size=4, max_size=4),
    lowest=st.lists(st.floats(-40, 0), min_size=4, max_size=4),
)
def test_rows_hold_their_signals_and_end_on_thick_lines(
    highest: list[float], lowest: list[float]
) -> None:
    traces = [
        Trace(panel, np.arange(2), panel.left + np.zeros(2), np.array([low, high]))
        for panel in panels(5000, 500.0)
        for low, high in [(lowest[panel.row], highest[panel.row])]
    ]
    rows = fit_rows(traces)
    assert rows.grid_height >= 165
    assert rows.page_height <= 45 + 4 * 80
    below = rows.page_height
    for row in range(4):
        assert rows.above[row] % 5 == rows.below[row] % 5 == 0
        assert rows.above[row] >= min(highest[row] * 10, 45)
        assert rows.below[row] >= min(-lowest[row] * 10, 35)
        assert rows.top(row) <= below
        below = rows.bottom(row)
    assert below == pytest.approx(21.0)


def test_a_short_record_shows_every_lead_and_hatches_the_rest() -> None:
    n_real = 3500
    signal = slopes()
    signal[:, n_real:] = 0.0
    figure = ecg_paper(signal, FS, n_real_samples=n_real)
    for column, names in enumerate(COLUMNS):
        start = min(column * 1250, n_real - 1250)
        for name in names:
            y = xy(line(figure, f"lead-{name}"))[1] / 10
            shown = signal[LEADS.index(name), start : start + 1251][: n_real - start]
            np.testing.assert_allclose(y - y[0], shown - shown[0], atol=1e-9)
    assert texts(figure).count("4.5 s to 7 s") == 6
    x = xy(line(figure, "rhythm-II"))[0]
    assert len(x) == n_real
    (hatched,) = [p for p in only_axes(figure).patches if p.get_gid() == "no-signal"]
    assert isinstance(hatched, Rectangle)
    assert hatched.get_hatch()
    assert hatched.get_x() == pytest.approx(x[0] + 7.0 * 25)
    assert hatched.get_width() == pytest.approx(3.0 * 25)
    assert any("ends after 7 s, padding follows" in text for text in texts(figure))


def test_a_record_shorter_than_a_panel_is_hatched_everywhere() -> None:
    figure = ecg_paper(slopes(500), FS)
    hatched = [p for p in only_axes(figure).patches if p.get_gid() == "no-signal"]
    assert len(hatched) == 13
    for name in LEADS:
        assert len(xy(line(figure, f"lead-{name}"))[0]) == 500
    assert any("ends after 1 s, nothing follows" in text for text in texts(figure))


def test_a_whole_record_is_not_hatched() -> None:
    figure = ecg_paper(slopes(), FS, n_real_samples=N_SAMPLES)
    assert not [p for p in only_axes(figure).patches if p.get_gid() == "no-signal"]
    assert not any("ends after" in text for text in texts(figure))


def test_a_long_record_is_shown_for_10_s() -> None:
    figure = ecg_paper(slopes(20_000, 1000.0), 1000.0)
    x, _ = xy(line(figure, "rhythm-II"))
    assert x[-1] - x[0] == pytest.approx(250.0)
    assert "first 10 s of 20 s" in texts(figure)


def test_each_panel_is_centred_on_its_median() -> None:
    signal = slopes() * 0.01
    figure = ecg_paper(signal, FS)
    moved = ecg_paper(signal + np.linspace(-9, 9, 12)[:, None], FS)
    for name in LEADS:
        expected = xy(line(figure, f"lead-{name}"))[1]
        np.testing.assert_allclose(xy(line(moved, f"lead-{name}"))[1], expected)


def test_rows_grow_with_their_signals() -> None:
    signal = np.zeros((12, N_SAMPLES))
    signal[LEADS.index("V4"), 4000] = 3.5
    signal[LEADS.index("V2"), 3000] = -3.2
    figure = ecg_paper(signal, FS)
    assert figure.get_size_inches()[1] * 25.4 >= 210.0
    assert not any("cut off" in text for text in texts(figure))
    for name in ("V4", "V2"):
        trace = line(figure, f"lead-{name}")
        y = xy(trace)[1]
        box = on_page_box(figure, trace)
        assert box[0] < y.min()
        assert y.max() < box[1]


def on_page_box(figure: Figure, of: Line2D) -> tuple[float, float]:
    """Return the lower and upper edge of what a line is clipped to, in mm."""
    clip = of.get_clip_box()
    assert clip is not None
    heights = only_axes(figure).transData.inverted().transform(clip.corners())[:, 1]
    return float(heights.min()), float(heights.max())


def test_a_signal_too_high_for_any_row_is_cut_off_and_named() -> None:
    signal = np.zeros((12, N_SAMPLES))
    signal[LEADS.index("V5"), 4500:4510] = 30.0
    signal[LEADS.index("aVR"), 2000:2010] = -30.0
    figure = ecg_paper(signal, FS)
    (note,) = [text for text in texts(figure) if "cut off" in text]
    assert note.endswith(": aVR, V5")
    assert figure.get_size_inches()[1] * 25.4 <= 365.0
    boxes = {}
    for name in ("V5", "aVR", "II"):
        boxes[name] = on_page_box(figure, line(figure, f"lead-{name}"))
    assert boxes["V5"] == boxes["II"]  # one row
    assert boxes["aVR"][0] >= boxes["V5"][1] - 1e-9  # rows don't overlap
    left = xy(line(figure, "rhythm-II"))[0][0]
    for marker, sample in (("^", 4500), ("v", 2000)):
        drawn = [
            each for each in only_axes(figure).lines if each.get_marker() == marker
        ]
        x = np.concatenate([xy(each)[0] for each in drawn])
        assert x == pytest.approx([left + sample / FS * 25])


def test_missing_samples_leave_a_gap() -> None:
    signal = slopes()
    signal[LEADS.index("II"), 100:200] = np.nan
    signal[LEADS.index("V1"), :] = np.nan
    signal[LEADS.index("V2"), 3000] = np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = ecg_paper(signal, FS, marks=some_marks(), r_peaks=np.array([150, 400]))
        figure.draw_without_rendering()
    gaps = np.isnan(xy(line(figure, "lead-II"))[1])
    assert np.flatnonzero(gaps).tolist() == list(range(100, 200))
    assert np.isnan(xy(line(figure, "lead-V1"))[1]).all()
    assert np.isfinite(figure.get_size_inches()).all()


@pytest.mark.parametrize("n_samples", [0, 1, 2, 1251, 4999])
def test_any_length_can_be_drawn(n_samples: int, tmp_path: Path) -> None:
    figure = ecg_paper(
        slopes(n_samples), FS, marks=some_marks(), r_peaks=np.array([400, -1])
    )
    save(figure, tmp_path / "print.svg")


def some_marks() -> IntArray:
    """Return marks of one beat per column, different in each lead."""
    marks = np.full((12, 5, 9), -1)
    for column, names in enumerate(COLUMNS):
        for name in names:
            lead = LEADS.index(name)
            marks[lead, column] = column * 1250 + 300 + 5 * lead + 40 * np.arange(9)
    marks[LEADS.index("II"), 0, 0:3] = -1  # a beat without a P wave
    return marks


def test_marks_stand_on_the_curve_where_they_belong() -> None:
    marks = some_marks()
    figure = ecg_paper(slopes(), FS, marks=marks)
    left = xy(line(figure, "rhythm-II"))[0][0]
    for column, names in enumerate(COLUMNS):
        for name in names:
            if name == "II":
                continue  # also in the rhythm strip, see the next test
            lead = LEADS.index(name)
            curve_x, curve_y = xy(line(figure, f"lead-{name}"))
            for mark, sample in zip(MARKS, marks[lead, column], strict=True):
                wave, part = mark.split("_")
                wave = {"p": "P", "qrs": "QRS", "r": "QRS", "t": "T"}[wave]
                gid = f"{name}-{wave}-{part}"
                expected_x = left + sample / FS * 25
                expected_y = np.interp(expected_x, curve_x, curve_y)
                if part == "peak":
                    x, y = xy(line(figure, gid))
                    assert x == pytest.approx([expected_x])
                    assert y == pytest.approx([expected_y])
                    continue
                (bracket,) = brackets(figure, gid)
                (corners,) = np.array(bracket.get_segments())
                assert corners[1:3, 0] == pytest.approx([expected_x, expected_x])
                assert corners[:, 1].mean() == pytest.approx(expected_y)
                opens_right = corners[0, 0] > corners[1, 0]
                assert opens_right == (part == "on")


def test_marks_of_lead_ii_are_also_in_the_rhythm_strip() -> None:
    marks = some_marks()
    marks[LEADS.index("II"), 1] = 3000 + 40 * np.arange(9)
    figure = ecg_paper(slopes(), FS, marks=marks)
    left, strip = xy(line(figure, "rhythm-II"))
    panel, in_strip = lines(figure, "II-QRS-peak")
    first = marks[1, 0, MARKS.index("r_peak")]
    assert xy(panel)[0] == pytest.approx([left[0] + first / FS * 25])
    assert xy(in_strip)[0] == pytest.approx(left[0] + np.array([first, 3160]) / FS * 25)
    assert xy(in_strip)[1] == pytest.approx(strip[[first, 3160]])
    panel, in_strip = lines(figure, "II-P-peak")
    assert len(xy(panel)[0]) == 0  # absent marks are not drawn
    assert xy(in_strip)[0] == pytest.approx([left[0] + 3040 / FS * 25])


def test_marks_beyond_the_row_are_left_out() -> None:
    signal = np.zeros((12, N_SAMPLES))
    signal[0, 500] = 30.0
    marks = np.full((12, 1, 9), -1)
    marks[0, 0, MARKS.index("r_peak")] = 500
    figure = ecg_paper(signal, FS, marks=marks)
    assert len(xy(line(figure, "I-QRS-peak"))[0]) == 0


def test_marks_in_padding_are_left_out() -> None:
    figure = ecg_paper(slopes(), FS, marks=some_marks(), n_real_samples=4000)
    for name in ("V4", "V5", "V6"):
        lead = LEADS.index(name)
        shown = some_marks()[lead, :, MARKS.index("t_peak")]
        shown = shown[(shown >= 2750) & (shown < 4000)]
        assert len(xy(line(figure, f"{name}-T-peak"))[0]) == len(shown)


def test_beats_stand_above_the_rhythm_strip() -> None:
    r_peaks = np.array([0, 400, 1200, 4999, -1, -1])
    figure = ecg_paper(slopes(), FS, r_peaks=r_peaks)
    x, y = xy(line(figure, "r-peaks"))
    left, strip = xy(line(figure, "rhythm-II"))
    np.testing.assert_allclose(x, left[0] + r_peaks[:4] / FS * 25)
    assert y.min() > strip.max()
    assert "beat" in texts(figure)


@pytest.mark.parametrize("height", [0.5, 1.5, 3.0, 30.0])
def test_no_beat_is_hidden_by_the_name_of_the_strip(height: float) -> None:
    signal = np.zeros((12, N_SAMPLES))
    signal[:, 2000] = height
    figure = ecg_paper(signal, FS, r_peaks=np.array([5, 41, 2000]))
    figure.draw_without_rendering()
    axes = only_axes(figure)
    x, y = xy(line(figure, "r-peaks"))
    names = [each for each in axes.texts if each.get_text() == "II"]
    strip = min(names, key=lambda each: each.get_position()[1])
    box = strip.get_window_extent().transformed(axes.transData.inverted())
    below = box.y0 - y[:2]
    assert (x[:2] < box.x1).all()  # they would be hidden at its height
    assert (below > 0.6).all()  # half a triangle


def test_brackets_at_the_same_place_are_both_seen() -> None:
    marks = np.full((12, 1, 9), -1)
    marks[0, 0, [MARKS.index("p_off"), MARKS.index("qrs_on")]] = 500
    figure = ecg_paper(slopes(), FS, marks=marks)
    (p_off,) = brackets(figure, "I-P-off")
    (qrs_on,) = brackets(figure, "I-QRS-on")
    heights = [np.ptp(each.get_segments()[0][:, 1]) for each in (p_off, qrs_on)]
    assert heights[1] - heights[0] > 1.0  # mm
    assert p_off.get_zorder() > qrs_on.get_zorder()


def test_the_legend_is_there_when_there_are_marks() -> None:
    plain = texts(ecg_paper(slopes(), FS))
    marked = texts(ecg_paper(slopes(), FS, marks=some_marks()))
    legend = {"P", "QRS", "T", "onset", "peak", "offset"}
    assert legend <= set(marked)
    assert not legend & set(plain)


def test_the_caption() -> None:
    figure = ecg_paper(
        slopes(),
        FS,
        title="A0001 costs $_$",
        subtitle="woman, 56",
        filter_text="0.5-40 Hz",
    )
    figure.draw_without_rendering()  # "$" does not begin a formula
    found = texts(figure)
    assert "A0001 costs $_$" in found
    assert "woman, 56" in found
    (caption,) = [text for text in found if "mm/s" in text]
    assert caption.split("     ") == [
        "25 mm/s",
        "10 mm/mV",
        "filter 0.5-40 Hz",
        "sampled at 500 Hz",
    ]
    assert "filter" not in " ".join(texts(ecg_paper(slopes(), FS)))


@pytest.mark.parametrize("blank", [" ", ""])
def test_long_titles_stay_on_the_page(blank: str) -> None:
    title, subtitle = f"title{blank}" * 50, f"diagnosis,{blank}" * 80
    figure = ecg_paper(slopes(), FS, title=title, subtitle=subtitle)
    cut = [text for text in texts(figure) if text.endswith("…")]
    assert [text[:9] for text in cut] == [title[:9], subtitle[:9]]
    assert [text.count("\n") for text in cut] == [0, 1]
    figure.draw_without_rendering()
    page = figure.bbox
    for text in only_axes(figure).texts:
        box = text.get_window_extent()
        assert box.x0 >= 0, text
        assert box.x1 <= page.x1, text
        assert box.y1 <= page.y1, text


def test_no_text_is_written_over_another() -> None:
    signal, fs = read_sample("A0010")
    padded = np.zeros((12, N_SAMPLES))
    padded[:, : signal.shape[1]] = signal
    figure = ecg_paper(
        padded,
        fs,
        title="A0010",
        subtitle="82 years, male " * 20,
        filter_text="0.5-40 Hz",
        marks=some_marks(),
        r_peaks=np.array([300]),
        n_real_samples=signal.shape[1],
    )
    figure.draw_without_rendering()
    assert_apart(
        np.array([each.get_window_extent().extents for each in only_axes(figure).texts])
    )


def assert_apart(boxes: FloatArray) -> None:
    """Fail if two boxes overlap; `boxes` is (n, 4): x0, y0, x1, y1."""
    before = np.any(boxes[:, None, 2:] <= boxes[None, :, :2], axis=-1)  # (n, n)
    assert np.all(before | before.T | np.eye(len(boxes), dtype=bool))


def test_centred() -> None:
    np.testing.assert_array_equal(centred(np.array([3.0])), [0.0])
    np.testing.assert_array_equal(
        centred(np.array([1.0, np.nan, 2.0, 9.0, -np.inf])), [-1, np.nan, 0, 7, np.nan]
    )
    np.testing.assert_array_equal(centred(np.array([np.nan, np.inf])), [np.nan] * 2)
    assert centred(np.empty(0)).shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"signal": np.zeros((8, 100))}, r"shape \(8, 100\), expected \(12"),
        ({"signal": np.zeros(100)}, r"shape \(100,\), expected \(12"),
        ({"fs": 0.0}, "fs is 0.0"),
        ({"fs": float("nan")}, "fs is nan"),
        ({"marks": np.zeros((12, 3, 8), int)}, r"expected \(12, n_beats, 9\)"),
        ({"marks": np.zeros((12, 9), int)}, r"expected \(12, n_beats, 9\)"),
        ({"r_peaks": np.zeros((2, 2), int)}, r"expected \(n_beats,\)"),
        ({"n_real_samples": N_SAMPLES + 1}, "expected 0 to n_samples = 5000"),
        ({"n_real_samples": -1}, "expected 0 to n_samples = 5000"),
    ],
)
def test_wrong_arrays_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ecg_paper(**({"signal": slopes(), "fs": FS} | arguments))  # type: ignore[arg-type]


def test_arrays_are_left_alone() -> None:
    signal, marks, r_peaks = slopes(), some_marks(), np.array([300])
    before = signal.copy(), marks.copy(), r_peaks.copy()
    ecg_paper(signal, FS, marks=marks, r_peaks=r_peaks)
    for array, copy in zip((signal, marks, r_peaks), before, strict=True):
        np.testing.assert_array_equal(array, copy)


# Before and after the filter


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
        before, after = [xy(each) for each in axes.lines]
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
def test_filter_effect_of_flat_missing_and_short_leads(
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


def test_filter_effect_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="resample and cut both alike"):
        filter_effect(slopes(), slopes(100), FS)
    with pytest.raises(ValueError, match=r"filtered has shape \(3, 5000\)"):
        filter_effect(slopes(), slopes()[:3], FS)
    with pytest.raises(ValueError, match="expected one or more of I, II"):
        filter_effect(slopes(), slopes(), FS, leads=("II", "X"))
    with pytest.raises(ValueError, match="expected one or more of I, II"):
        filter_effect(slopes(), slopes(), FS, leads=())


# Classes


def balance(n_classes: int, n_sources: int) -> tuple[list[str], dict[str, list[int]]]:
    """Return class names and counts of very different size, zeros among them."""
    rng = np.random.default_rng(0)
    names = [f"some class of diagnosis {number}" for number in range(n_classes)]
    counts = {
        f"st_petersburg_incart_{source}": [
            int(10 ** rng.uniform(0, 4.5)) if rng.random() > 0.3 else 0 for _ in names
        ]
        for source in range(n_sources)
    }
    return names, counts


@pytest.mark.parametrize(("n_classes", "n_sources"), [(1, 1), (7, 5), (24, 6), (24, 9)])
def test_class_balance_draws_and_writes_every_number(
    n_classes: int, n_sources: int
) -> None:
    names, counts = balance(n_classes, n_sources)
    figure = class_balance(names, counts, title="costs $_$")
    figure.draw_without_rendering()
    bars, table = figure.axes
    widths = [[bar.get_width() for bar in group] for group in bars.containers]
    assert widths == list(counts.values())
    lefts = [[bar.get_x() for bar in group] for group in bars.containers]
    expected = np.cumsum([[0] * n_classes, *list(counts.values())[:-1]], axis=0)
    np.testing.assert_array_equal(lefts, expected)
    assert [label.get_text() for label in bars.get_yticklabels()] == names
    written = [text.get_text() for text in table.texts]
    for number in (n for each in counts.values() for n in each if n):
        assert f"{number:,}" in written
    for total in np.sum(list(counts.values()), axis=0):
        assert (f"{total:,}" if total else "\N{EN DASH}") in written
    assert [*counts, "total"] == written[: n_sources + 1]


@pytest.mark.parametrize(("n_classes", "n_sources"), [(1, 1), (7, 5), (24, 6)])
def test_class_balance_is_legible(n_classes: int, n_sources: int) -> None:
    names, counts = balance(n_classes, n_sources)
    counts["a source with a long name and a $_$"] = [123_456] * n_classes
    figure = class_balance(names, counts, title="classes")
    figure.draw_without_rendering()
    bars, table = figure.axes
    labels = [*figure.texts, *bars.get_yticklabels(), *table.texts]
    boxes = np.array([text.get_window_extent().extents for text in labels])
    assert boxes[:, :2].min() >= 0.0
    assert np.all(boxes[:, 2:] <= figure.bbox.size)
    level = boxes[[not text.get_rotation() for text in labels]]
    assert_apart(level)


def test_class_balance_sources_look_different() -> None:
    _, counts = balance(3, 9)
    figure = class_balance(["a", "b", "c"], counts)
    swatches = [p for p in figure.axes[1].patches if isinstance(p, Rectangle)]
    looks = [look(bar) for bar in (group[0] for group in figure.axes[0].containers)]
    assert len(set(looks)) == 9
    assert [look(p) for p in swatches if p.get_height() < 0.5] == looks


def look(patch: Patch) -> tuple[object, ...]:
    return (patch.get_facecolor(), patch.get_hatch())


def test_class_balance_refuses_holes() -> None:
    with pytest.raises(ValueError, match="0 classes"):
        class_balance([], {"ptb": []})
    with pytest.raises(ValueError, match="0 sources"):
        class_balance(["AF"], {})
    with pytest.raises(ValueError, match="source 'ptb' has 1 numbers, expected one"):
        class_balance(["AF", "MI"], {"ptb": [1]})


# Files


def small_figure() -> Figure:
    return class_balance(["AF", "MI"], {"ptb": [1, 2]})


def a_print() -> Figure:
    signal, fs = read_sample("HR00001")
    return ecg_paper(signal, fs, title="HR00001", r_peaks=np.array([100]))


@pytest.mark.parametrize("name", ["a.png", "a.svg", "A.PNG", "a.b.Svg"])
def test_save_writes_what_the_suffix_says(tmp_path: Path, name: str) -> None:
    save(small_figure(), tmp_path / name)
    content = (tmp_path / name).read_bytes()
    if name.lower().endswith("png"):
        assert content.startswith(b"\x89PNG\r\n")
    else:
        assert content.startswith(b"<?xml")
        assert b"<svg" in content
        assert content.rstrip().endswith(b"</svg>")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    save(small_figure(), str(tmp_path / name))  # over the first, from a str
    assert (tmp_path / name).read_bytes() == content


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_save_is_deterministic(tmp_path: Path, suffix: str) -> None:
    for number in range(2):
        save(a_print(), tmp_path / f"{number}{suffix}")
    first, second = ((tmp_path / f"{n}{suffix}").read_bytes() for n in range(2))
    assert first == second
    for word in (b"date", b"Matplotlib v", b"matplotlib.org"):
        assert word not in first


def test_plots_are_the_same_in_a_new_process_without_pyplot(tmp_path: Path) -> None:
    program = (
        "import sys, numpy as np; from ecgstore.plots import ecg_paper, save;"
        "figure = ecg_paper(np.arange(60_000).reshape(12, 5000) / 5000, 500.0);"
        "[save(figure, path) for path in sys.argv[1:]];"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    there = [tmp_path / "there.png", tmp_path / "there.svg"]
    out = subprocess.run(
        [sys.executable, "-c", program, *map(str, there)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MPLBACKEND": "", "DISPLAY": ""},
    )
    assert out.stdout.strip() == "False"
    figure = ecg_paper(np.arange(60_000).reshape(12, 5000) / 5000, FS)
    for path in there:
        save(figure, tmp_path / f"here{path.suffix}")
        assert path.read_bytes() == (tmp_path / f"here{path.suffix}").read_bytes()


def test_saved_prints_are_true_to_scale(tmp_path: Path) -> None:
    figure = ecg_paper(slopes(), FS)
    save(figure, tmp_path / "print.png")
    height_mm = figure.get_size_inches()[1] * 25.4
    image = imread(tmp_path / "print.png")
    assert image.shape[:2] == (round(height_mm * 10), round(PAGE_WIDTH * 10))
    save(figure, tmp_path / "print.svg")
    head = (tmp_path / "print.svg").read_text()[:2000]
    width_pt = float(head.split('width="')[1].split("pt")[0])
    assert width_pt / 72 * 25.4 == pytest.approx(PAGE_WIDTH, abs=0.01)


@pytest.mark.parametrize("name", ["a.pdf", "a", "a.png.txt", ".png"])
def test_save_refuses_other_suffixes(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"end the name in \.png or \.svg"):
        save(small_figure(), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_save_needs_the_folder(tmp_path: Path) -> None:
    with pytest.raises(EcgStoreError, match="plots does not exist; make it first"):
        save(small_figure(), tmp_path / "plots" / "a.png")


def test_save_to_a_folders_name_fails_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(EcgStoreError, match="cannot be written"):
        save(small_figure(), tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.svg"
    path.write_text("old")

    def fail(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("ecgstore.system.atomic_files.os.replace", fail)
        with pytest.raises(EcgStoreError, match="No space left on device"):
            save(small_figure(), path)
    broken = small_figure()
    with monkeypatch.context() as patched:
        patched.setattr(broken, "savefig", fail)
        with pytest.raises(EcgStoreError, match="No space left"):
            save(broken, path)
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.svg"]


def test_the_file_appears_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The only thing that ever happens to the final name is a rename onto it."""
    seen = []

    def watch(source: Path, target: Path) -> None:
        assert not target.exists()
        assert source.parent == target.parent
        seen.append(source.read_bytes())
        source.rename(target)

    monkeypatch.setattr("ecgstore.system.atomic_files.os.replace", watch)
    save(small_figure(), tmp_path / "a.png")
    assert seen == [(tmp_path / "a.png").read_bytes()]


def test_a_users_tight_boxes_do_not_change_the_scale(tmp_path: Path) -> None:
    import matplotlib as mpl

    with mpl.rc_context({"savefig.bbox": "tight", "savefig.dpi": 72.0}):
        save(ecg_paper(slopes(), FS), tmp_path / "print.png")
    assert imread(tmp_path / "print.png").shape[1] == 2970


# Real records


@pytest.mark.parametrize(
    "name", ["HR00001.png", "E00006.svg", "S0004.svg", "A0010.png", "Q0010.svg"]
)
def test_real_records_draw_without_a_warning(name: str, tmp_path: Path) -> None:
    record_id = name.split(".")[0]
    signal, fs = read_sample(record_id)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = ecg_paper(signal, fs, title=record_id, marks=some_marks())
        save(figure, tmp_path / name)
