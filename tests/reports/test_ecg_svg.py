"""Small prints of records: few bytes, close to the samples."""

import re
from pathlib import Path

import numpy as np
import pytest

from ecgstore.arrays import FloatArray
from ecgstore.plots.ecg.layout import TRACE_LEFT, lay_out
from ecgstore.record import LEADS
from ecgstore.reports import ecg_svg
from ecgstore.reports.ecg_svg import ecg_picture
from ecgstore.reports.page import EcgPicture
from ecgstore.storage import Store


def picture_of(signal: FloatArray, **given: object) -> EcgPicture:
    return ecg_picture(signal, 500.0, title="t", description="d", **given)  # type: ignore[arg-type]


def points(path: str) -> list[FloatArray]:
    """Return the points of each curve in a path."""
    curves = []
    for curve in path.split("M")[1:]:
        numbers = np.array(re.findall(r"-?\d+", curve), float).reshape(-1, 2)
        curves.append(np.cumsum(numbers, axis=0))
    return curves


def distances(at: FloatArray, curve: FloatArray) -> FloatArray:
    """Return how far each point is from a curve."""
    begins, steps = curve[:-1], np.diff(curve, axis=0)
    away = at[:, None] - begins
    along = (away * steps).sum(axis=2) / (steps**2).sum(axis=1)
    nearest = away - np.clip(along, 0, 1)[..., None] * steps
    shortest: FloatArray = np.sqrt((nearest**2).sum(axis=2)).min(axis=1)
    return shortest


@pytest.mark.parametrize("fs", [100.0, 500.0, 1000.0])
def test_curves_miss_no_sample_by_more_than_the_tolerance(
    sample_store: Path, fs: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ecg_svg, "_MOST_BYTES", 10**9)
    with Store(sample_store) as store:
        signal = store.signals([0])[0].astype(float)
    picture = ecg_picture(signal, fs, title="t", description="d")
    curves = points(picture.trace)
    traces = lay_out(signal, fs, signal.shape[1])
    assert len(curves) == len(traces) == 13
    for curve, trace in zip(curves, traces, strict=True):
        zero = round(curve[0, 1] + trace.mv[0] * 100)
        at = np.stack([(trace.x - TRACE_LEFT) * 10, zero - trace.mv * 100], axis=1)
        assert distances(at, curve).max() < 2.0 + 1.0  # and rounding


@pytest.mark.parametrize("scale", [0.0, 0.05, 0.5, 50.0])
def test_any_signal_has_a_small_picture(scale: float) -> None:
    noise = np.random.default_rng(0).normal(size=(12, 5000)) * scale
    picture = picture_of(noise)
    assert len(picture.trace) < (16_000 if scale else 600)
    assert picture.height <= 4 * 12 * 50
    assert all(0 <= y <= picture.height for _, y, _ in picture.names)


def test_real_records_take_less_than_15_kb(sample_store: Path) -> None:
    with Store(sample_store) as store:
        signals = store.signals(range(len(store))).astype(float)
    sizes = [len(picture_of(signal).trace) for signal in signals]
    assert max(sizes) < 13_000
    assert np.median(sizes) < 11_000


def test_a_lead_that_was_not_recorded_has_no_curve() -> None:
    signal = np.zeros((12, 5000))
    signal[LEADS.index("V1")] = np.nan
    assert len(points(picture_of(signal).trace)) == 12


def test_a_gap_interrupts_the_curve() -> None:
    signal = np.zeros((12, 5000))
    signal[1, 2000:2100] = np.nan  # II, at 4 s: in the strip
    assert len(points(picture_of(signal).trace)) == 14


@pytest.mark.parametrize("leads", [("II",), ("I", "II"), LEADS[:6]])
def test_other_leads_are_drawn(leads: tuple[str, ...]) -> None:
    picture = picture_of(np.zeros((len(leads), 5000)), leads=leads)
    assert {name for _, _, name in picture.names} == set(leads)


def test_padding_is_not_drawn() -> None:
    signal = np.zeros((12, 5000))
    strip = points(picture_of(signal, n_samples=3000).trace)[-1]
    assert strip[-1, 0] == pytest.approx(2999 / 500 * 250, abs=1)


def test_coordinates_are_whole_numbers() -> None:
    picture = picture_of(np.random.default_rng(0).normal(size=(12, 5000)))
    assert re.fullmatch(r"[-Ml 0-9]+", picture.trace)
