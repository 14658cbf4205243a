"""`ecgstore build` of shards: on a Dask cluster, and what it refuses."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import ecgstore
from ecgstore.system import dask_cluster

Run = Callable[..., tuple[int, str, str]]

NO_BEATS = ("--select", "all", "--beats", "none")


def test_a_dask_cluster_of_this_machine_builds_what_processes_build(
    dozen_records: Path, tmp_path: Path, run: Run
) -> None:
    pytest.importorskip("distributed")
    for name, flags in (
        ("dask", ("--dask", "local", "--workers", "1")),
        ("processes", ("--workers", "2", "--scratch", tmp_path)),
    ):
        (tmp_path / name).mkdir()
        out = tmp_path / name / "all.h5"
        code, printed, errors = run(
            "build", dozen_records, "-o", out, "--shard-rows", 4, *flags, *NO_BEATS
        )
        assert code == 0, errors
        assert "selected" in printed
        assert "scan: " in errors
        assert "fill: " in errors
    files = {
        name: {
            path.name: path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("dask", "processes")
    }
    assert files["dask"] == files["processes"]
    with ecgstore.open(tmp_path / "dask" / "all.h5") as store:
        assert len(store.parts) > 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--dask", "tcp://127.0.0.1:9"), "no Dask scheduler answers"),
        (("--dask", "nonsense"), "no Dask scheduler answers"),
        (("--dask", "tcp://127.0.0.1:9", "--workers", "2"), "workers of its own"),
        (("--scratch", "."), "--shard-rows"),
        (("--shard-rows", "0"), "shard-rows"),
    ],
)
def test_what_is_refused(
    dozen_records: Path,
    tmp_path: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    flags: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.setattr(dask_cluster, "_CONNECT_S", 1)
    out = tmp_path / "all.h5"
    code, _, errors = run("build", dozen_records, "-o", out, *flags, *NO_BEATS)
    assert code != 0
    assert message in errors
    assert "Traceback" not in errors
    assert not [*tmp_path.iterdir()]


def test_dask_that_is_not_installed_is_named(
    dozen_records: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    out = tmp_path / "all.h5"
    code, _, errors = run("build", dozen_records, "-o", out, "--dask", "local")
    assert code == 1
    assert "pip install 'ecgstore[dask]'" in errors
