"""Marks on the clinical print."""

import numpy as np
import pytest

from ecgstore.arrays import IntArray
from ecgstore.plots import ecg_paper
from ecgstore.record import LEADS, MARKS
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


def test_marks_stand_on_the_curve_where_they_belong(some_marks: IntArray) -> None:
    marks = some_marks
    figure = ecg_paper(slopes(), FS, marks=marks)
    left = xy(line(figure, "rhythm-II"))[0][0]
    for lead, name in enumerate(LEADS):
        if name != "II":  # which is also in the rhythm strip, see the next test
            column = lead // 3
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


def test_marks_of_lead_ii_are_also_in_the_rhythm_strip(some_marks: IntArray) -> None:
    marks = some_marks
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


def test_marks_in_padding_are_left_out(some_marks: IntArray) -> None:
    figure = ecg_paper(slopes(), FS, marks=some_marks, n_real_samples=4000)
    for name in ("V4", "V5", "V6"):
        lead = LEADS.index(name)
        shown = some_marks[lead, :, MARKS.index("t_peak")]
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
    names = [artist for artist in axes.texts if artist.get_text() == "II"]
    strip = min(names, key=lambda artist: artist.get_position()[1])
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
    heights = [np.ptp(artist.get_segments()[0][:, 1]) for artist in (p_off, qrs_on)]
    assert heights[1] - heights[0] > 1.0  # mm
    assert p_off.get_zorder() > qrs_on.get_zorder()


def test_the_legend_is_there_when_there_are_marks(some_marks: IntArray) -> None:
    plain = texts(ecg_paper(slopes(), FS))
    marked = texts(ecg_paper(slopes(), FS, marks=some_marks))
    legend = {"P", "QRS", "T", "onset", "peak", "offset"}
    assert legend <= set(marked)
    assert not legend & set(plain)
