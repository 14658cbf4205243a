"""Pan and zoom a record in the viewer: time of the script in each frame.

Example::

    python -m bench.view.frames --json bench/results/view-frames.json

Builds a store of the bundled sample, opens its first record in Chromium, and moves the
paper in every frame, as a person who drags and turns the wheel. Measured is the script
that draws a frame, without the browser's own work. Needs chromium and chromedriver.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import ecgstore
from bench.common.command_line import add_count, benchmark_parser
from bench.common.report import write_json
from bench.common.tables import print_table, spread, spread_text
from bench.view.browser import browser, run, served
from ecgstore.sample import sample_folder

GOAL_MS: Final = 8.0
WINDOWS: Final = ((1280, 900), (3840, 2160))
LAYOUTS: Final = ("3x4", "12x1")

MOVES: Final = {
    "pan": "paper.view.start = 2 * (1 + Math.sin(frame / 25)); paper.redraw();",
    "zoom": "paper.zoom(frame % 60 < 30 ? 1.04 : 1 / 1.04, 400);",
}
"""What happens before each frame."""

_BEGIN: Final = """
const { paper } = app;
app.state.set({ layout: arguments[0], zoom: "2" });
await new Promise((done) => setTimeout(done, 1000));
window.times = [];
const draw = Object.getPrototypeOf(paper).draw;
paper.draw = function () {
  const begin = performance.now();
  draw.call(this);
  window.times.push(performance.now() - begin);
};
"""

_FRAMES: Final = """
const { paper } = app;
for (let frame = arguments[0]; frame < arguments[1]; frame++) {
  MOVE
  await new Promise(requestAnimationFrame);
}
return window.times.splice(0);
"""

_BATCH: Final = 30
"""Frames of one call, so that none takes long; the first ones are not counted."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table, and write JSON if a path is given."""
    parser = benchmark_parser("bench.view.frames", __doc__)
    add_count(parser, "--frames", 300, "frames of each kind")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "sample.h5"
        ecgstore.build_store([sample_folder()], path, n_workers=1, quiet=True)
        with served(path) as url:
            frames = [_measured(url, size, options.frames) for size in WINDOWS]
    report = {name: ms for of_window in frames for name, ms in of_window.items()}
    rows = {
        name: [spread_text(found["ms"], 2), f"{found['within_goal']:.1%}"]
        for name, found in report.items()
    }
    columns = ["ms of script a frame, median (range)", f"within {GOAL_MS:g} ms"]
    print_table("", columns, rows)
    write_json(options.json, {"frames": options.frames, "moves": report})


def _measured(url: str, size: tuple[int, int], n_frames: int) -> dict[str, Any]:
    """Return the times of all layouts and moves in a window of a size."""
    report = {}
    with browser(*size) as driver:
        driver.get(url)
        run(
            driver,
            "while (!app.paper?.layout)"
            " await new Promise((done) => setTimeout(done, 50));",
        )
        for layout in LAYOUTS:
            for name, move in MOVES.items():
                run(driver, _BEGIN, layout)
                script = _FRAMES.replace("MOVE", move)
                batches = [
                    run(driver, script, begin, min(begin + _BATCH, n_frames))
                    for begin in (0, *range(0, n_frames, _BATCH))
                ]
                times = [ms for batch in batches[1:] for ms in batch]
                width, height = size
                report[f"{name}, {layout}, {width} x {height}"] = {
                    "ms": spread(times),
                    "within_goal": sum(ms <= GOAL_MS for ms in times) / len(times),
                }
    return report


if __name__ == "__main__":
    main()
