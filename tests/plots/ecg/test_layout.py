"""The layout of the clinical print."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from ecgstore.plots.ecg.layout import Trace, fit_rows, panels


@given(
    n_samples=st.integers(0, 12_000),
    fs=st.sampled_from([50.0, 100.0, 250.0, 257.0, 360.0, 500.0, 1000.0, 333.3]),
)
def test_panels_show_successive_samples_at_their_places(
    n_samples: int, fs: float
) -> None:
    for panel in panels(n_samples, fs):
        samples = panel.samples(n_samples, fs)
        assert np.all(np.diff(samples) == 1)
        assert len(samples) <= panel.width / 25 * fs + 1 + 1e-6
        if len(samples):
            assert samples[0] >= 0
            assert samples[-1] < n_samples
            x = panel.x(samples, fs)
            assert x[0] >= panel.left - 1e-6
            assert x[-1] <= panel.left + panel.width + 1e-6
        if n_samples >= 2.5 * fs:  # then no panel has room for another sample
            assert len(samples) > 2.5 * fs - 1 - 1e-6 or panel.row == 3
        if n_samples > 10 * fs:
            assert not panel.shifted


@given(
    highest=st.lists(st.floats(0, 40), min_size=4, max_size=4),
    lowest=st.lists(st.floats(-40, 0), min_size=4, max_size=4),
)
def test_rows_hold_their_signals_and_end_on_thick_lines(
    highest: list[float], lowest: list[float]
) -> None:
    traces = [
        Trace(panel, np.arange(2), panel.left + np.zeros(2), np.array([low, high]))
        for panel in panels(5000, 500.0)
        for low, high in [(lowest[panel.row], highest[panel.row])]
    ]
    rows = fit_rows(traces)
    assert rows.grid_height >= 165
    assert rows.page_height <= 45 + 4 * 80
    below = rows.page_height
    for row in range(4):
        assert rows.above[row] % 5 == rows.below[row] % 5 == 0
        assert rows.above[row] >= min(highest[row] * 10, 45)
        assert rows.below[row] >= min(-lowest[row] * 10, 35)
        assert rows.top(row) <= below
        below = rows.bottom(row)
    assert below == pytest.approx(21.0)
