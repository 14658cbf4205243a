"""Print the summary of a store."""

from typing import Any

from ecgstore.cli.output import echo
from ecgstore.cli.tables import print_counts, print_table
from ecgstore.errors import counted
from ecgstore.record import LEADS


def print_summary(summary: dict[str, Any]) -> None:
    """Print the result of `ecgstore.storage.summary.summarise`."""
    shape = " x ".join(map(str, summary["signals"]["shape"]))
    echo(
        f"{summary['path']}: {counted(summary['n_records'], 'record')}, "
        f"{summary['size_bytes'] / 1e6:.1f} MB"
    )
    if summary["parts"]:
        echo(
            f"  a collection of {counted(len(summary['parts']), 'store')}: "
            f"{', '.join(summary['parts'])}"
        )
    echo(
        f"  signals {shape} {summary['signals']['dtype']}, "
        f"{summary['signals']['fs']:g} Hz, "
        f"{summary['n_features']} features, made by {summary['software']}"
    )
    if summary["leads"] != [*LEADS]:
        echo(f"  leads {', '.join(summary['leads'])}")
    engine = summary["beats_engine"]
    by = "not computed" if engine == "none" else f"by the engine {engine}"
    echo(f"  beats and waves {by}")
    echo(f"  fingerprint {summary['fingerprint']}")
    transfers = summary.get("transfers")
    if transfers is not None:
        again = f", {transfers['n_repeated']} repeated" * bool(transfers["n_repeated"])
        echo(
            f"  transferred {transfers['n_bytes'] / 1e6:.1f} MB in "
            f"{counted(transfers['n_requests'], 'request')}{again}"
        )
    if summary["labels_beside"]:
        echo("  labels in a file beside the store replace those of its build")
    print_counts("records by source:", summary["sources"])
    print_counts("records by class (one record can be in several):", summary["classes"])
    print_counts("records with a value of each target:", summary["targets"])
    echo("records by fold:")
    print_table(
        ["fold", "records", *summary["classes"]],
        [
            [fold, counts["records"], *counts["classes"].values()]
            for fold, counts in summary["folds"].items()
        ],
    )
    print_counts("records with a flag (see docs/format.md):", summary["flags"])
    print_counts("beats by status:", summary["beats"])
    print_counts("quarantine by reason:", summary["quarantine"])
    if summary["review"] is not None:
        path, *counts = summary["review"].items()
        shown = {name.replace("_", " "): count for name, count in counts if count}
        print_counts(f"decisions of the label round ({path[1]}):", shown)
