"""The calibration error of perfect probabilities, against simulated records."""

import numpy as np
import pytest

from ecgstore.scores.calibration import bin_excess, calibration_error, chance_error


@pytest.mark.parametrize("n_records", [100, 667])
def test_perfect_probabilities_have_the_error_of_chance(n_records: int) -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.beta([0.3, 2.0, 0.5], [3.0, 2.0, 0.5], (n_records, 3))
    once = np.ones((n_records, 1))
    errors = [
        calibration_error(
            bin_excess(rng.random((n_records, 3)) < probabilities, probabilities, once)
        )[0]
        for _ in range(400)
    ]
    np.testing.assert_allclose(
        chance_error(probabilities), np.mean(errors, axis=0), rtol=0.08
    )


def test_certain_probabilities_have_none() -> None:
    certain = np.array([[0.0, 1.0], [1.0, 1.0]])
    np.testing.assert_array_equal(chance_error(certain), 0.0)
