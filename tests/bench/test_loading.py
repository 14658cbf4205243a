"""Benchmarks of loaders: their batches are checked, then they are timed."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.common.page_cache import cached_fraction, drop_from_page_cache
from bench.loading import registry, remote_faults
from bench.loading.process import Runner
from bench.loading.repeated_records import make_files
from bench.loading.subprocesses import LoaderClass
from bench.loading.workloads import WORKLOADS, Files
from ecgstore.storage.remote import attempts, kept, line, object_reader

REPOSITORY = Path(__file__).resolve().parents[2]

RunBench = Callable[..., dict[str, Any]]

N_ROWS = 70
"""Two batches, the second of which is smaller."""

NUMPY_ONLY = LoaderClass("bench.loading.reference", "Reference")
"""A loader whose process starts at once: others import PyTorch, which takes seconds."""

on_linux = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="reads /proc"
)


@pytest.fixture(scope="module")
def scratch(dozen_records: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a scratch folder with rows, so that they are written once."""
    folder = tmp_path_factory.mktemp("scratch")
    make_files(dozen_records, folder, N_ROWS)
    return folder


@pytest.fixture
def files(scratch: Path) -> Files:
    return Files.in_folder(scratch / f"{N_ROWS}_rows")


def open_loader(loader: LoaderClass, files: Files, workload: str) -> Runner:
    """Open a loader in this process."""
    runner = Runner(loader.module, loader.name, str(files.folder), workload)
    runner.load()
    runner.open()
    return runner


torchdata_is_older_than_torch = pytest.mark.filterwarnings(
    "ignore:'set_vital' is deprecated:UserWarning"
)


@torchdata_is_older_than_torch
@pytest.mark.parametrize("workload", WORKLOADS)
def test_loaders_yield_what_the_reference_yields(workload: str, files: Files) -> None:
    whole_rows = {**registry.BLOCKS, **registry.COLD_CEILING}
    special = whole_rows if workload == "shuffled int16" else {}
    for name, loader in {**registry.LOADERS, **special}.items():
        if "workers" in name:
            continue  # the same classes; a process with threads must not fork
        digests = open_loader(loader, files, workload).digest()
        assert digests["actual"] == digests["expected"], name
        assert digests["expected"]["records"] > 1


@torchdata_is_older_than_torch
@pytest.mark.parametrize("name", registry.RESUMABLE)
def test_loaders_resume_in_the_middle_of_an_epoch(name: str, files: Files) -> None:
    loader = registry.RESUMABLE[name]
    half = open_loader(loader, files, "shuffled int16").half()
    resumed = open_loader(loader, files, "shuffled int16").resume(half["state"])
    assert resumed["rest"] == half["rest"]
    again = open_loader(loader, files, "shuffled int16")
    assert again.first_batch()["wall"] > 0
    assert again.rest()["a_batch"] > 0


