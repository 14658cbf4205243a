"""The benchmark of reports, with the sample."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.reports.data_set_card import CARD, GOAL_MB


def test_time_and_bytes_of_the_card_are_measured(
    run_bench: Callable[..., dict[str, Any]], sample_store: Path
) -> None:
    report = run_bench("reports.data_set_card", sample_store, "--rounds", 1)
    assert report["records"] > 0
    assert {*report["reports"]} == {CARD}
    assert report["reports"][CARD]["seconds"]["median"] > 0
    assert 10_000 < report["reports"][CARD]["bytes"] < GOAL_MB * 1e6
