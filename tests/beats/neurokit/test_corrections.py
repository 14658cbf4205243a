"""Corrections of NeuroKit2's marks."""

import numpy as np
import pytest

from ecgstore.arrays import IntArray
from ecgstore.beats.neurokit.corrections import (
    drop_lone_p_waves,
    drop_narrow_waves,
    drop_out_of_order,
    widen_qrs,
)
from ecgstore.record import Mark

FS = 500.0


def marks_of_one(**places: int) -> IntArray:
    """Return the marks of a single beat, -1 where absent."""
    marks = np.full((1, len(Mark)), -1)
    for name, place in places.items():
        marks[0, Mark[name]] = place
    return marks


@pytest.mark.parametrize(
    ("own", "common", "expected"),
    [
        ({"QRS_ON": 100, "QRS_OFF": 150}, {"QRS_ON": 90, "QRS_OFF": 160}, (90, 160)),
        # never narrower
        ({"QRS_ON": 100, "QRS_OFF": 150}, {"QRS_ON": 105, "QRS_OFF": 145}, (100, 150)),
        # not into the P wave, nor into the T wave
        ({"P_OFF": 95, "QRS_ON": 100}, {"QRS_ON": 90}, (95, -1)),
        ({"QRS_OFF": 150, "T_ON": 155}, {"QRS_OFF": 160}, (-1, 155)),
        # beside a P wave that ends too late, or a T wave that begins too soon
        ({"P_OFF": 110, "QRS_ON": 100}, {"QRS_ON": 90}, (100, -1)),
        ({"QRS_OFF": 150, "T_ON": 140}, {"QRS_OFF": 160}, (-1, 160)),
        # what one of the two lacks
        ({}, {"QRS_ON": 90, "QRS_OFF": 160}, (-1, -1)),
        ({"QRS_ON": 100, "QRS_OFF": 150}, {}, (100, 150)),
    ],
)
def test_qrs_complexes_are_widened_up_to_their_neighbours(
    own: dict[str, int], common: dict[str, int], expected: tuple[int, int]
) -> None:
    marks = marks_of_one(**own)[None]
    widened = widen_qrs(marks, marks_of_one(**common))[0, 0]
    assert (widened[Mark.QRS_ON], widened[Mark.QRS_OFF]) == expected
    others = [mark for mark in Mark if mark not in (Mark.QRS_ON, Mark.QRS_OFF)]
    np.testing.assert_array_equal(widened[others], marks[0, 0, others])


@pytest.mark.parametrize(
    ("own", "kept"),
    [
        ((50, 80, 95), (50, 80, 95)),
        ((50, 94, 120), (50, 94, 100)),  # ends where the common complex begins
        ((50, 101, 110), (-1, -1, -1)),  # an r wave
        ((10, 49, 60), (-1, -1, -1)),  # 62 ms from the others
    ],
)
def test_a_p_wave_is_near_the_others_and_before_the_common_qrs_complex(
    own: tuple[int, int, int], kept: tuple[int, int, int]
) -> None:
    wave = [Mark.P_ON, Mark.P_PEAK, Mark.P_OFF]
    marks = np.full((12, 1, len(Mark)), -1)
    marks[:, 0, wave] = 50, 80, 95
    marks[6, 0, wave] = own
    agreed = drop_lone_p_waves(marks, marks_of_one(QRS_ON=100), FS)
    assert tuple(agreed[6, 0, wave]) == kept
    np.testing.assert_array_equal(np.delete(agreed, 6, 0), np.delete(marks, 6, 0))
    # Without a common complex, a P wave can only be far away.
    agreed = drop_lone_p_waves(marks, marks_of_one(), FS)
    assert tuple(agreed[6, 0, wave]) == ((-1, -1, -1) if own[1] == 49 else own)


@pytest.mark.parametrize(
    ("p_wave", "t_wave", "p_kept", "t_kept"),
    [
        ((50, 60, 70), (200, 215, 230), True, True),
        ((50, 60, 69), (200, 215, 229), False, False),  # 38 and 58 ms
        ((50, 50, 90), (200, 260, 260), False, False),  # a peak that is an end
        ((60, 60, 60), (200, 200, 200), False, False),
        ((-1, 60, 62), (200, 215, -1), True, True),  # an end is unknown
    ],
)
def test_waves_too_narrow_are_dropped(
    p_wave: tuple[int, int, int],
    t_wave: tuple[int, int, int],
    p_kept: bool,
    t_kept: bool,
) -> None:
    marks = marks_of_one(QRS_ON=100, R_PEAK=120, QRS_OFF=140)
    marks[0, Mark.P_ON : Mark.P_OFF + 1] = p_wave
    marks[0, Mark.T_ON : Mark.T_OFF + 1] = t_wave
    (got,) = drop_narrow_waves(marks, FS)
    p, qrs, t = got.reshape(3, 3).tolist()
    assert p == ([*p_wave] if p_kept else [-1, -1, -1])
    assert qrs == [100, 120, 140]
    assert t == ([*t_wave] if t_kept else [-1, t_wave[1], -1])


@pytest.mark.parametrize(
    ("own", "kept"),
    [
        # a QRS onset behind the R-peak, and one at the first sample
        ({"QRS_ON": 121, "R_PEAK": 120}, {"R_PEAK": 120}),
        ({"QRS_ON": 0, "R_PEAK": 120}, {"R_PEAK": 120}),
        # a P wave whose end is behind the QRS onset keeps its other marks
        (
            {"P_ON": 60, "P_PEAK": 80, "P_OFF": 115, "QRS_ON": 110, "R_PEAK": 120},
            {"P_ON": 60, "P_PEAK": 80, "QRS_ON": 110, "R_PEAK": 120},
        ),
        # without a peak, a wave has no ends
        (
            {"R_PEAK": 120, "T_ON": 180, "T_PEAK": 999, "T_OFF": 240},
            {"R_PEAK": 120},
        ),
    ],
)
def test_marks_out_of_order_are_dropped(
    own: dict[str, int], kept: dict[str, int]
) -> None:
    ordered = drop_out_of_order(marks_of_one(**own), 1000)
    np.testing.assert_array_equal(ordered, marks_of_one(**kept))
