"""Run a benchmark at toy size, and check the common parts of its report."""

import importlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RunBench = Callable[..., dict[str, Any]]


@pytest.fixture
def run_bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> RunBench:
    """Return a function that runs a module of bench/ and returns its JSON report."""

    def run(module: str, *arguments: str | Path) -> dict[str, Any]:
        out = tmp_path / "results" / f"{module}.json"
        command = importlib.import_module(f"bench.{module}").main
        command([*map(str, arguments), "--json", str(out)])
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
        for nested in value.values():
            assert_spreads(nested)
