"""The benchmark of the viewer's page, with a few records."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.view.page import FILTERS


@pytest.mark.skipif(
    shutil.which("chromium") is None or shutil.which("chromedriver") is None,
    reason="no chromium and chromedriver on this machine",
)
def test_first_record_filters_and_bytes_are_measured(
    run_bench: Callable[..., dict[str, Any]], dozen_records: Path, tmp_path: Path
) -> None:
    options = ("--rows", 100, "--rounds", 1, "--scratch", tmp_path)
    report = run_bench("view.page", dozen_records, *options)
    few, many = report["stores"].values()
    for measured in (few, many):
        assert measured["first_record_ms"]["median"] > 0
        assert {*measured["filter_ms"]} == {*FILTERS}
        assert 0 < measured["page_bytes"]["transferred"] < 150_000
    assert 0 < many["n_selected"]["class AF"] < 100
