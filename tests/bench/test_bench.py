"""Every benchmark at toy size: it runs, agrees with its rivals, and writes JSON."""

import importlib
import json
import math
import runpy
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wfdb import rdann as read_marks

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.beats import Beats
from ecgstore.beats.unet import engine as delineator
from ecgstore.config import Config
from ecgstore.features.rr.compute import rr_features
from ecgstore.features.table import RR_FEATURES
from ecgstore.record import LEADS, Record
from ecgstore.sample import sample_folder
from ecgstore.signals.preprocess import bandpass
from ecgstore.sources import read_record

REPOSITORY = Path(__file__).resolve().parents[2]
BENCH = REPOSITORY / "bench"
LUDB = REPOSITORY / "tests" / "data" / "ludb"

LINUX = Path("/proc/self/smaps_rollup").exists()

RunBench = Callable[..., dict[str, Any]]


@pytest.fixture
def run_bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> RunBench:
    """Return a function that runs a script as by hand and returns its JSON."""

    def run(name: str, folder: Path | None, *options: str) -> dict[str, Any]:
        script = BENCH / f"{name}.py"
        out = tmp_path / "results" / f"{name}.json"
        folders = [] if folder is None else [str(folder)]
        arguments = [str(script), *folders, *options, "--json", str(out)]
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


def test_signals(run_bench: RunBench, dozen_records: Path) -> None:
    stages = run_bench("bench_signals", dozen_records, "--rounds", "1")["a_record"]
    assert stages["bandpass"]["records"] == 12
    assert stages["to_int16"]["wall_ms"]["median"] > 0


def test_build(run_bench: RunBench, dozen_records: Path) -> None:
    report = run_bench(
        "bench_build", dozen_records, "--rounds=1", "--records=3", "--series=5"
    )
    assert report["stages"]["records"] == 3
    stages = report["stages"]["a_record"]
    assert {name.partition(":")[0] for name in stages} == {"scan", "fill"}
    assert report["builds"]["without beats"]["records"] == 12
    assert report["builds"]["with beats"]["records"] == 3
    assert_reader(report["reader"], 12)
    assert_rr(report["rr"], 5)


def test_features(run_bench: RunBench) -> None:
    assert_rr(run_bench("bench_features", None, "--rounds=1", "--series=20")["rr"], 20)


MARKS_BY = {
    "ecgstore",
    "ecgstore --beats neurokit",
    "NeuroKit2 prominence",
    "NeuroKit2 prominence, cleaning",
    "NeuroKit2 dwt",
    "NeuroKit2 dwt, cleaning",
}
"""Who finds every mark; two others find R-peaks only."""


@pytest.mark.slow
def test_beats(run_bench: RunBench, dozen_records: Path, tmp_path: Path) -> None:
    picture = tmp_path / "beats.png"
    report = run_bench(
        *("bench_beats", LUDB, "--rounds=1", "--records=2"),
        *("--challenge", str(dozen_records), "--plot", str(picture)),
    )
    assert report["records"] == 2
    assert "trained on 2 of the records" in report["network"]
    marks = report["marks"]
    assert set(marks) == {"record", *LEADS, "all"}
    for leads in (*LEADS, "all"):
        assert len(marks[leads]) == 9
        for name, by_who in marks[leads].items():
            others = {"sleepecg", "wfdb xqrs"} if name == "r_peak" else set()
            assert set(by_who) == MARKS_BY | others
    for mark in marks["all"].values():
        assert mark["ecgstore"]["f1"] > 0.95
        assert mark["ecgstore"]["f1"] >= mark["ecgstore"]["f1_tight"]
        assert mark["ecgstore"]["f1"] >= mark["ecgstore"]["f1_inside"]
    for who in MARKS_BY:
        assert (who in marks["record"]["r_peak"]) == who.startswith("ecgstore")
    assert marks["record"]["r_peak"]["ecgstore"]["se"] == 1
    assert report["exceptions"]["ecgstore"] == {"exceptions": 0, "kinds": {}}
    times = report["speed"]["a_record"]
    assert set(times) == set(report["exceptions"]) | {"ecgstore, and all features"}
    slow = times["NeuroKit2 dwt"]["of_ecgstore_with_features"]["median"]
    assert slow > times["ecgstore"]["of_ecgstore_with_features"]["median"]
    presence = report["p_presence"]["ecgstore"]
    assert presence["sinus"] > presence["af"] >= 0
    for path in (picture, picture.with_stem("beats-cases")):
        assert path.read_bytes().startswith(b"\x89PNG")


