"""Every benchmark at toy size: it runs, agrees with its rivals, and writes JSON."""

import json
import math
import runpy
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.features.rr import rr_features
from ecgstore.features.table import RR_FEATURES
from ecgstore.record import Record
from ecgstore.sample import sample_folder
from ecgstore.signals.preprocess import bandpass
from ecgstore.sources import read_record

REPOSITORY = Path(__file__).resolve().parent.parent
BENCH = REPOSITORY / "bench"
LUDB = REPOSITORY / "tests" / "data" / "ludb"

RunBench = Callable[..., dict[str, Any]]


@pytest.fixture
def run_bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> RunBench:
    """Return a function that runs a script as by hand and returns its JSON."""

    def run(name: str, folder: Path, *options: str) -> dict[str, Any]:
        script = BENCH / f"{name}.py"
        out = tmp_path / "results" / f"{name}.json"
        arguments = [str(script), str(folder), *options, "--json", str(out)]
        monkeypatch.setattr(sys, "argv", arguments)
        monkeypatch.syspath_prepend(BENCH)
        runpy.run_path(str(script), run_name="__main__")
        assert "(" in capsys.readouterr().out  # medians with their ranges
        report: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        assert report["cores"] >= 1
        assert report["processor"]
        assert {"ecgstore", "numpy"} <= set(report["versions"])
        assert_spreads(report)
        return report

    return run


def assert_spreads(value: object) -> None:
    """Check every median and range in a report."""
    if isinstance(value, dict):
        if "median" in value:
            assert 0 <= value["min"] <= value["median"] <= value["max"] < math.inf
        for each in value.values():
            assert_spreads(each)


def assert_reader(reader: dict[str, Any], n_records: int) -> None:
    assert reader["records"] == n_records
    assert reader["largest_difference_mv"] <= 1e-9
    rows = reader["a_record"]
    assert rows["ecgstore.read_record"]["times_as_fast"]["median"] > 0
    assert "times_as_fast" not in rows["wfdb.rdrecord"]


def assert_rr(rr: dict[str, Any], n_series: int) -> None:
    assert rr["series"] == n_series
    assert rr["largest_difference"] <= 1e-9
    assert rr["a_series"]["rr_features_of_series"]["wall_us"]["median"] > 0


def test_reader(run_bench: RunBench) -> None:
    report = run_bench("bench_reader", sample_folder(), "--rounds", "2")
    assert report["rounds"] == 2
    assert_reader(report["reader"], 48)


def test_signals(run_bench: RunBench, few_records: Path) -> None:
    stages = run_bench("bench_signals", few_records, "--rounds", "1")["a_record"]
    assert stages["bandpass"]["records"] == 12
    assert stages["to_int16"]["wall_ms"]["median"] > 0


def test_build(run_bench: RunBench, few_records: Path) -> None:
    report = run_bench(
        "bench_build", few_records, "--rounds=1", "--records=3", "--series=5"
    )
    assert report["stages"]["records"] == 3
    stages = report["stages"]["a_record"]
    assert {name.partition(":")[0] for name in stages} == {"scan", "fill"}
    assert report["builds"]["without beats"]["records"] == 12
    assert report["builds"]["with beats"]["records"] == 3
    assert_reader(report["reader"], 12)
    assert_rr(report["rr"], 5)


def test_features(run_bench: RunBench) -> None:
    report = run_bench(
        "bench_features", LUDB, "--rounds=1", "--records=1", "--series=20"
    )
    assert_rr(report["rr"], 20)
    assert report["beats"]["records"] == 1
    assert report["beats"]["a_record"]["find_beats"]["times_as_fast"]["median"] > 0
    marks = report["ludb"]["all"]
    assert len(marks) == 9
    for mark in marks.values():
        assert {"ecgstore", "NeuroKit2", "NeuroKit2, cleaning"} == set(mark)
        assert all(row["f1"] > 0.4 for row in mark.values())
    assert report["ludb"]["record"]["r_peak"]["ecgstore"]["se"] == 1


def test_diagnoses(run_bench: RunBench) -> None:
    report = run_bench("bench_diagnoses", sample_folder())
    areas = {each["feature"]: each["auroc"] for each in report["auroc"]}
    assert areas["V1_qrs_area_mv_ms"] > 0.8
    assert all(0 <= area <= 1 for area in areas.values())
    assert 50 <= report["normal"]["mean_hr"][2] <= 100


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_memory(run_bench: RunBench, few_records: Path) -> None:
    report = run_bench("bench_memory", few_records, "--rounds=1", "--copies=60")
    memory = report["peak_memory"]
    assert memory["real records"]["records"]["median"] == 12
    assert memory["copies"]["records"]["median"] == 60
    assert memory["copies / real"]["records"]["median"] == 5
    assert memory["copies"]["parent_mb"]["min"] > 10


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--rounds", "0"], "expected 1 or more"), ([], "expected a folder")],
)
def test_says_what_is_wrong(
    run_bench: RunBench,
    tmp_path: Path,
    options: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as error:
        run_bench("bench_signals", tmp_path, *options)
    assert message in f"{error.value}{capsys.readouterr().err}"


def test_readers_that_disagree_are_not_timed(
    run_bench: RunBench, few_records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def off_by_a_little(path: str) -> Record:
        record = read_record(path)
        return replace(record, signal=record.signal + 1e-6)

    monkeypatch.setattr("ecgstore.sources.read_record", off_by_a_little)
    with pytest.raises(SystemExit, match="nothing was timed"):
        run_bench("bench_reader", few_records)


def test_features_that_disagree_are_not_timed(
    run_bench: RunBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_pnn50(r_peaks: IntArray, fs: float) -> FloatArray:
        values = rr_features(r_peaks, fs)
        values[[each.name for each in RR_FEATURES].index("pnn50")] = np.nan
        return values

    monkeypatch.setattr("ecgstore.features.rr.rr_features", without_pnn50)
    with pytest.raises(SystemExit, match="nothing was timed"):
        run_bench("bench_features", LUDB, "--series=3")


def test_filters_that_disagree_are_not_timed(
    run_bench: RunBench, few_records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def off_by_a_little(signal: FloatArray, *options: Any) -> FloatArray:
        return bandpass(signal, *options) + 1e-12

    monkeypatch.setattr("ecgstore.signals.preprocess.bandpass", off_by_a_little)
    with pytest.raises(SystemExit, match="differs from SciPy's"):
        run_bench("bench_signals", few_records)
