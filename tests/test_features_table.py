"""The table of features, and a record's row of it."""

import importlib
import subprocess
import sys

import numpy as np
import pytest

from ecgstore import features
from ecgstore.features import (
    FEATURE_NAMES,
    FEATURES,
    Beats,
    BeatStatus,
    compute,
    markdown,
    morphology,
    table,
)
from ecgstore.features.rr import CONVENTIONS
from ecgstore.record import LEADS, MARKS

UNITS = {"ms": "_ms", "mV": "_mv"}


def some_beats() -> Beats:
    r_peaks = np.arange(300, 4900, 400)
    around = np.array([-100, -80, -55, -25, 0, 25, 90, 130, 170])
    return Beats(r_peaks, np.tile(r_peaks[:, None] + around, (12, 1, 1)), BeatStatus.OK)


def test_names_are_unique_and_carry_their_unit() -> None:
    assert len(set(FEATURE_NAMES)) == len(FEATURES)
    for each in FEATURES:
        suffixes = [s for s in UNITS.values() if each.name.endswith(s)]
        assert suffixes == [s for u, s in UNITS.items() if u == each.unit], each.name
        assert each.unit in ("ms", "mV", "1/min", "1")
        assert each.formula
        assert each.source


def test_functions_exist_and_give_that_many_values() -> None:
    counts = {
        function: sum(each.function == function for each in FEATURES)
        for function in {each.function for each in FEATURES}
    }
    beats = some_beats()
    arguments = {"rr_features": (beats.r_peaks, 500.0)}
    for dotted, n_features in counts.items():
        module, _, name = dotted.rpartition(".")
        function = getattr(importlib.import_module(module), name)
        values = function(*arguments.get(name, (np.zeros((12, 5000)), beats, 500.0)))
        assert len(values) == n_features


def test_wave_features_are_named_in_the_order_of_their_columns() -> None:
    names = [each.name for each in table.WAVE_FEATURES]
    expected = [*morphology.WAVE_FEATURES]
    for lead in LEADS:
        expected += [f"{lead}_{name}" for name in morphology.WAVE_FEATURES]
    assert names == expected


def test_a_row_holds_both_groups() -> None:
    rng = np.random.default_rng(0)
    signal, beats = rng.normal(0, 1, (12, 5000)), some_beats()
    row = dict(zip(FEATURE_NAMES, compute(signal, beats, 500.0).tolist(), strict=True))
    assert row["n_beats"] == 12
    assert row["mean_rr_ms"] == 800
    assert row["mean_hr"] == 75
    assert row["qrs_duration_ms"] == row["V4_qrs_duration_ms"] == 100
    level = signal[1, beats.r_peaks[:, None] - 25 - np.arange(1, 11)].mean(axis=1)
    expected = np.median(signal[1, beats.r_peaks] - level)
    assert row["II_r_amplitude_mv"] == pytest.approx(expected, rel=1e-6)


def test_values_are_float32() -> None:
    assert compute(np.zeros((12, 5000)), some_beats(), 500.0).dtype == np.float32


def test_a_record_without_beats_has_counts_only() -> None:
    row = compute(np.zeros((12, 5000)), Beats.none(BeatStatus.NO_BEATS), 500.0)
    assert FEATURE_NAMES[:2] == ("n_beats", "n_rr")
    assert (row[:2] == 0).all()
    assert np.isnan(row[2:]).all()


def test_beats_not_computed_are_not_counted() -> None:
    row = compute(np.zeros((12, 5000)), Beats.none(BeatStatus.NOT_COMPUTED), 500.0)
    assert np.isnan(row).all()


def test_the_convention_reaches_the_rr_features() -> None:
    column = FEATURE_NAMES.index("pnn60")
    beats = Beats(np.array([100, 500, 1000]), np.full((12, 3, 9), -1), BeatStatus.OK)
    values = [
        compute(np.zeros((12, 2000)), beats, 500.0, convention)[column]
        for convention in CONVENTIONS
    ]
    assert values == [0.5, 1, 1]
    with pytest.raises(ValueError, match="convention"):
        compute(np.zeros((12, 2000)), beats, 500.0, "pyhrv")


def test_markdown_shows_every_feature() -> None:
    page = markdown()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    shown = [line.split("`")[1] for line in rows]
    assert shown == [*FEATURE_NAMES[: len(shown)]]
    assert len(shown) == len(table.RR_FEATURES) + len(morphology.WAVE_FEATURES)
    # A bar inside a formula must not end its cell.
    cells = [line.replace("\\|", "").count("|") for line in rows]
    assert set(cells) == {5}
    assert str(len(FEATURES)) in page
    for lead in LEADS:
        assert lead in page


def test_the_table_loads_nothing_slow() -> None:
    code = (
        "import sys; from ecgstore.features import FEATURES, markdown; markdown();"
        "print(*sorted({'numba', 'neurokit2', 'scipy', 'pandas'} & {*sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_public_names() -> None:
    for name in features.__all__:
        assert getattr(features, name) is not None
    assert len(MARKS) == 9
