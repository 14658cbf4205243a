"""The R-peak of every beat in a lead."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from ecgstore.beats.neurokit.r_peaks import lead_r_peaks, maxima_near

FS = 500.0


def test_a_lead_without_a_vote_keeps_its_r_peaks_in_the_order_of_the_beats() -> None:
    """Its highest sample near the beat lies behind its peak of the next beat."""
    beats = np.array([300, 700, 1100, 1500, 1600])
    peaks = np.array([335, 735, 1135, 1563])  # late by 35, but the last one early by 37
    lead = np.linspace(0, 1, 2000)
    r_peaks = lead_r_peaks(peaks, beats, lead, FS)
    # The window around 1500 is moved by 35 too, but ends halfway to the next beat.
    np.testing.assert_array_equal(r_peaks, [335, 735, 1135, 1549, 1563])


@pytest.mark.parametrize("peaks", [[0, 1999], []])
def test_r_peaks_stand_off_the_ends_of_the_record(peaks: list[int]) -> None:
    """NeuroKit2 has no room for a wave there, and marks at the ends are dropped."""
    lead = np.abs(np.linspace(-1, 1, 2000))  # highest at the ends
    beats = np.array([12, 1987])
    r_peaks = lead_r_peaks(np.array(peaks, int), beats, lead, FS)
    np.testing.assert_array_equal(r_peaks, [1, 1998])
    np.testing.assert_array_equal(maxima_near(beats, lead, FS), [1, 1998])


@given(st.integers(0, 2**32 - 1))
def test_r_peaks_of_a_lead_rise_with_the_beats(seed: int) -> None:
    rng = np.random.default_rng(seed)
    places = 20 + np.cumsum(rng.integers(100, 200, 20))
    beats = places[rng.random(20) < 0.8]
    shifted = places + rng.integers(-60, 61) + rng.integers(-20, 21, 20)
    peaks = shifted[(rng.random(20) < 0.7) & (shifted >= 0)]
    lead = rng.normal(0, 1, int(places[-1]) + 12)
    r_peaks = lead_r_peaks(peaks[peaks < len(lead)], beats, lead, FS)
    assert (np.diff(r_peaks) > 0).all()
    assert (np.abs(r_peaks - beats) < 50).all()
