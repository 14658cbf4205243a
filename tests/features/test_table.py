"""The table of features, and the row of a record in it."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ecgstore import features
from ecgstore.arrays import FloatArray
from ecgstore.beats import Beats, BeatStatus
from ecgstore.features import FEATURES, compute, defined_features, markdown
from ecgstore.features.feature import (
    Definition,
    FeatureGroup,
    Inputs,
    Needs,
    Values,
)
from ecgstore.features.page import range_text
from ecgstore.features.rr.compute import CONVENTIONS
from ecgstore.features.rr.definitions import RR
from ecgstore.features.spectrum.definitions import SPECTRUM
from ecgstore.features.table import GROUPS
from ecgstore.record import LEADS

NAMES = [feature.name for feature in FEATURES]
UNITS = {
    "mV ms": "_mv_ms",
    "mV/s": "_mv_per_s",
    "mV^2": "_mv2",
    "ms": "_ms",
    "mV": "_mv",
    "Hz": "_hz",
    "deg": "_deg",
}


def some_beats() -> Beats:
    r_peaks = np.arange(300, 4900, 400)
    around = np.array([-100, -80, -55, -25, 0, 25, 90, 130, 170])
    return Beats(r_peaks, np.tile(r_peaks[:, None] + around, (12, 1, 1)), BeatStatus.OK)


def test_names_are_unique_and_carry_their_unit() -> None:
    assert len(set(NAMES)) == len(FEATURES)
    for feature in FEATURES:
        suffixes = [u for u, suffix in UNITS.items() if feature.name.endswith(suffix)]
        assert (suffixes or ["1"])[0] == feature.unit.replace("1/min", "1"), (
            feature.name
        )


def test_every_feature_is_documented() -> None:
    for feature in FEATURES:
        low, high = feature.valid_range
        assert -1e4 < low < high < 1e4
        for text in (feature.formula, feature.source, feature.undefined):
            assert text
            assert text.strip(" .") == text
        assert "NaN" not in feature.formula  # `undefined` says when


MEASURED = [group for group in GROUPS if group.measure is not None]


@pytest.mark.parametrize("group", MEASURED, ids=lambda group: group.title)
def test_the_function_that_a_group_names_measures_its_values(
    group: FeatureGroup,
) -> None:
    rng = np.random.default_rng(0)
    signal, beats = rng.normal(0, 1, (12, 5000)), some_beats()
    module, _, name = group.function.rpartition(".")
    function = getattr(importlib.import_module(module), name)
    arguments = {
        "rr_features": (beats.r_peaks, 500.0),
        "wave_features": (signal, beats, 500.0),
        "spectral_features": (signal, 500.0),
        "f_wave_features": (signal, beats.r_peaks, 500.0),
    }
    assert group.measure is not None
    measured = group.measure(Inputs(signal, beats, 500.0, "neurokit"))
    np.testing.assert_array_equal(measured, function(*arguments[name]))


def test_every_feature_names_where_it_is_computed() -> None:
    for group in GROUPS:
        for feature, definition in zip(group.features, group.definitions, strict=False):
            if definition.value is None:
                assert feature.function == group.function
            else:
                module = importlib.import_module(feature.function)
                assert group in module.GROUPS


def half(values: Values) -> FloatArray:
    return values["a_mv"] / 2


def example_group(position: int = 9, per_lead: bool = True) -> FeatureGroup:
    """Return a group of two measured features, one of a feature before, and a ratio."""
    definitions = (
        Definition("a_mv", "mV", "one", "here", (0, 1), "never"),
        Definition("half_mv", "mV", "a / 2", "here", (0, 1), "never", half),
        Definition("b", "1", "other", "there", (-1, 2), "at night"),
        Definition(
            "c",
            "1",
            "b - n_beats",
            "here",
            (0, 1),
            "never",
            lambda values: values["b"] - values.record("n_beats"),
        ),
    )
    return FeatureGroup(
        position=position,
        title="Made",
        notes="Notes.",
        definitions=definitions,
        per_lead=per_lead,
        measure=lambda inputs: inputs.signal,
        function="f",
        record_formulas={"b": "mean over the leads"} if per_lead else {},
    )


def test_features_of_the_record_come_before_those_of_the_leads() -> None:
    group = example_group()
    names = [feature.name for feature in group.features]
    assert names[:6] == ["a_mv", "half_mv", "b", "c", "I_a_mv", "I_half_mv"]
    assert names[-1] == "V6_c"
    formulas = [feature.formula for feature in group.features]
    assert formulas[:3] == [
        "median over the leads: one",
        "a / 2",
        "mean over the leads",
    ]
    assert formulas[4] == "lead I: one"
    assert formulas[-1] == "lead V6: b - n_beats"
    last = group.features[-2]
    assert (last.valid_range, last.undefined) == ((-1, 2), "at night")


def test_measured_and_derived_values_are_in_their_columns() -> None:
    table = np.arange(26.0).reshape(13, 2)
    inputs = Inputs(table, some_beats(), 500.0, "neurokit")
    values = Values(n_beats=np.array([12.0]))
    got = example_group().compute(inputs, values)
    a, b = table.T
    np.testing.assert_array_equal(got, np.stack([a, a / 2, b, b - 12], axis=1))
    np.testing.assert_array_equal(values["c"], b - 12)
    assert values.record("a_mv") == 0
    assert values.lead("V6", "half_mv") == 12
    values = Values(n_beats=np.array([1.0]))
    inputs = Inputs(np.array([3.0, 7.0]), some_beats(), 500.0, "neurokit")
    got = example_group(per_lead=False).compute(inputs, values)
    np.testing.assert_array_equal(got, [[3, 1.5, 7, 6]])


def test_a_group_with_too_few_values_is_refused() -> None:
    inputs = Inputs(np.zeros((13, 3)), some_beats(), 500.0, "neurokit")
    with pytest.raises(ValueError, match="reshape"):
        example_group().compute(inputs, Values())


def test_every_group_has_a_position_of_its_own() -> None:
    positions = [group.position for group in GROUPS]
    assert positions == sorted(set(positions))


NEW_GROUP = """
from ecgstore.features.feature import Definition, FeatureGroup
GROUPS = (
    FeatureGroup(
        position=99,
        title="New",
        notes="A ratio.",
        definitions=(
            Definition(
                "new_ratio", "1", "qt_interval / mean_rr", "here", (0, 1), "often",
                lambda values: values["qt_interval_ms"] / values["mean_rr_ms"],
            ),
        ),
        per_lead=True,
    ),
)
"""


def test_a_new_file_is_a_new_group_of_features(tmp_path: Path) -> None:
    """One new file gives new columns behind the others, and a section of the page."""
    (tmp_path / "new_definitions.py").write_text(NEW_GROUP)
    code = f"""
