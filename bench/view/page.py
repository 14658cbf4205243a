"""Time the page of the viewer: the first record, filters, and its bytes.

Example::

    python -m bench.view.page path/to/challenge-2020/training --json view.json

Builds a store of the records, and writes one of a million random rows. In every round a
new viewer is started, and a browser without cache opens its page: measured is the time
from the start of the navigation until the first record is drawn, and then until each
filter has been answered, rows and all counts, none of them asked before. Needs Chromium
and chromedriver.
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.common.command_line import add_count, benchmark_parser
from bench.common.records import headers_in
from bench.common.report import write_json
from bench.common.tables import print_table, spread, spread_text
from bench.common.synthetic_store import make_store
from bench.view.browser import browser, served
from ecgstore import Config, build_store

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

FILTERS: Final[dict[str, dict[str, Any]]] = {
    "class AF": {"in": {"class": ["AF"]}},
    "sex male, 40 to 60 years": {"in": {"sex": ["male"]}, "between": {"age": [40, 60]}},
    "age < 40 and fold != 9": {"query": "age < 40 and fold != 9"},
    "sex == 'female'": {"query": "sex == 'female'"},
    "a part of a name": {"search": "0012"},
}

GOALS_MS: Final = {"few": 1000, "many": 2000, "filter": 300}

_DRAWN: Final = """
addEventListener("DOMContentLoaded", async () => {
  const { app } = await import("/main.js");
  const look = () => {
    if (app.paper?.stored && app.paper.cut !== undefined)
      requestAnimationFrame(() => (window.drawn = performance.now()));
    else requestAnimationFrame(look);
  };
  look();
});
"""
"""Notes when the first record is on the screen."""

_ASK: Final = """
const [filter, done] = arguments;
const query = new URLSearchParams({ filter });
const facets = "class,source,sex,age,fold,quality,review";
const begin = performance.now();
Promise.all([
  fetch(`/api/rows?${query}&from=0&to=100&columns=age,sex,source,fold`),
  fetch(`/api/facets?${query}&facets=${facets}`),
].map(async (asked) => (await asked).json())).then(
  ([{ n_selected }]) => done([performance.now() - begin, n_selected]));
"""

_BYTES: Final = """
const files = performance.getEntriesByType("resource")
  .filter((one) => !new URL(one.name).pathname.startsWith("/api/"));
const all = [...performance.getEntriesByType("navigation"), ...files];
const sum = (name) => all.reduce((total, one) => total + one[name], 0);
return { transferred: sum("encodedBodySize"), unpacked: sum("decodedBodySize") };
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table, and write JSON if a path is given."""
    help_text = "folder with the records of the smaller store"
    parser = benchmark_parser("bench.view.page", __doc__, folder=help_text, rounds=5)
    add_count(parser, "--rows", 1_000_000, "rows of the larger store")
    parser.add_argument(
        "--scratch", type=Path, metavar="FOLDER", help="folder for both stores"
    )
    options = parser.parse_args(arguments)
    n_records = len(headers_in(options.folder))
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        folder = Path(scratch)
        stores = {f"{n_records:,} records": folder / "records.h5"}
        build_store(
            [options.folder], folder / "records.h5", Config(select="all"), quiet=True
        )
        stores[f"{options.rows:,} rows"] = folder / "rows.h5"
        make_store(folder / "rows.h5", options.rows, 64)
        with browser(1280, 900) as driver:
            report = {
                name: _measured(driver, path, options.rounds)
                for name, path in stores.items()
            }
    _print(report)
    write_json(options.json, {"rounds": options.rounds, "stores": report})


def _measured(driver: "Chrome", store: Path, rounds: int) -> dict[str, Any]:
    """Return the times of one store, and the bytes of the page."""
    first: list[float] = []
    filters: dict[str, list[float]] = {name: [] for name in FILTERS}
    selected = {}
    for _ in range(rounds):
        with served(store) as url:
            first.append(_first_record_ms(driver, url))
            for name, filter_ in FILTERS.items():
                milliseconds, selected[name] = driver.execute_async_script(
                    _ASK, json.dumps(filter_)
                )
                filters[name].append(milliseconds)
    return {
        "first_record_ms": spread(first),
        "filter_ms": {name: spread(values) for name, values in filters.items()},
        "n_selected": selected,
        "page_bytes": driver.execute_script(_BYTES),
    }


def _first_record_ms(driver: "Chrome", url: str) -> float:
    """Open the page; return the milliseconds until its first record is drawn."""
    from selenium.webdriver.support.ui import WebDriverWait

    wait = WebDriverWait(driver, 60, 0.05)
    driver.execute_cdp_cmd("Network.enable", {})
    driver.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": True})
    command = "Page.addScriptToEvaluateOnNewDocument"
    script = driver.execute_cdp_cmd(command, {"source": _DRAWN})
    try:
        driver.get(url)
        drawn: float = wait.until(
            lambda page: page.execute_script("return window.drawn")
        )
    finally:
        driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
    # Counts that are still computed would be measured with the first filter.
    counted = "return document.querySelector('.facet')"
    wait.until(lambda page: page.execute_script(counted))
    return drawn


def _print(report: dict[str, Any]) -> None:
    """Print every number with its goal."""
    rows = {}
    for name, measured in report.items():
        goal = GOALS_MS["many" if "rows" in name else "few"]
        rows[f"{name}: first record"] = [
            spread_text(measured["first_record_ms"], 0),
            f"<= {goal} ms",
        ]
        for filter_, milliseconds in measured["filter_ms"].items():
            text = spread_text(milliseconds, 0)
            rows[f"{name}: {filter_}"] = [text, f"<= {GOALS_MS['filter']} ms"]
        n_bytes = measured["page_bytes"]
        text = f"{n_bytes['transferred']:,} ({n_bytes['unpacked']:,} unpacked)"
        rows[f"{name}: bytes of the page"] = [text, "< 150,000"]
    print_table("", ["ms, median (range)", "goal"], rows)


if __name__ == "__main__":
    main()
