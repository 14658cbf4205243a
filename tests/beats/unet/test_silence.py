"""Leads that are silent for part of a record: printed layouts, lost electrodes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ecgstore.arrays import BoolArray, FloatArray, IntArray
from ecgstore.beats import Beats, BeatStatus, find_beats
from ecgstore.beats.unet import _silence_kernels as kernels
from ecgstore.beats.unet._network_kernels import STEP
from ecgstore.beats.unet.inputs import NETWORK_HZ, network_input
from ecgstore.beats.unet.silence import silent_spans
from ecgstore.record import LEADS, Mark
from ecgstore.sample import sample_folder
from ecgstore.signals.preprocess import bandpass
from ecgstore.sources import read_record

FS = 500.0
SPAN_S = 0.064
RHYTHM_STRIP = LEADS.index("II")


def as_printed(signal: FloatArray, fs: float) -> FloatArray:
    """Return a record of 10 s in the usual layout of paper, digitised.

    Each column of three leads shows 2.5 s, zero elsewhere, and lead II all 10 s.
    """
    printed = np.zeros_like(signal)
    for lead in range(12):
        begin = round(2.5 * (lead // 3) * fs)
        printed[lead, begin : begin + round(2.5 * fs)] = signal[
            lead, begin : begin + round(2.5 * fs)
        ]
    printed[RHYTHM_STRIP] = signal[RHYTHM_STRIP]
    return printed


def shown_in_print() -> BoolArray:
    """Return which leads show which column, of shape (12, 4)."""
    shown: BoolArray = np.arange(12)[:, None] // 3 == np.arange(4)
    shown[RHYTHM_STRIP] = True
    return shown


def filtered(signal: FloatArray) -> FloatArray:
    """Return a signal as in a store: filtered, and rounded to 1 uV."""
    return np.round(bandpass(signal, FS, 0.5, 40.0, 3), 3)


def raw_records() -> Iterator[FloatArray]:
    """Yield the first 10 s of records of the bundled sample at 500 Hz."""
    for header in sorted(sample_folder().rglob("*.hea"))[::3]:
        record = read_record(header)
        if record.fs == FS:
            yield record.signal[:, :5000]


def found_in(r_peaks: IntArray, beats: Beats, within: int) -> BoolArray:
    """Return which R-peaks have a beat within some samples."""
    if not len(beats.r_peaks):
        return np.zeros(len(r_peaks), np.bool_)
    distance = np.abs(np.subtract.outer(r_peaks, beats.r_peaks))
    found: BoolArray = distance.min(axis=1) <= within
    return found


@pytest.mark.parametrize("raw", [False, True])
def test_a_printed_layout_has_the_beats_of_the_record(raw: bool) -> None:
    n_beats = n_near = n_lost = n_invented = 0
    for signal in raw_records():
        of_print = as_printed(signal, FS)
        full = find_beats(filtered(signal), FS)
        beats = find_beats(of_print if raw else filtered(of_print), FS)
        n_beats += len(full.r_peaks)
        n_near += int(found_in(full.r_peaks, beats, 25).sum())
        n_lost += int((~found_in(full.r_peaks, beats, 75)).sum())
        n_invented += int((~found_in(beats.r_peaks, full, 75)).sum())
        assert_silent_leads_have_no_marks(beats)
    assert n_beats > 100
    assert n_near >= 0.97 * n_beats  # the R-peak of one lead may lie elsewhere
    assert n_lost <= 0.01 * n_beats
    assert n_invented <= 0.01 * n_beats


def assert_silent_leads_have_no_marks(beats: Beats) -> None:
    """Assert that marks lie in the columns of their leads, and most beats have some."""
    for lead, column in enumerate(shown_in_print()):
        marks = beats.fiducials[lead]
        times = marks[marks >= 0] / FS
        assert column[np.minimum((times / 2.5).astype(int), 3)].all()
    inner = (beats.r_peaks / FS % 2.5 > 0.5) & (beats.r_peaks / FS % 2.5 < 2.0)
    n_leads = (beats.fiducials[..., Mark.R_PEAK] >= 0).sum(axis=0)
    assert (n_leads[inner] >= 3).all()


def test_published_cases_of_a_printed_layout(shared_data: Path) -> None:
    cases = shared_data.parent / "cases" / "silent-leads"
    if not cases.is_dir():
        pytest.skip(f"{cases} is not there")
    for header in sorted((cases / "full").glob("*.hea")):
        full = find_beats(filtered(read_record(header).signal), FS)
        printed = read_record(cases / "grid" / header.name)
        beats = find_beats(filtered(printed.signal), FS)
        assert found_in(full.r_peaks, beats, 25).sum() >= len(full.r_peaks) - 3
        assert found_in(beats.r_peaks, full, 25).all()


@pytest.mark.parametrize("how", ["zero", "constant", "nan"])
@pytest.mark.parametrize("n_silent", [7, 11])
def test_leads_that_fall_silent_lose_no_beats(how: str, n_silent: int) -> None:
    for signal in list(raw_records())[:4]:
        full = find_beats(filtered(signal), FS)
        cut = filtered(signal) if how == "nan" else signal.copy()
        cut[:n_silent, 2500:] = {"zero": 0.0, "constant": 0.8, "nan": np.nan}[how]
        beats = find_beats(cut if how == "nan" else filtered(cut), FS)
        inner = (full.r_peaks > 100) & (full.r_peaks < 4900)
        assert found_in(full.r_peaks[inner], beats, 25).mean() > 0.9
        assert found_in(beats.r_peaks, full, 75).all()
        marks = beats.fiducials[:n_silent]
        assert marks.max() < 2500
        assert (marks >= 0).any(axis=(1, 2)).all()


def test_a_gap_is_no_part_of_a_lead() -> None:
    """What lies behind it keeps its marks."""
    signal = filtered(next(raw_records()))
    expected = find_beats(signal, FS)
    gap = signal.copy()
    r = int(expected.r_peaks[4])
    gap[3, r - 80 : r + 80] = np.nan
    beats = find_beats(gap, FS)
    np.testing.assert_allclose(beats.r_peaks, expected.r_peaks, atol=3)
    has_r = beats.fiducials[3, :, Mark.R_PEAK] >= 0
    assert np.flatnonzero(~has_r).tolist() == [4]
    own = beats.fiducials[3]
    assert ((own < r - 80) | (own >= r + 80)).all()


@pytest.mark.parametrize("fs", [100.0, 250.0, 360.0, 500.0, 1000.0])
def test_no_span_of_the_input_is_made_of_missing_samples(fs: float) -> None:
    """Wherever in a span the gap begins and ends."""
    whole = np.random.default_rng(7).normal(size=(2, round(8 * fs)))
    place = np.arange(round(8 * NETWORK_HZ)) * fs / NETWORK_HZ
    place = place[place <= whole.shape[1] - 1]
    before = np.floor(place + 1e-9).astype(int)
    behind = np.ceil(place - 1e-9).astype(int)
    for shift in range(round(2 * SPAN_S * fs)):
        signal = whole.copy()
        begin = round(3 * fs) + shift
        signal[1, begin : begin + round(0.9 * fs)] = np.nan
        missing = np.isnan(signal[1])
        record = network_input(signal, fs)
        assert record is not None
        made = np.flatnonzero(missing[before] | missing[behind])
        spans = np.unique(made // STEP)
        assert not record.usable[1, spans].any()
        assert record.usable[1, : spans[0] - 1].all()
        assert record.usable[1, spans[-1] + 2 :].all()
        assert record.usable[0].all()


def test_no_real_lead_is_silent(shared_data: Path) -> None:
    """So their beats are the same as without this rule."""
    headers = sorted((shared_data / "challenge-2020").rglob("*.hea"))[::40]
    for header in headers:
        record = read_record(header, max_samples=5000)
        signal = np.round(bandpass(record.signal, record.fs, 0.5, 40.0, 3), 3)
        usual = signal[:, :: round(record.fs / 250)]
        assert not silent_spans(usual.astype(np.float32)).any()


def test_a_pause_of_the_heart_is_no_silence() -> None:
    """All leads are flat together, to the last sample before the next beat."""
    x = np.zeros((12, 2500), np.float32)
    x[:, 200:210] = 1.0
    x[:, 2200:2210] = 1.0
    assert not silent_spans(x).any()
    x[0, 1000:1010] = 1.0  # a beat in one lead
    silent = silent_spans(x)
    assert silent[1:, 1000 // 16].all()
    assert not silent[0].any()


def test_records_without_usable_leads_have_no_beats() -> None:
    signal = np.full((12, 5000), np.nan)
    signal[:, :200] = filtered(next(raw_records()))[:, :200]  # 0.4 s
    beats = find_beats(signal, FS)
    assert beats.status == BeatStatus.NO_BEATS
    assert beats.fiducials.shape == (12, 0, 9)


def test_bends_and_ranges_equal_numpy() -> None:
    x = np.random.default_rng(0).normal(0, 1, (3, 117)).astype(np.float32)
    lag, step, window = 8, 16, 25
    bends = np.zeros((3, 8 * step), np.float32)
    bends[:, lag : 117 - lag] = np.abs(
        x[:, : -2 * lag] - 2 * x[:, lag:-lag] + x[:, 2 * lag :]
    )
    got = np.full((3, 8), np.nan, np.float32)
    kernels.write_bends(x, lag, step, got)
    np.testing.assert_array_equal(got, bends.reshape(3, 8, step).max(axis=2))
    ranges = np.full((3, 4), np.nan, np.float32)
    kernels.write_ranges(x, window, ranges)
    windows = x[:, :100].reshape(3, 4, window)
    np.testing.assert_array_equal(ranges, np.ptp(windows, axis=2))
