"""Normal ranges belong to features, and lie within what is plausible."""

import math

import pytest

from ecgstore.features import FEATURES
from ecgstore.features.normal_ranges import NORMAL_RANGES, NormalRange


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
