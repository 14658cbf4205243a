"""Leads are scaled by the usual range around each time."""

import numpy as np
import pytest

from ecgstore.arrays import BoolArray, Float32Array
from ecgstore.beats.unet import _scaling_kernels as scaling
from ecgstore.beats.unet._network_kernels import STEP
from tests.beats.unet.kernels import assert_equals_python

HEIGHT, LIMIT = 4.0, 8.0


def beats(n: int, height: float = 1.0, seed: int = 0) -> Float32Array:
    """Return a pulse every second at 250 Hz, and a little noise."""
    rng = np.random.default_rng(seed)
    x = height * np.exp(-((((np.arange(n) + 125) % 250 - 125) / 5) ** 2))
    return (x + rng.normal(0, 0.01, n)).astype(np.float32)


def scaled(x: Float32Array, usable: BoolArray | None = None) -> Float32Array:
    row = x.copy()
    if usable is None:
        usable = np.ones(-(-len(x) // STEP), np.bool_)
    scaling.scale(row, usable, STEP, HEIGHT, LIMIT)
    return row


@pytest.mark.parametrize("n", [1, 2, 16, 130, 499, 500, 501, 2500, 10_000])
def test_every_length_is_scaled(n: int) -> None:
    row = scaled(beats(n))
    assert np.isfinite(row).all()
    if n >= 500:
        assert np.ptp(row) == pytest.approx(HEIGHT, rel=0.15)


@pytest.mark.parametrize("unit", [1e-6, 1e-3, 1e3, 1e6])
@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_neither_the_unit_nor_an_offset_matters(unit: float, offset: float) -> None:
    x = beats(2500)
    other = (unit * (x + np.float32(offset))).astype(np.float32)
    np.testing.assert_allclose(scaled(other), scaled(x), atol=2e-4)


def test_an_artefact_leaves_the_beats_around_it_as_they_are() -> None:
    x = beats(5000)
    without = scaled(x)
    x[2000:2050] += 50
    row = scaled(x)
    assert row[2000:2050].max() == LIMIT
    others = np.r_[0:1900, 2150:5000]
    np.testing.assert_allclose(row[others], without[others], atol=0.3)


def test_a_change_of_the_gain_is_followed() -> None:
    x = np.concatenate([beats(5000), beats(5000, 0.05, seed=1)])
    row = scaled(x)
    assert np.ptp(row[:3000]) == pytest.approx(HEIGHT, rel=0.1)
    assert np.ptp(row[7500:]) == pytest.approx(HEIGHT, rel=0.15)


def test_noise_in_a_pause_stays_small() -> None:
    x = np.concatenate([beats(5000), 0.001 * beats(5000), beats(5000)])
    assert np.ptp(scaled(x)[6500:8500]) < 0.1


def test_spans_that_are_not_usable_neither_count_nor_show() -> None:
    x = beats(4000)
    usable = np.ones(250, np.bool_)
    usable[:20] = usable[100:200] = False
    ruined = x.copy()
    for first, end in ((0, 320), (1600, 3200)):
        ruined[first:end] = 1000
    row = scaled(ruined, usable)
    np.testing.assert_allclose(row, scaled(x, usable), atol=1e-6)
    inside = row[1600:3200]
    np.testing.assert_allclose(np.diff(inside), np.diff(inside).mean(), atol=1e-6)
    assert (row[:320] == row[320]).all()


def test_without_any_usable_span_nothing_remains() -> None:
    assert not scaled(beats(1000), np.zeros(63, np.bool_)).any()


def test_equal_to_plain_python() -> None:
    for n in (40, 700):
        usable = np.random.default_rng(n).random(-(-n // STEP)) < 0.8
        assert_equals_python(scaling.scale, beats(n), usable, STEP, HEIGHT, LIMIT)
