"""Curves without their median."""

import numpy as np

from ecgstore.plots.style.curves import centred


def test_centred_subtracts_the_median_and_makes_infinity_nan() -> None:
    np.testing.assert_array_equal(centred(np.array([3.0])), [0.0])
    np.testing.assert_array_equal(
        centred(np.array([1.0, np.nan, 2.0, 9.0, -np.inf])), [-1, np.nan, 0, 7, np.nan]
    )
    np.testing.assert_array_equal(centred(np.array([np.nan, np.inf])), [np.nan] * 2)
    assert centred(np.empty(0)).shape == (0,)
