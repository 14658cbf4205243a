"""Masked values of arrays are missing, wherever an array is given."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import ecgstore
from ecgstore.arrays import FloatArray, unmasked
from ecgstore.beats import find_beats
from ecgstore.config import Config
from ecgstore.plots import ecg_paper, filter_effect
from ecgstore.record import LEADS
from ecgstore.sample import sample_folder
from ecgstore.scores import score
from ecgstore.sources import read_record

BEGIN, END = 1000, 2600
SHOWN = 5.0
"""Value in mV behind the mask, as large as no sample of the record."""


@pytest.fixture(scope="module")
def missing() -> FloatArray:
    """Return a record that lacks samples of two leads."""
    header = sample_folder() / "ptb-xl" / "g1" / "HR00001.hea"
    signal = read_record(header).signal.copy()
    signal[3, BEGIN:END] = np.nan
    signal[8, :40] = np.nan
    return signal


@pytest.fixture(scope="module")
def masked(missing: FloatArray) -> Any:
    """Return the same record with these samples masked."""
    is_missing = np.isnan(missing)
    return np.ma.array(np.where(is_missing, SHOWN, missing), mask=is_missing)


@pytest.mark.parametrize(
    "array",
    [
        np.ma.array([[1, 2], [3, 4]], mask=[[False, True], [False, False]]),
        np.ma.array([[1, 2], [3, 4]], np.float32, mask=[[False, True], [False, False]]),
        [np.ma.array([1, 2], mask=[False, True]), np.ma.array([3, 4])],
        ([1.0, np.nan], [3, 4]),
    ],
)
def test_masked_values_are_nan(array: Any) -> None:
    np.testing.assert_array_equal(unmasked(array), [[1, np.nan], [3, 4]])


def test_nothing_masked_keeps_the_type() -> None:
    assert unmasked(np.ma.array([1, 2], np.int16)).dtype == np.int16
    assert (
        unmasked(np.ma.array([1, 2], np.float32, mask=[True, False])).dtype
        == np.float32
    )


def test_beats_of_masked_signals(missing: FloatArray, masked: Any) -> None:
    one, two = find_beats(missing, 500), find_beats(masked, 500)
    np.testing.assert_array_equal(one.fiducials, two.fiducials)
    marks = two.fiducials[3]
    assert not ((marks >= BEGIN + 100) & (marks < END - 100)).any()
    of_rows = find_beats([*masked], 500)
    np.testing.assert_array_equal(one.fiducials, of_rows.fiducials)


def test_features_of_masked_signals(missing: FloatArray, masked: Any) -> None:
    one = ecgstore.features_of(missing, 500, config=Config(max_gap_s=4))
    two = ecgstore.features_of(masked, 500, config=Config(max_gap_s=4))
    np.testing.assert_array_equal(one.row, two.row)


def test_stores_of_masked_signals(
    missing: FloatArray, masked: Any, tmp_path: Path
) -> None:
    config = Config(beats="none", select="all", max_gap_s=4)
    signals = []
    for name, signal in {"a": missing, "b": masked, "c": masked * 1000}.items():
        out = tmp_path / f"{name}.h5"
        unit = "uV" if name == "c" else "mV"
        record = ("r", signal, 500)
        ecgstore.build_from([record], out, config, unit=unit, n_workers=1, quiet=True)
        with h5py.File(out) as file:
            signals.append(file["signals"][:])
    np.testing.assert_array_equal(signals[0], signals[1])
    assert np.abs(signals[0].astype(int) - signals[2]).max() <= 1


def test_plots_of_masked_signals(missing: FloatArray, masked: Any) -> None:
    one, two = (
        [
            np.asarray(line.get_ydata(), float)
            for figure in (
                ecg_paper(signal, 500),
                filter_effect(signal, signal, 500, leads=LEADS),
            )
            for axes in figure.axes
            for line in axes.lines
        ]
        for signal in (missing, masked)
    )
    for curve, other in zip(one, two, strict=True):
        np.testing.assert_array_equal(curve, other)


def test_masked_probabilities_are_refused() -> None:
    labels = [[0, 1], [1, 0]]
    probabilities = np.ma.array(
        [[0.1, 0.9], [0.2, 0.1]], mask=[[False, False], [True, False]]
    )
    with pytest.raises(ValueError, match="nan in row 1, column 0"):
        score(labels, probabilities, 0.5)
