"""The benchmark of the viewer, with a few frames."""

import shutil
from collections.abc import Callable
from typing import Any

import pytest

from bench.view.frames import LAYOUTS, MOVES, WINDOWS


@pytest.mark.skipif(
    shutil.which("chromium") is None or shutil.which("chromedriver") is None,
    reason="no chromium and chromedriver on this machine",
)
def test_every_layout_and_move_is_timed(
    run_bench: Callable[..., dict[str, Any]],
) -> None:
    report = run_bench("view.frames", "--frames", "3")
    assert report["frames"] == 3
    assert set(report["moves"]) == {
        f"{move}, {layout}, {width} x {height}"
        for width, height in WINDOWS
        for layout in LAYOUTS
        for move in MOVES
    }