MEAN_ERROR_MS = {
    "p_on": 5.0,
    "p_peak": 4.0,
    "p_off": 5.0,
    "qrs_on": 3.5,
    "r_peak": 3.0,
    "qrs_off": 4.5,
    "t_on": 10.0,
    "t_peak": 5.0,
    "t_off": 8.0,
}
"""How far off a mark may be on average, in ms; all of them shifted by 4 ms fail."""


def test_marks_are_neither_early_nor_late(
    bench_module: Callable[[str], Any],
) -> None:
    """A constant shift is what comparisons of the engine with itself cannot see."""
    contestants = bench_module("contestants")
    config = Config()
    records = bench_module("ludb").read_ludb(LUDB, 2)
    shown_to = contestants.recordings(records, config)
    ours = contestants.contestants({}, config)[contestants.OURS]
    found = {"ecgstore": [ours(each) for each in shown_to]}
    accuracy = bench_module("accuracy")
    scores = accuracy.as_json(accuracy.score(records, found))
    means = {name: by["ecgstore"]["mean_ms"] for name, by in scores["all"].items()}
    assert set(means) == set(MEAN_ERROR_MS)
    for name, limit in MEAN_ERROR_MS.items():
        assert abs(means[name]) < limit, name
    assert abs(scores["record"]["r_peak"]["ecgstore"]["mean_ms"]) < 3


def late_marks(path: str, lead: str) -> Any:
    """Return the cardiologists' marks, all of them 60 ms late."""
    found = read_marks(path, lead)
    found.sample = found.sample + 30
    return found


