"""Gains, shifts, lead dropout and time masks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from ecgstore.pipes import Gain, LeadDropout, TimeMask, TimeShift
from tests.pipes.transforms.random_batches import copy, make_batch, signals_of


def test_gain_is_one_factor_per_record() -> None:
    pool = make_batch(300, padded=False)
    result = Gain(factor=(0.5, 2.0), probability=1)(copy(pool))
    ratios = signals_of(result) / signals_of(pool)
    gains = ratios[:, 0, 0]
    np.testing.assert_allclose(
        ratios, np.broadcast_to(gains[:, None, None], ratios.shape), rtol=1e-6
    )
    assert stats.kstest(gains, stats.uniform(0.5, 1.5).cdf).pvalue > 0.001


def test_shift_moves_marks_with_the_signal() -> None:
    n_samples = 300
    pool = make_batch(200, 3, n_samples)
    assert pool.signals is not None
    assert pool.fiducials is not None
    pool.signals.zero_()
    values = pool.signals.numpy()
    marks = pool.fiducials[..., 4].numpy()
    for record, end in enumerate(pool.n_real_samples.tolist()):
        marks[record][marks[record] >= end] = -1
        for lead in range(3):
            for beat, mark in enumerate(marks[record, lead]):
                if mark >= 0:
                    values[record, lead, mark] = beat + 1
    before = copy(pool)
    result = TimeShift(max_shift_s=0.4, probability=1)(replace(pool, fs=250.0))
    assert result.fiducials is not None
    assert result.r_peaks is not None
    assert result.fiducials.dtype == torch.int16
    shifts = set()
    for record in range(len(pool)):
        old = before.fiducials[record].numpy()  # type: ignore[index]
        new = result.fiducials[record].numpy()
        kept = (old >= 0) & (new >= 0)
        if not kept.any():
            continue
        (shift,) = {int(difference) for difference in (new - old)[kept]}
        shifts.add(shift)
        moved = old + shift
        outside = (old < 0) | (moved < 0) | (moved >= n_samples)
        np.testing.assert_array_equal(new, np.where(outside, -1, moved))
        real = int(before.n_real_samples[record])
        expected_real = min(max(real + shift, 0), n_samples)
        assert int(result.n_real_samples[record]) == expected_real
        was = signals_of(before)[record]
        expected = np.zeros_like(was)
        for sample in range(n_samples):
            if 0 <= sample - shift < n_samples:
                expected[:, sample] = was[:, sample - shift]
        np.testing.assert_array_equal(signals_of(result)[record], expected)
        peaks = before.r_peaks[record].numpy() + shift  # type: ignore[index]
        gone = (peaks - shift < 0) | (peaks < 0) | (peaks >= n_samples)
        np.testing.assert_array_equal(
            result.r_peaks[record].numpy(), np.where(gone, -1, peaks)
        )
    assert min(shifts) < -80
    assert max(shifts) > 80
    assert min(shifts) >= -100
    assert max(shifts) <= 100


def test_shift_needs_no_marks_and_can_empty_a_window() -> None:
    pool = replace(make_batch(300, 1, 5), r_peaks=None, fiducials=None)
    result = TimeShift(max_shift_s=9.0, probability=1)(pool)
    assert result.r_peaks is None
    assert result.fiducials is None
    assert (signals_of(result) == 0).all(axis=(1, 2)).any()
    assert result.n_real_samples.min() == 0
    assert result.n_real_samples.max() == 5


@pytest.mark.parametrize("part", [0.0, 0.25, 1.0])
def test_whole_leads_are_dropped_and_one_is_kept(part: float) -> None:
    pool = make_batch(500, 12, 20, padded=False)
    before = signals_of(copy(pool))
    after = signals_of(LeadDropout(lead_probability=part, probability=1)(pool))
    gone = (after == 0).all(axis=2)
    np.testing.assert_array_equal(after, np.where(gone[..., None], 0, before))
    assert (gone.sum(axis=1) < 12).all()
    assert abs(gone.mean() - min(part, 11 / 12)) < 0.02
    if part == 1.0:
        assert len(set(np.nonzero(~gone)[1].tolist())) == 12  # any lead


def test_mask_is_one_segment_of_all_leads() -> None:
    pool = make_batch(300, 2, 1000, padded=False)
    before = signals_of(copy(pool))
    mask = TimeMask(duration_s=(0.1, 0.5), probability=1)
    after = signals_of(mask(pool))
    gone = (after == 0).all(axis=1)
    np.testing.assert_array_equal(after, np.where(gone[:, None], 0, before))
    lengths = gone.sum(axis=1)
    assert 50 <= lengths.min() < 60
    assert 240 < lengths.max() <= 250
    assert (np.abs(np.diff(gone.astype(int), axis=1)).sum(axis=1) <= 2).all()
    assert gone[:, :20].any()
    assert gone[:, -20:].any()
