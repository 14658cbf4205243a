"""Gaps are found, rejected and interpolated as defined."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from ecgstore.arrays import FloatArray
from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.signals.gaps import check_gaps, interpolate_gaps, whole_samples

SAMPLES = st.one_of(st.just(math.nan), st.floats(-5, 5, width=32))


def signals(max_samples: int) -> st.SearchStrategy[FloatArray]:
    """Draw small signals with missing samples."""
    shapes = st.tuples(st.just(12), st.integers(1, max_samples))
    return arrays(np.float64, shapes, elements=SAMPLES, fill=st.just(math.nan))


def plain_interpolation(lead: FloatArray, max_gap: int) -> FloatArray:
    """Fill gaps sample by sample, as the docstring of `interpolate_gaps` says."""
    valid = [i for i, value in enumerate(lead) if not math.isnan(value)]
    filled = lead.copy()
    for i in range(len(lead)):
        before = max((j for j in valid if j <= i), default=-1)
        after = min((j for j in valid if j >= i), default=len(lead))
        if before == after or not valid or after - before - 1 > max_gap:
            continue
        if before == -1:
            filled[i] = lead[after]
        elif after == len(lead):
            filled[i] = lead[before]
        else:
            share = (i - before) / (after - before)
            filled[i] = lead[before] + share * (lead[after] - lead[before])
    return filled


@settings(deadline=None)
@given(signals(30), st.integers(0, 8))
def test_gaps_are_filled_as_defined(signal: FloatArray, max_gap: int) -> None:
    original = signal.copy()
    filled = interpolate_gaps(signal, max_gap)
    assert_array_equal(signal, original)
    valid = ~np.isnan(signal)
    assert_array_equal(filled[valid], signal[valid])
    expected = [plain_interpolation(lead, max_gap) for lead in signal]
    assert_allclose(filled, expected, atol=1e-12)


@settings(deadline=None)
@given(signals(30), st.integers(0, 8))
def test_check_gaps_raises_exactly_if_a_sample_stays_missing(
    signal: FloatArray, max_gap: int
) -> None:
    remains = np.isnan(interpolate_gaps(signal, max_gap)).any()
    if not remains:
        check_gaps(signal, 100.0, max_gap / 100)
        return
    with pytest.raises(RecordError) as caught:
        check_gaps(signal, 100.0, max_gap / 100)
    all_missing = np.isnan(signal).all()
    expected = Reason.ALL_SAMPLES_MISSING if all_missing else Reason.GAP_TOO_LONG
    assert caught.value.reason == expected


def test_the_error_names_lead_gap_and_limit() -> None:
    signal = np.zeros((12, 1000))
    signal[8, 300:420] = np.nan
    with pytest.raises(RecordError, match=r"lead V3 misses 120 .*0\.24 s.* 100 "):
        check_gaps(signal, 500.0, 0.2)


@pytest.mark.parametrize(
    ("seconds", "fs", "expected"),
    [
        (0.2, 500.0, 100),
        (0.29, 100.0, 29),
        (10.0, 257.3, 2573),
        (0.0119, 100.0, 1),
        (0.0, 500.0, 0),
    ],
)
def test_whole_samples_rounds_down_despite_rounding_errors(
    seconds: float, fs: float, expected: int
) -> None:
    assert whole_samples(seconds, fs) == expected
