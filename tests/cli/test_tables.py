"""Estimates and their intervals as text."""

import pytest

from ecgstore.cli.tables import estimate_text


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        ((0.9123, 0.88, 0.94), "0.912 (0.880 to 0.940)"),
        ((1.0, -0.0, -0.0004), "1.000 (0.000 to 0.000)"),
        ((float("nan"),) * 3, "undefined"),
        ((0.5, float("nan"), float("nan")), "0.500 (no interval)"),
    ],
)
def test_an_estimate_is_written_with_its_interval(
    estimate: tuple[float, float, float], text: str
) -> None:
    assert estimate_text(*estimate) == text


def test_a_difference_has_a_sign() -> None:
    assert estimate_text(0.1, -0.2, 0.3, "+") == "+0.100 (-0.200 to +0.300)"
    assert estimate_text(-1e-5, -1e-5, 0.0, "+") == "+0.000 (+0.000 to +0.000)"
