"""Benchmarks of a build and its steps: nothing is timed unless the references agree."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.builds.many_records import make_many_records
from ecgstore.arrays import FloatArray, IntArray
from ecgstore.features.rr.compute import rr_features
from ecgstore.features.rr.definitions import RR
from ecgstore.record import Record
from ecgstore.signals.preprocess import bandpass
from ecgstore.signals.same_signal import same_signals
from ecgstore.signals.signature import signature, signature_array
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


def test_scale_reports_processes_and_a_whole_build(
    run_bench: RunBench, dozen_records: Path, tmp_path: Path
) -> None:
    options = ("--rounds=1", "--records=15", "--records-in-rounds=5")
    kept = ("--records-folder", tmp_path / "records")
    report = run_bench("builds.scale", dozen_records, *options, *kept)
    assert report["processes"]["records"] == 5
    assert report["processes"]["records_per_second"].keys() == {
        "1 process",
        "2 processes",
    }
    assert report["processes"]["times_as_fast"]["median"] > 0
    assert report["whole"]["records"] == 15
    assert len([*tmp_path.glob("records/all/*/g*/*.hea")]) == 15


def test_many_records_are_sound_and_different(
    dozen_records: Path, tmp_path: Path
) -> None:
    headers = sorted(dozen_records.rglob("*.hea"))
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        make_many_records(headers, folder, 40)
        make_many_records(headers, folder, 40)  # it is kept
    paths = sorted(folders[0].rglob("*.hea"))
    records = [read_record(path) for path in paths]
    assert len({record.record_id for record in records}) == 40
    assert not any(record.checksum_differs.any() for record in records)
    assert not any(record.first_value_differs.any() for record in records)
    signatures = [signature(record.signal, record.fs) for record in records]
    links = same_signals(signature_array(signatures))
    assert links.tolist() == [*range(40)]
    for path in paths:
        mat = path.with_suffix(".mat").relative_to(folders[0])
        assert (folders[0] / mat).read_bytes() == (folders[1] / mat).read_bytes()


def test_a_folder_with_another_number_of_records_is_not_used(
    dozen_records: Path,
) -> None:
    headers = sorted(dozen_records.rglob("*.hea"))
    with pytest.raises(SystemExit, match="has 12 records; expected 13"):
        make_many_records(headers, dozen_records, 13)


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
