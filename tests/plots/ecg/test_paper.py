"""The clinical print: true to scale, complete, and legible."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.plots import ecg_paper, save
from ecgstore.record import LEADS
from ecgstore.sample import sample_folder
from tests.plots.ecg.drawn import (
    FS,
    N_SAMPLES,
    brackets,
    line,
    lines,
    only_axes,
    slopes,
    texts,
    xy,
)

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


def on_page_mm(figure: Figure, points: FloatArray) -> FloatArray:
    """Return where points of the data stand on the printed page, in mm."""
    pixels = only_axes(figure).transData.transform(points)
    return np.asarray(pixels / figure.dpi * 25.4)


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
            artist
            for artist in only_axes(figure).lines
            if artist.get_marker() == marker
        ]
        x = np.concatenate([xy(artist)[0] for artist in drawn])
        assert x == pytest.approx([left + sample / FS * 25])


def test_missing_samples_leave_a_gap(some_marks: IntArray) -> None:
    signal = slopes()
    signal[LEADS.index("II"), 100:200] = np.nan
    signal[LEADS.index("V1"), :] = np.nan
    signal[LEADS.index("V2"), 3000] = np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = ecg_paper(signal, FS, marks=some_marks, r_peaks=np.array([150, 400]))
        figure.draw_without_rendering()
    gaps = np.isnan(xy(line(figure, "lead-II"))[1])
    assert np.flatnonzero(gaps).tolist() == list(range(100, 200))
    assert np.isnan(xy(line(figure, "lead-V1"))[1]).all()
    assert np.isfinite(figure.get_size_inches()).all()


@pytest.mark.parametrize("n_samples", [0, 1, 2, 1251, 4999])
def test_any_length_can_be_drawn(
    some_marks: IntArray, n_samples: int, tmp_path: Path
) -> None:
    figure = ecg_paper(
        slopes(n_samples), FS, marks=some_marks, r_peaks=np.array([400, -1])
    )
    save(figure, tmp_path / "print.svg")


def test_the_caption_has_title_subtitle_and_filter() -> None:
    figure = ecg_paper(
        slopes(),
        FS,
        title="A0001 costs $_$",
        subtitle="woman, 56",
        filter_text="0.5-40 Hz",
    )
    figure.draw_without_rendering()  # "$" does not begin a formula
    written = texts(figure)
    assert "A0001 costs $_$" in written
    assert "woman, 56" in written
    (caption,) = [text for text in written if "mm/s" in text]
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


def test_no_text_is_written_over_another(some_marks: IntArray) -> None:
    signal, fs = read_sample("A0010")
    padded = np.zeros((12, N_SAMPLES))
    padded[:, : signal.shape[1]] = signal
    figure = ecg_paper(
        padded,
        fs,
        title="A0010",
        subtitle="82 years, male " * 20,
        filter_text="0.5-40 Hz",
        marks=some_marks,
        r_peaks=np.array([300]),
        n_real_samples=signal.shape[1],
    )
    figure.draw_without_rendering()
    assert_apart(
        np.array(
            [artist.get_window_extent().extents for artist in only_axes(figure).texts]
        )
    )


def assert_apart(boxes: FloatArray) -> None:
    """Fail if two boxes overlap; `boxes` is (n, 4): x0, y0, x1, y1."""
    before = np.any(boxes[:, None, 2:] <= boxes[None, :, :2], axis=-1)  # (n, n)
    assert np.all(before | before.T | np.eye(len(boxes), dtype=bool))


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


def test_arrays_are_left_alone(some_marks: IntArray) -> None:
    signal, marks, r_peaks = slopes(), some_marks, np.array([300])
    before = signal.copy(), marks.copy(), r_peaks.copy()
    ecg_paper(signal, FS, marks=marks, r_peaks=r_peaks)
    for array, copy in zip((signal, marks, r_peaks), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(
    "name", ["HR00001.png", "E00006.svg", "S0004.svg", "A0010.png", "Q0010.svg"]
)
def test_real_records_draw_without_a_warning(
    some_marks: IntArray, name: str, tmp_path: Path
) -> None:
    record_id = name.split(".")[0]
    signal, fs = read_sample(record_id)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = ecg_paper(signal, fs, title=record_id, marks=some_marks)
        save(figure, tmp_path / name)
