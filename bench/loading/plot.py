"""Draw the throughput of loaders as bars."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.loading.measurements import CONSUMERS, MEMCPY, PREADV
from bench.loading.registry import ECGSTORE

_COLOURS: Final = {True: ("#f2b880", "#d9741a"), False: ("#b8c4d0", "#6b7f94")}
"""Of ecgstore and of the others: idle consumer, consumer that reads."""

_BAR: Final = 0.38


def plot(results: Mapping[str, Any], path: Path) -> None:
    """Draw the rates of all workloads as horizontal bars, a panel for each workload.

    Parameters
    ----------
    results : Mapping
        Results of `bench.loading.loaders` or `bench.loading.compare_peers`.
    path : Path
        The PNG file to write.
    """
    panels = _panels(results)
    if not panels:
        return
    columns = min(2, len(panels))
    n_rows = -(-len(panels) // columns)
    n_bars = max(len(panel["rows"]) for panel in panels)
    size = (8.0 * columns, n_rows * (1.2 + 0.42 * n_bars))
    figure = Figure(figsize=size, layout="constrained")
    all_axes = figure.subplots(n_rows, columns, squeeze=False).ravel()
    for axes, panel in zip(all_axes, panels, strict=False):
        _draw(axes, panel)
    for axes in all_axes[len(panels) :]:
        axes.axis("off")
    figure.suptitle(
        f"Loading {results['rows']:,} 12-lead ECGs in batches of "
        f"{results['batch_size']}, {results['processor']}, {results['cores']} cores; "
        f"medians of {results['rounds']} rounds, whiskers: range",
        fontsize=11,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _panels(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return title, unit and rows of every panel."""
    throughput = dict(results.get("throughput", {}))
    if "large" in results:
        throughput[f"shuffled int16, {results['large_rows']:,} rows"] = results["large"]
    panels = [
        {
            "title": workload,
            "unit": "% of memcpy",
            "key": "percent_of_memcpy",
            "rows": {
                name: [consumers[consumer][name] for consumer in CONSUMERS]
                for name in consumers[next(iter(CONSUMERS))]
                if name != MEMCPY
            },
        }
        for workload, consumers in throughput.items()
    ]
    if "cold" in results:
        panels.append(
            {
                "title": "shuffled int16, cold disk",
                "unit": f"% of {PREADV}",
                "key": "percent_of_readers",
                "rows": {
                    name: [row]
                    for name, row in results["cold"].items()
                    if name != PREADV
                },
            }
        )
    return panels


def _draw(axes: Axes, panel: Mapping[str, Any]) -> None:
    """Draw one panel: the fastest at the top."""
    key, n_consumers = panel["key"], len(next(iter(panel["rows"].values())))
    ranked = sorted(panel["rows"].items(), key=lambda item: item[1][-1][key]["median"])
    for position, (name, rows) in enumerate(ranked):
        for number, row in enumerate(rows):
            percent, rate = row[key], row["records_per_s"]["median"]
            height = position + _BAR * ((n_consumers - 1) / 2 - number)
            below = percent["median"] - percent["min"]
            above = percent["max"] - percent["median"]
            axes.barh(
                height,
                percent["median"],
                _BAR,
                color=_COLOURS[name == ECGSTORE][number - n_consumers],
                xerr=[[below], [above]],
                error_kw={"elinewidth": 0.8, "ecolor": "#303030"},
            )
            text = f" {percent['median']:.0f} %, {rate:,.0f}/s"
            axes.annotate(
                text,
                (percent["max"], height),
                xytext=(2, 0),
                textcoords="offset points",
                va="center",
                fontsize=7.5,
            )
    axes.axvline(100, color="#303030", linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(ranked)), [name for name, _ in ranked], fontsize=8.5)
    axes.set_xlabel(panel["unit"], fontsize=8.5)
    widest = max(row[key]["max"] for rows in panel["rows"].values() for row in rows)
    axes.set_xlim(0, 1.3 * max(100.0, widest))
    axes.set_title(panel["title"], fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    if n_consumers > 1:
        axes.text(
            0.99,
            0.03,
            "light: idle consumer\ndark: consumer reads every byte",
            transform=axes.transAxes,
            ha="right",
            fontsize=7.5,
        )
