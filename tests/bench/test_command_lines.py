"""Every benchmark runs as a module, explains itself and is documented."""

import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

COMMANDS = {
    "bench.beats.choose_rules",
    "bench.beats.delineation",
    "bench.beats.diagnoses",
    "bench.builds.memory",
    "bench.builds.planning",
    "bench.builds.preprocessing",
    "bench.builds.reader",
    "bench.builds.rr_features",
    "bench.builds.scale",
    "bench.builds.shards",
    "bench.builds.throughput",
    "bench.builds.windows",
    "bench.loading.compare_peers",
    "bench.loading.loaders",
    "bench.loading.remote_faults",
    "bench.loading.remote_peers",
    "bench.loading.remote_stores",
    "bench.loading.transform_rates",
    "bench.models.hybrids",
    "bench.models.interval_coverage",
    "bench.models.pretraining",
    "bench.models.training",
    "bench.reports.data_set_card",
    "bench.storage.large_store",
    "bench.view.page",
    "bench.view.frames",
}

PROCESSES = {
    "bench.loading.process",
    "bench.loading.remote_process",
    "bench.loading.transform_process",
}


@pytest.mark.parametrize("name", sorted(COMMANDS | PROCESSES))
def test_help_shows_usage_and_an_example(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["command", "--help"])
    monkeypatch.delitem(sys.modules, name, raising=False)  # as `python -m` finds it
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(name, run_name="__main__")
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: python -m {name} ")
    assert f"Example:\n\n    python -m {name} " in text


@pytest.mark.parametrize("page", ["docs/benchmarks.md", "Makefile"])
def test_commands_are_documented_and_run_by_make(page: str) -> None:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    assert {*re.findall(r"python -m (bench[.\w]*\w)", text)} == COMMANDS


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--rounds", "0"], "expected 1 or more"), ([], "expected a folder")],
)
def test_wrong_arguments_are_explained(
    run_bench: Callable[..., dict[str, Any]],
    tmp_path: Path,
    options: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as error:
        run_bench("builds.preprocessing", tmp_path, *options)
    assert message in f"{error.value}{capsys.readouterr().err}"
