"""The benchmark of large stores, with a few rows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ecgstore
from bench.storage.large_store import GOALS_MS, OPERATIONS, WHOLE
from bench.common.synthetic_store import SOURCES, make_store


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="measures memory through /proc"
)
def test_every_operation_is_timed(
    run_bench: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    options = ("--rows", 200, "--features", 3, "--rounds", 1, "--scratch", tmp_path)
    report = run_bench("storage.large_store", *options, "--whole")
    assert {*OPERATIONS, *WHOLE, *GOALS_MS} <= set(report["ms"])
    assert set(report["peak_mb"]) == {*OPERATIONS, *WHOLE}
    assert 0 < report["state_bytes"] < 1000
    assert report["rows"] == 200


def test_a_synthetic_store_has_the_order_of_a_build(tmp_path: Path) -> None:
    path = tmp_path / "store.h5"
    make_store(path, 500, 2)
    with ecgstore.open(path) as store:
        names = store.column("record_id").tolist()
        sources = store.column("source").tolist()
        assert sorted(zip(sources, names, strict=True)) == [
            *zip(sources, names, strict=True)
        ]
        assert set(sources) == set(SOURCES)
        assert store[names[7]].signal.max() == 0
        assert 0 < len(store.select(query="mean_hr > 90 and age < 60")) < 500
    assert path.stat().st_blocks * 512 < path.stat().st_size / 2