@on_linux
def test_throughput_is_reported_and_plotted(
    run_bench: RunBench,
    dozen_records: Path,
    scratch: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For ecgstore's loader only: every start of its process takes seconds."""
    ecgstore = {"ecgstore": registry.LOADERS["ecgstore"]}
    workloads = {"one fold of ten": WORKLOADS["one fold of ten"]}
    monkeypatch.setattr("bench.loading.loaders.LOADERS", ecgstore)
    monkeypatch.setattr("bench.loading.loaders.WORKLOADS", workloads)
    plot = tmp_path / "plots" / "loaders.png"
    report = run_bench(
        *("loading.loaders", dozen_records, f"--rows={N_ROWS}", "--rounds=1"),
        *(f"--scratch={scratch}", f"--plot={plot}", "--measure", "throughput"),
    )
    assert "torch" in report["versions"]
    assert set(report["throughput"]) == set(workloads)
    row = report["throughput"]["one fold of ten"]["idle consumer"]["ecgstore"]
    assert row["records_per_s"]["median"] > 0
    assert row["peak_rss_mb"]["median"] > 10
    assert "percent_of_memcpy" in row
    assert plot.stat().st_size > 0


@on_linux
def test_resume_notices_whether_the_rest_is_the_same(
    run_bench: RunBench,
    dozen_records: Path,
    scratch: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = """
import numpy as np
from bench.loading.reference import Reference

class Right(Reference):
    def epoch(self, rows):
        self.rest = rows
        for batch in super().epoch(rows):
            self.rest = self.rest[len(batch[0]):]
            yield batch

    def state(self):
        return self.rest.tobytes()

    def resume(self, state):
        return self.epoch(np.frombuffer(state, np.int64))

class Wrong(Right):
    def resume(self, state):
        return self.epoch(np.frombuffer(state, np.int64)[::-1])
"""
    (tmp_path / "planted_loader.py").write_text(source, encoding="utf-8")
    monkeypatch.chdir(tmp_path)  # modules in the current folder can be imported
    planted = {name: LoaderClass("planted_loader", name) for name in ("Right", "Wrong")}
    monkeypatch.setattr("bench.loading.loaders.RESUMABLE", planted)
    report = run_bench(
        *("loading.loaders", dozen_records, f"--rows={N_ROWS}", "--rounds=1"),
        *(f"--scratch={scratch}", "--measure", "resume"),
    )
    assert report["resume"]["Right"]["rest_is_the_same"]
    assert not report["resume"]["Wrong"]["rest_is_the_same"]
    assert report["resume"]["Right"]["first_batch_ms"]["median"] > 0


@on_linux
def test_all_other_measurements_are_reported(
    run_bench: RunBench,
    dozen_records: Path,
    scratch: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For a loader of NumPy only: these measurements start many processes."""
    replaced = {"LOADERS": "ecgstore", "BLOCKS": "ecgstore, in blocks"}
    replaced |= {"CEILING": "memcpy", "COLD_CEILING": "preadv, 32 threads"}
    for constant, name in replaced.items():
        monkeypatch.setattr(f"bench.loading.loaders.{constant}", {name: NUMPY_ONLY})
    measurements = ["large", "start_up", "training", "memory"]
    if can_leave_the_page_cache(tmp_path / "file"):
        measurements.append("cold")
    plot = tmp_path / "loaders.png"
    report = run_bench(
        "loading.loaders",
        dozen_records,
        # Rows of its own: those that this process has mapped stay in the page cache.
        *("--rows=71", "--large=80", "--rounds=1", "--steps=2", f"--plot={plot}"),
        *(f"--scratch={scratch}", "--measure", *measurements),
    )
    assert set(measurements) <= set(report)
    assert set(report["memory"]) == {"71", "80"}
    assert report["training"]["ecgstore"]["step_ms"]["median"] > 0
    assert report["start_up"]["ecgstore"]["total_ms"]["median"] > 0
    assert plot.stat().st_size > 0


def can_leave_the_page_cache(path: Path) -> bool:
    """Return whether a file in a folder can be dropped from the page cache."""
    path.write_bytes(bytes(1 << 20))
    drop_from_page_cache(path)
    return cached_fraction(path) < 0.01


@on_linux
def test_loaders_that_disagree_are_not_timed(
    run_bench: RunBench,
    dozen_records: Path,
    scratch: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = """
from bench.loading.reference import Reference

class Wrong(Reference):
    def epoch(self, rows):
        for batch_rows, signals, labels in super().epoch(rows):
            signals[0, 3, 1000] += 1
            yield batch_rows, signals, labels
"""
    (tmp_path / "wrong_loader.py").write_text(source, encoding="utf-8")
    monkeypatch.chdir(tmp_path)  # modules in the current folder can be imported
    wrong = {"wrong": LoaderClass("wrong_loader", "Wrong")}
    monkeypatch.setattr("bench.loading.loaders.LOADERS", wrong)
    monkeypatch.setattr("bench.loading.loaders.CEILING", {"memcpy": NUMPY_ONLY})
    with pytest.raises(SystemExit, match=r"wrong: rows is .* nothing was timed"):
        run_bench(
            *("loading.loaders", dozen_records, f"--rows={N_ROWS}"),
            *(f"--scratch={scratch}", "--measure", "throughput"),
        )


def test_peers_need_numpy_only() -> None:
    """Their environments have neither ecgstore nor its dependencies."""
    code = """
import sys
before = {*sys.modules}
import bench.loading.process, bench.loading.peers.stacking
loaded = {name.partition(".")[0] for name in {*sys.modules} - before}
print(*sorted(loaded - sys.stdlib_module_names - {"__mp_main__"}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout.split() == ["bench", "numpy"]


def test_modules_of_peers_exist() -> None:
    for peer in registry.PEERS.values():
        path = REPOSITORY.joinpath(*peer.module.split(".")).with_suffix(".py")
        assert f"class {peer.name}" in path.read_text(encoding="utf-8")


def test_a_missing_environment_is_named(
    run_bench: RunBench,
    dozen_records: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bench.loading.compare_peers.ENVIRONMENTS", tmp_path)
    message = (
        r"\.venv-peers-mosaic: expected the environment of mosaicml-streaming.*"
        r"'make bench-peers'"
    )
    with pytest.raises(SystemExit, match=message):
        run_bench(
            "loading.compare_peers", dozen_records, "--only", "mosaicml-streaming"
        )


def test_files_of_peers_are_written_once_and_whole(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    runner = Runner("a_peer", "Peer", str(files.folder), "shuffled int16")
    full = files.folder / "full disk"
    full.touch()
    with pytest.raises(OSError, match="no space"):
        runner.prepare()
    assert not files.own_folder("a_peer").exists()
    full.unlink()
    answer = runner.prepare()
    assert answer["mb"] == 0.002
    assert answer["versions"] == {"numpy": np.__version__}
    full.touch()  # nothing is written again
    assert runner.prepare() == answer
    monkeypatch.setattr("bench.loading.process.version", lambda name: "another")
    with pytest.raises(OSError, match="no space"):
        runner.prepare()


@pytest.mark.slow
@on_linux
def test_peers_are_prepared_and_timed(
    run_bench: RunBench,
    dozen_records: Path,
    scratch: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    peers = [
        name
        for name, peer in registry.PEERS.items()
        if (registry.ENVIRONMENTS / peer.environment / "installed").exists()
    ]
    if not peers:
        pytest.skip("no environment of a peer; make .venv-peers/installed makes one")
    workloads = ["shuffled float32 mV", "sequential int16"]
    monkeypatch.setattr("bench.loading.compare_peers.PEER_WORKLOADS", workloads)
    monkeypatch.setattr("bench.loading.compare_peers.BESIDE_PEERS", {})
    plot = tmp_path / "peers.png"
    report = run_bench(
        *("loading.compare_peers", dozen_records, f"--rows={N_ROWS}", "--rounds=1"),
        *(f"--scratch={scratch}", f"--plot={plot}", "--only", *peers),
    )
    assert set(report["throughput"]) == set(workloads)
    for name in peers:
        assert report["peers"][name]["versions"]
        row = report["throughput"]["sequential int16"]["idle consumer"][name]
        assert row["records_per_s"]["median"] > 0
    assert plot.stat().st_size > 0


def test_remote_faults_compares_batches(
    run_bench: Callable[..., dict[str, Any]],
    sample_store: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("obstore")
    for module, name in (
        (kept, "STREAM_BYTES"),
        (line, "AHEAD_BYTES"),
        (object_reader, "_SILENCE_S"),
    ):  # set by the benchmark, and set back afterwards
        monkeypatch.setattr(module, name, getattr(module, name))
    toy = {"KEPT_BYTES": 1, "AHEAD_BYTES": 1, "BATCH_SIZE": 4, "SILENCE_S": 0.3}
    for name, value in toy.items():
        monkeypatch.setattr(remote_faults, name, value)
    monkeypatch.setattr(attempts, "FIRST_PAUSE_S", 0.001)
    report = run_bench("loading.remote_faults", sample_store, "--epochs", "2")
    assert report["same_sha256"]
    checked, every = report["runs"]
    assert {"signals", "labels", "age", "dx"} < {*checked["fields"]}
    assert "wrong" in checked["faults"]
    assert {"features", "fiducials", "r_peaks"} < {*every["fields"]}
    assert report["settings"]["kept_bytes"] == 1
    assert report["requests"] > 60
    assert report["repeated"] > 0
    monkeypatch.setattr(remote_faults, "MOST_MB_LEFT", -100_000)
    with pytest.raises(SystemExit, match="memory was not given back"):
        run_bench("loading.remote_faults", sample_store, "--epochs", "1")


def test_remote_stores_counts_requests(
    run_bench: Callable[..., dict[str, Any]],
    sample_store: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for peer in ("obstore", "fsspec", "aiohttp"):
        pytest.importorskip(peer)
    monkeypatch.setenv("ECGSTORE_CACHE", "set by the benchmark")
    report = run_bench("loading.remote_stores", sample_store, "--rounds", "1")
    near, epochs = report["near"], report["epochs"]
    assert near["ecgstore: open"]["requests"]["median"] <= 2
    windows = near["ecgstore: windows of one lead"]
    assert windows["x_useful"]["median"] == 1  # those that were read, and no other
    with_checksums = near["ecgstore: windows of one lead, with the checksums of all"]
    assert with_checksums["x_useful"]["median"] >= 1  # opening has brought them
    assert epochs["mixing"] > 0
    for name in ("first", "second", "local", "new_process", "new_process_local"):
        assert epochs[f"{name}_mb_s"]["median"] > 0
