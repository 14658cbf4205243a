"""Benchmarks of a build and its steps: nothing is timed unless the references agree."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.features.rr.compute import rr_features
from ecgstore.features.rr.definitions import RR
from ecgstore.record import Record
from ecgstore.signals.preprocess import bandpass
from ecgstore.sources import read_record

RunBench = Callable[..., dict[str, Any]]


def test_reader_reports_agreement_and_speed(
    run_bench: RunBench, dozen_records: Path
) -> None:
    report = run_bench("builds.reader", dozen_records, "--rounds", "2")
    assert report["rounds"] == 2
    reader = report["reader"]
    assert reader["records"] == 12
    assert reader["largest_difference_mv"] <= 1e-9
    rows = reader["a_record"]
    assert rows["ecgstore.read_record"]["times_as_fast"]["median"] > 0
    assert "times_as_fast" not in rows["wfdb.rdrecord"]


def test_readers_that_disagree_are_not_timed(
    run_bench: RunBench, dozen_records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def off_by_a_little(path: str) -> Record:
        record = read_record(path)
        return replace(record, signal=record.signal + 1e-6)

    monkeypatch.setattr("bench.builds.reader.read_record", off_by_a_little)
    with pytest.raises(SystemExit, match="nothing was timed"):
        run_bench("builds.reader", dozen_records)


def test_preprocessing_reports_every_step(
    run_bench: RunBench, dozen_records: Path
) -> None:
    report = run_bench("builds.preprocessing", dozen_records, "--rounds", "1")
    steps = report["a_record"]
    assert steps["bandpass"]["records"] == 12
    assert steps["bandpass"]["times_as_fast"]["median"] > 0
    assert steps["to_int16"]["wall_ms"]["median"] > 0


def test_filters_that_disagree_are_not_timed(
    run_bench: RunBench, dozen_records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def off_by_a_little(signal: FloatArray, *options: Any) -> FloatArray:
        return bandpass(signal, *options) + 1e-12

    monkeypatch.setattr("bench.builds.preprocessing.bandpass", off_by_a_little)
    with pytest.raises(SystemExit, match="differs from SciPy's"):
        run_bench("builds.preprocessing", dozen_records)


def test_rr_features_reports_agreement_and_speed(run_bench: RunBench) -> None:
    rr = run_bench("builds.rr_features", "--rounds=1", "--series=10")["rr"]
    assert rr["series"] == rr["timed_series"] == 10
    assert rr["largest_difference"] <= 1e-9
    assert rr["a_series"]["rr_features"]["wall_us"]["median"] > 0
    assert rr["a_series"]["rr_features"]["times_as_fast"]["median"] > 1


def test_features_that_disagree_are_not_timed(
    run_bench: RunBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_pnn50(r_peaks: IntArray, fs: float) -> FloatArray:
        values = rr_features(r_peaks, fs)
        values[[feature.name for feature in RR.features].index("pnn50")] = np.nan
        return values

    monkeypatch.setattr("bench.builds.rr_features.rr_features", without_pnn50)
    with pytest.raises(SystemExit, match="nothing was timed"):
        run_bench("builds.rr_features", "--series=3")


def test_throughput_reports_steps_and_builds(
    run_bench: RunBench, dozen_records: Path
) -> None:
    report = run_bench("builds.throughput", dozen_records, "--rounds=1", "--records=3")
    assert report["stages"]["records"] == 3
    steps = report["stages"]["a_record"]
    assert {name.partition(":")[0] for name in steps} == {"scan", "fill"}
    assert report["builds"]["without beats"]["records"] == 12
    assert report["builds"]["with beats"]["records"] == 3


def test_windows_of_a_long_record_and_records_of_their_own(
    run_bench: RunBench, dozen_records: Path
) -> None:
    report = run_bench("builds.windows", dozen_records, "--rounds=1", "--minutes=1")
    assert report["windows"] == 6
    assert report["builds"].keys() == {"one record", "records"}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_memory_reports_real_records_and_copies(
    run_bench: RunBench, dozen_records: Path
) -> None:
    report = run_bench(
        "builds.memory", dozen_records, "--rounds=1", "--copies=24", "--minutes=2"
    )
    memory = report["peak_memory"]
    assert memory["real records"]["records"]["median"] == 12
    assert memory["copies"]["records"]["median"] == 24
    assert memory["copies / real"]["records"]["median"] == 2
    assert memory["long records"]["records"]["median"] == 4
    assert memory["copies"]["parent_mb"]["min"] > 10