import ecgstore.features
ecgstore.features.__path__.append({str(tmp_path)!r})
import numpy as np
from ecgstore.beats import Beats, BeatStatus
from ecgstore.features import FEATURES, compute, markdown
r_peaks = np.arange(300, 4900, 400)
around = np.array([-100, -80, -55, -25, 0, 25, 90, 130, 170])
marks = np.tile(r_peaks[:, None] + around, (12, 1, 1))
beats = Beats(r_peaks, marks, BeatStatus.OK)
row = compute(np.zeros((12, 5000)), beats, 500.0)
assert len(row) == len(FEATURES)
print(FEATURES[-13].name, FEATURES[-1].name)
print((row[-13:] == np.float32(390 / 800)).all())
print("| `new_ratio` | 1 | qt_interval / mean_rr |" in markdown())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["new_ratio", "V6_new_ratio", "True", "True"]


def regular(duration_s: float, fs: float) -> tuple[FloatArray, Beats]:
    """Return noise with a beat every 0.25 s and all marks, to the last sample."""
    n_samples = round(duration_s * fs)
    signal = np.random.default_rng(0).standard_normal((12, n_samples))
    r_peaks = np.unique(np.linspace(0, n_samples - 1, round(duration_s * 4), dtype=int))
    marks = np.repeat(r_peaks[None, :, None], 9, axis=2).repeat(12, axis=0)
    offsets = np.array([-5, -4, -3, -2, 0, 2, 3, 4, 5])
    return signal, Beats(
        r_peaks, np.clip(marks + offsets, 0, n_samples - 1), BeatStatus.OK
    )


