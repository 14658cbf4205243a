"""Normal ranges belong to features, and lie within what is plausible."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from ecgstore.features import FEATURES
from ecgstore.features.normal_ranges import NORMAL_RANGES, NormalRange
from ecgstore.features.shown import value_text


def test_every_range_is_that_of_a_feature_and_has_a_source() -> None:
    plausible = {feature.name: feature.valid_range for feature in FEATURES}
    for name, normal in NORMAL_RANGES.items():
        low, high = plausible[name]
        limits = [limit for limit in (normal.low, normal.high) if limit is not None]
        assert limits, name
        assert limits == sorted(limits), name
        assert all(low <= limit <= high for limit in limits), name
        assert normal.source, name


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (120, 200, "120-200"),
        (-30, 90, "-30 to 90"),
        (None, 0.25, "to 0.25"),
        (60, None, "from 60"),
        (0, 0, "0"),
    ],
)
def test_a_range_says_on_which_side_a_value_is(
    low: float | None, high: float | None, text: str
) -> None:
    normal = NormalRange(low, high, "somebody")
    assert str(normal) == text
    assert normal.side(math.nan) == 0
    for limit, side in ((low, -1), (high, 1)):
        beyond = 1000 if side > 0 else -1000
        assert normal.side(beyond) == (0 if limit is None else side)
        if limit is not None:
            assert normal.side(limit) == 0


def test_limits_are_in_their_range_also_as_stored() -> None:
    """Features are stored in single precision."""
    for name, normal in NORMAL_RANGES.items():
        for limit in (normal.low, normal.high):
            if limit is not None:
                stored = float(np.float32(limit))
                assert normal.side(stored) == 0, name
                assert value_text(name, stored) == f"{limit:g}", name


@given(
    name=st.sampled_from([*NORMAL_RANGES]),
    share=st.floats(-0.01, 0.01, allow_subnormal=False),
)
def test_what_is_read_is_on_the_side_of_the_value(name: str, share: float) -> None:
    normal = NORMAL_RANGES[name]
    for limit in (normal.low, normal.high):
        if limit is not None:
            value = limit + share * (abs(limit) or 1)
            if value == limit or abs(value - limit) > 1e-5 * (abs(limit) or 1):
                shown = value_text(name, value)
                assert normal.side(float(shown)) == normal.side(value)


def test_large_values_have_all_their_digits() -> None:
    assert value_text("mean_rr_ms", 1012.34) == "1012"
    assert value_text("mean_rr_ms", 1000.2) == "1000.2"
    assert value_text("V1_r_amplitude_mv", -0.76543) == "-0.765"
    assert value_text("n_beats", 12.0) == "12"