def test_planted_disagreement_is_noticed(
    run_bench: RunBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wfdb.rdann", late_marks)
    report = run_bench("bench_beats", LUDB, "--rounds=1", "--records=1")
    for who, score in report["marks"]["V5"]["r_peak"].items():
        assert score["mean_ms"] == pytest.approx(-60, abs=10), who
        assert score["f1"] > 0.9
        assert score["f1_tight"] < 0.1


@pytest.fixture
def few_rivals(
    bench_module: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leave out most of those who find beats: NeuroKit2 takes a second a record."""
    module = bench_module("contestants")
    all_of_them = module.contestants
    few = (module.OURS, module.NEUROKIT_ENGINE, module.PROMINENCE)

    def contestants(*arguments: Any) -> dict[str, Any]:
        found = all_of_them(*arguments)
        return {name: found[name] for name in few}

    monkeypatch.setattr(module, "contestants", contestants)


@pytest.mark.usefixtures("few_rivals")
def test_a_broken_engine_is_noticed(
    run_bench: RunBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: Any) -> Beats:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("ecgstore.beats.unet.engine.find_beats", broken)
    with pytest.raises(SystemExit, match="nothing was timed: ZeroDivisionError: pla"):
        run_bench("bench_beats", LUDB, "--rounds=1", "--records=1")


@pytest.mark.usefixtures("few_rivals")
def test_folds_are_shown_what_they_have_not_seen(
    run_bench: RunBench, tmp_path: Path
) -> None:
    package = Path(delineator.__file__).with_name(delineator.WEIGHTS)
    good = np.load(package)["weights"]
    folds = {"weights_0": good, "weights_1": np.zeros_like(good)}
    path = tmp_path / "folds.npz"
    about = json.dumps({"held_out": {"weights_0": ["1"], "weights_1": ["101"]}})
    np.savez(path, about=np.array(about), **folds)
    options = ("bench_beats", LUDB, "--rounds=1", f"--weights={path}")
    report = run_bench(*options, "--records=1")
    assert report["network"].startswith("2 networks")
    assert report["marks"]["all"]["r_peak"]["ecgstore"]["f1"] > 0.99
    np.savez(path, about=np.array(json.dumps({"held_out": {}})), **folds)
    with pytest.raises(SystemExit, match="has not seen the records 1;"):
        run_bench(*options, "--records=1")
    np.savez(path, **folds)
    with pytest.raises(SystemExit, match="expected a file of"):
        run_bench(*options, "--records=1")


def test_diagnoses(run_bench: RunBench) -> None:
    report = run_bench("bench_diagnoses", sample_folder())
    areas = {each["feature"]: each["auroc"] for each in report["auroc"]}
    assert areas["V1_qrs_area_mv_ms"] > 0.8
    assert all(0 <= area <= 1 for area in areas.values())
    assert 50 <= report["normal"]["mean_hr"][2] <= 100


def test_models(run_bench: RunBench, dozen_records: Path) -> None:
    report = run_bench(
        "bench_models", dozen_records, "--rounds=1", "--steps=2", "--batch=4"
    )
    assert (report["steps"], report["batch"]) == (2, 4)
    assert report["training"].keys() == report["prediction"].keys()
    for each in report["training"].values():
        assert each["step_ms"]["median"] > 0
        assert each["waiting_%"]["max"] < 100


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_memory(run_bench: RunBench, dozen_records: Path) -> None:
    report = run_bench("bench_memory", dozen_records, "--rounds=1", "--copies=24")
    memory = report["peak_memory"]
    assert memory["real records"]["records"]["median"] == 12
    assert memory["copies"]["records"]["median"] == 24
    assert memory["copies / real"]["records"]["median"] == 2
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
    run_bench: RunBench, dozen_records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def off_by_a_little(path: str) -> Record:
        record = read_record(path)
        return replace(record, signal=record.signal + 1e-6)

    monkeypatch.setattr("ecgstore.sources.read_record", off_by_a_little)
    with pytest.raises(SystemExit, match="nothing was timed"):
        run_bench("bench_reader", dozen_records)


def test_features_that_disagree_are_not_timed(
    run_bench: RunBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_pnn50(r_peaks: IntArray, fs: float) -> FloatArray:
        values = rr_features(r_peaks, fs)
        values[[each.name for each in RR_FEATURES].index("pnn50")] = np.nan
        return values

    monkeypatch.setattr("ecgstore.features.rr.compute.rr_features", without_pnn50)
    with pytest.raises(SystemExit, match="nothing was timed"):
        run_bench("bench_features", None, "--series=3")


def test_filters_that_disagree_are_not_timed(
    run_bench: RunBench, dozen_records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def off_by_a_little(signal: FloatArray, *options: Any) -> FloatArray:
        return bandpass(signal, *options) + 1e-12

    monkeypatch.setattr("ecgstore.signals.preprocess.bandpass", off_by_a_little)
    with pytest.raises(SystemExit, match="differs from SciPy's"):
        run_bench("bench_signals", dozen_records)


@pytest.fixture
def bench_module(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Return a function that imports a module of the benchmarks."""
    monkeypatch.syspath_prepend(BENCH)
    return importlib.import_module


@pytest.fixture(scope="module")
def scratch(dozen_records: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a scratch folder: the store that rows are copied from is built once."""
    folder = tmp_path_factory.mktemp("scratch")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCH)
        importlib.import_module("pipes_data").make_files(dozen_records, folder, 130)
    return folder


def test_contestants_take_turns_in_other_orders(
    bench_module: Callable[[str], Any],
) -> None:
    names = ["one", "two", "three", "four"]
    asked: list[str] = []

    def ask(name: str) -> dict[str, Any]:
        asked.append(name)
        return {"number": len(asked)}

    answers = bench_module("pipes_turns").in_turn(names, ask, 7)
    rounds = [tuple(asked[begin : begin + 4]) for begin in range(0, len(asked), 4)]
    assert len(rounds) == 8
    assert all(sorted(each) == sorted(names) for each in rounds)
    assert len(set(rounds)) > 4
    # Each answer is in the round in which it was given; the first round is left out.
    for name in names:
        expected = [4 * k + rounds[k].index(name) + 1 for k in range(1, 8)]
        assert [each["number"] for each in answers[name]] == expected

    again: list[str] = []
    works = {name: partial(again.append, name) for name in names}
    times = bench_module("measuring").in_turn(works, 7)
    assert again == asked  # the same orders in every run
    assert {len(each.wall) for each in times.values()} == {7}


def test_loaders_yield_what_is_expected(
    bench_module: Callable[[str], Any], dozen_records: Path, scratch: Path
) -> None:
    contestants = bench_module("pipes_contestants")
    files = bench_module("pipes_data").make_files(dozen_records, scratch, 130)
    for workload in bench_module("pipes_workloads").WORKLOADS:
        in_blocks = contestants.BLOCKS if workload == "shuffled int16" else {}
        for name, kind in {**contestants.LOADERS, **in_blocks}.items():
            if "workers" in name:
                continue  # the same classes; a process with threads must not fork
            runner = bench_module("pipes_process").Runner(
                kind.module, kind.name, str(files.folder), workload
            )
            runner.load()
            runner.open()
            answer = runner.content()
            assert answer["found"] == answer["expected"], (name, workload)
            assert answer["expected"]["records"] > 1


@pytest.mark.skipif(not LINUX, reason="reads /proc")
def test_pipes(
    run_bench: RunBench,
    bench_module: Callable[[str], Any],
    dozen_records: Path,
    scratch: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For ecgstore's loader alone: each start of its process takes seconds.

    What the other loaders yield is tested above.
    """
    contestants = bench_module("pipes_contestants")
    ours = {"ecgstore": contestants.LOADERS["ecgstore"]}
    for name in ("LOADERS", "RESUMABLE"):
        monkeypatch.setattr(contestants, name, ours)
    workloads = bench_module("pipes_workloads").WORKLOADS
    some = {name: workloads[name] for name in ("one fold of ten",)}
    monkeypatch.setattr("pipes_workloads.WORKLOADS", some)
    plot = tmp_path / "pipes.png"
    report = run_bench(
        "bench_pipes",
        dozen_records,
        *["--rows=130", "--rounds=1", f"--scratch={scratch}", f"--plot={plot}"],
        *["--parts", "throughput", "resume"],
    )
    assert "torch" in report["versions"]
    assert set(report["throughput"]) == set(some)
    row = report["throughput"]["one fold of ten"]["idle consumer"]["ecgstore"]
    assert row["records_per_s"]["median"] > 0
    assert row["peak_rss_mb"]["median"] > 10
    assert "percent_of_memcpy" in row
    assert report["resume"]["ecgstore"]["rest_is_the_same"]
    assert plot.stat().st_size > 0


@pytest.mark.skipif(not LINUX, reason="reads /proc")
def test_all_other_parts_of_pipes(
    run_bench: RunBench,
    bench_module: Callable[[str], Any],
    dozen_records: Path,
    scratch: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For a loader of NumPy alone: these parts start many processes."""
    contestants = bench_module("pipes_contestants")
    quick = bench_module("pipes_turns").Kind("pipes_workloads", "Expected")
    monkeypatch.setattr(contestants, "LOADERS", {"ecgstore": quick})
    monkeypatch.setattr(contestants, "BLOCKS", {"ecgstore, in blocks": quick})
    parts = ["large", "start_up", "training", "memory"]
    if can_leave_memory(bench_module, tmp_path / "file"):
        parts.append("cold")
    plot = tmp_path / "pipes.png"
    report = run_bench(
        "bench_pipes",
        dozen_records,
        # Rows of its own: those that this process has mapped stay in memory.
        *["--rows=131", "--large=140", "--rounds=1", "--steps=2", f"--plot={plot}"],
        *[f"--scratch={scratch}", "--parts", *parts],
    )
    assert set(report["memory"]) == {"131", "140"}
    assert set(parts) <= set(report)
    assert plot.stat().st_size > 0


def can_leave_memory(bench_module: Callable[[str], Any], path: Path) -> bool:
    """Return whether a file in a folder can be dropped from the page cache."""
    memory = bench_module("process_memory")
    path.write_bytes(bytes(1 << 20))
    memory.drop_from_memory(path)
    return bool(memory.part_in_memory(path) < 0.01)


@pytest.mark.skipif(not LINUX, reason="reads /proc")
def test_loaders_that_disagree_are_not_timed(
    run_bench: RunBench,
    bench_module: Callable[[str], Any],
    dozen_records: Path,
    scratch: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = """
from pipes_workloads import Expected

class Wrong(Expected):
    def epoch(self, rows):
        for some, signals, labels in super().epoch(rows):
            signals[0, 3, 1000] += 1
            yield some, signals, labels
"""
    (tmp_path / "wrong.py").write_text(source, encoding="utf-8")
    kind = bench_module("pipes_turns").Kind("wrong", "Wrong", folder=str(tmp_path))
    monkeypatch.setattr("pipes_contestants.LOADERS", {"wrong": kind})
    with pytest.raises(SystemExit, match=r"wrong: rows is .* nothing was timed"):
        run_bench(
            "bench_pipes",
            dozen_records,
            *["--rows=130", f"--scratch={scratch}", "--parts", "throughput"],
        )


@pytest.mark.skipif(not LINUX, reason="reads /proc")
def test_says_which_environment_is_missing(
    run_bench: RunBench,
    bench_module: Callable[[str], Any],
    dozen_records: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench_module("pipes_contestants")
    monkeypatch.setattr("pipes_contestants.ENVIRONMENTS", tmp_path)
    message = (
        r"\.venv-peers-mosaic: expected the environment of mosaicml-streaming.*"
        r"'make bench-peers'"
    )
    with pytest.raises(SystemExit, match=message):
        run_bench("pipes_peers", dozen_records, "--only", "mosaicml-streaming")


def test_prepares_files_once_and_whole(
    bench_module: Callable[[str], Any],
    dozen_records: Path,
    scratch: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = """
LIBRARIES = ("numpy",)

class Peer:
    @staticmethod
    def prepare(files, folder):
        (folder / "part").write_bytes(bytes(1000))
        if (files.folder / "full disk").exists():
            raise OSError("no space")
        (folder / "rest").write_bytes(bytes(1000))
"""
    (tmp_path / "a_peer.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    files = bench_module("pipes_data").make_files(dozen_records, scratch, 20)
    process = bench_module("pipes_process")
    runner = process.Runner("a_peer", "Peer", str(files.folder), "shuffled int16")
    full = files.folder / "full disk"
    full.touch()
    with pytest.raises(OSError, match="no space"):
        runner.prepare()
    assert not files.own_folder("a_peer").exists()
    full.unlink()
    answer = runner.prepare()
    assert answer["mb"] == 0.002
    assert answer["versions"] == {"numpy": np.__version__}
    full.touch()  # it is not asked for again
    assert runner.prepare() == answer
    monkeypatch.setattr(process, "version", lambda name: "another")
    with pytest.raises(OSError, match="no space"):
        runner.prepare()


@pytest.mark.slow
@pytest.mark.skipif(not LINUX, reason="reads /proc")
def test_peers(
    run_bench: RunBench,
    bench_module: Callable[[str], Any],
    dozen_records: Path,
    scratch: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    contestants = bench_module("pipes_contestants")
    peers = [
        name
        for name, peer in contestants.PEERS.items()
        if (contestants.ENVIRONMENTS / peer.environment / "installed").exists()
    ]
    if not peers:
        pytest.skip("no environment of a peer; make .venv-peers/installed makes one")
    workloads = ["shuffled float32 mV", "sequential int16"]
    monkeypatch.setattr(contestants, "PEER_WORKLOADS", workloads)
    monkeypatch.setattr(contestants, "BESIDE_PEERS", {})
    plot = tmp_path / "peers.png"
    report = run_bench(
        "pipes_peers",
        dozen_records,
        *["--rows=130", "--rounds=1", f"--scratch={scratch}", f"--plot={plot}"],
        *["--only", *peers],
    )
    assert set(report["throughput"]) == set(workloads)
    for name in peers:
        assert report["peers"][name]["versions"]
        row = report["throughput"]["sequential int16"]["idle consumer"][name]
        assert row["records_per_s"]["median"] > 0
    assert plot.stat().st_size > 0