@pytest.mark.parametrize(
    ("duration_s", "fs", "without"),
    [
        (3.99, 100.0, 2 + 12 * 13),
        (4.5, 100.0, 2),
        (30.0, 80.0, 2 + 12 * 13),
        (30.0, 81.0, 2),
        (1199.9, 90.0, 2),
        (1201.0, 90.0, 0),
    ],
)
def test_features_that_no_record_can_have_are_known(
    duration_s: float, fs: float, without: int
) -> None:
    """What is left out is NaN in a record with beats up to both of its ends."""
    kept = {feature.name for feature in defined_features(duration_s, fs)}
    assert len(NAMES) - len(kept) == without
    signal, beats = regular(duration_s, fs)
    row = dict(zip(NAMES, compute(signal, beats, fs), strict=True))
    assert not [name for name in NAMES if name not in kept and not np.isnan(row[name])]
    needy = [feature.name for feature in FEATURES if feature.needs != Needs()]
    assert not [name for name in needy if name in kept and np.isnan(row[name])]


def test_the_columns_are_those_of_the_groups_in_turn() -> None:
    assert [*FEATURES] == [feature for group in GROUPS for feature in group.features]
    signal, beats = np.zeros((12, 5000)), some_beats()
    inputs, values = Inputs(signal, beats, 500.0, "neurokit"), Values()
    tables = [group.compute(inputs, values) for group in GROUPS]
    expected = np.concatenate(tables, axis=None).astype(np.float32)
    np.testing.assert_array_equal(compute(signal, beats, 500.0), expected)


def test_a_row_holds_all_groups() -> None:
    rng = np.random.default_rng(0)
    signal, beats = rng.normal(0, 1, (12, 5000)), some_beats()
    signal[:, beats.r_peaks] += 10
    row = dict(zip(NAMES, compute(signal, beats, 500.0).tolist(), strict=True))
    assert row["n_beats"] == 12
    assert row["mean_rr_ms"] == 800
    assert row["mean_hr"] == 75
    assert row["qrs_duration_ms"] == row["V4_qrs_duration_ms"] == 100
    level = signal[1, beats.r_peaks[:, None] - 25 - np.arange(1, 11)].mean(axis=1)
    expected = np.median(signal[1, beats.r_peaks] - level)
    assert row["II_r_amplitude_mv"] == pytest.approx(expected, rel=1e-6)
    assert row["sokolow_lyon_mv"] > 5
    assert row["spectral_entropy"] > 0.9
    assert row["V1_f_wave_power_mv2"] > 0


def test_values_are_float32() -> None:
    assert compute(np.zeros((12, 5000)), some_beats(), 500.0).dtype == np.float32


def test_a_record_without_beats_has_counts_and_spectra() -> None:
    signal = np.random.default_rng(0).normal(0, 1, (12, 5000))
    values = compute(signal, Beats.none(BeatStatus.NO_BEATS), 500.0)
    row = dict(zip(NAMES, values.tolist(), strict=True))
    defined = {name for name, value in row.items() if not np.isnan(value)}
    spectra = {feature.name for feature in SPECTRUM.features}
    assert defined == {"n_beats", "n_rr"} | spectra
    assert row["n_beats"] == row["n_rr"] == 0


def test_beat_counts_are_undefined_if_beats_were_not_computed() -> None:
    row = compute(np.zeros((12, 5000)), Beats.none(BeatStatus.NOT_COMPUTED), 500.0)
    assert np.isnan(row).all()


def test_the_convention_reaches_the_rr_features() -> None:
    column = NAMES.index("pnn60")
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
    per_group = [group.features[: len(group.definitions)] for group in GROUPS]
    expected = [feature for part in per_group for feature in part]
    assert shown == [
        feature.name for feature in expected
    ]  # the others are the leads' own
    for line, feature in zip(rows, expected, strict=True):
        assert line.endswith(
            f"| {range_text(feature.valid_range)} | {feature.undefined} |"
        )
    assert len(shown) == sum(len(group.definitions) for group in GROUPS)
    # A bar inside a formula must not end its cell.
    cells = [line.replace("\\|", "").count("|") for line in rows]
    assert set(cells) == {7}
    assert str(len(FEATURES)) in page
    for group in GROUPS:
        assert f"## {group.title}\n\n{group.notes}" in page
    assert f"`I_{shown[len(RR.definitions)]}`" in page
    assert ", ".join(LEADS) in page


def test_the_table_loads_nothing_slow() -> None:
    code = (
        "import sys; from ecgstore.features import FEATURES, markdown; markdown();"
        "print(*sorted({'numba', 'neurokit2', 'scipy', 'pandas'} & {*sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_every_public_name_is_defined() -> None:
    for name in dir(features):
        assert getattr(features, name) is not None
