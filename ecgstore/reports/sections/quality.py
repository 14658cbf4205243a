"""The quality of the signals, records left out, and the review of the labels."""

from typing import Final

from ecgstore.errors import counted
from ecgstore.reasons import Reason
from ecgstore.reports import drawings
from ecgstore.reports.facts import StoreFacts
from ecgstore.reports.figures import inline_svg
from ecgstore.reports.page import (
    Block,
    Cell,
    Figure,
    Paragraph,
    Section,
    Share,
    Table,
)
from ecgstore.storage import Store

_FLAG_TEXTS: Final = {
    "flat_fraction": "flat",
    "clipped_fraction": "clipped",
    "missing_fraction": "samples missing, interpolated",
    "saturated_fraction": "beyond the range of int16",
    "missing_leads": "lead missing, stored as zeros",
}


def quality(store: Store, facts: StoreFacts) -> Section:
    """Return flags and indices of quality, and the status of the beats."""
    n_records = max(len(store), 1)
    flags: list[list[Cell]] = [
        [name, n, Share(n / n_records)] for name, n in facts.summary["flags"].items()
    ]
    if facts.n_copies:
        n = facts.n_copies
        flags.append(["the same ECG is in an earlier record", n, Share(n / n_records)])
    blocks: list[Block] = [
        Table("Records with a flag", ["flag", "records", "of all"], flags)
        if flags
        else Paragraph("No record has a flag: none is flat, clipped or padded.")
    ]
    if facts.flags_of_leads:
        rows: list[list[Cell]] = [
            [_FLAG_TEXTS[name], *counts]
            for name, counts in facts.flags_of_leads.items()
        ]
        blocks.append(
            Table("Records with a problem, by lead", ["problem", *store.leads], rows)
        )
    if facts.indices:
        quantiles: list[list[Cell]] = [
            [index.name, index.unit, *index.quantiles, index.definition]
            for index in facts.indices
        ]
        which = (
            "all records"
            if facts.n_summarised == len(store)
            else f"{facts.n_summarised:,} of {len(store):,} records, evenly spread"
        )
        blocks += [
            Figure(
                inline_svg(
                    drawings.index_distributions(facts.indices),
                    "Distributions of the indices of quality",
                    "Histograms; the table below has the quantiles.",
                    4,
                ),
                f"Indices of signal quality in {which}: from the 0.5 to the 99.5 % "
                "quantile; of indices of leads, all leads.",
            ),
            Table(
                f"Quantiles of the indices, of {which}",
                ["index", "unit", "5 %", "25 %", "50 %", "75 %", "95 %", "definition"],
                quantiles,
            ),
        ]
    beats: list[list[Cell]] = [
        [name, n, Share(n / n_records)] for name, n in facts.summary["beats"].items()
    ]
    engine = facts.summary["beats_engine"]
    blocks.append(
        Paragraph("Beats and waves were not computed.")
        if engine == "none"
        else Table(
            f"Records by status of the beats, found by the engine {engine}",
            ["status", "records", "of all"],
            beats,
        )
    )
    if facts.summary["targets"]:
        targets: list[list[Cell]] = [
            [name, n, len(store) - n] for name, n in facts.summary["targets"].items()
        ]
        blocks.append(
            Table("Targets", ["target", "records with a value", "without"], targets)
        )
    return Section("Quality", blocks)


def left_out(facts: StoreFacts) -> Section:
    """Return the selected records that could not be stored."""
    if not facts.quarantine:
        return Section(
            "Records left out",
            [Paragraph("No selected record was left out: the quarantine is empty.")],
        )
    words = {str(reason): reason.description for reason in Reason}
    rows: list[list[Cell]] = [
        [reason, words.get(reason), source, n]
        for (reason, source), n in sorted(
            facts.quarantine.items(), key=lambda item: (-item[1], item[0])
        )
    ]
    total = sum(facts.quarantine.values())
    return Section(
        "Records left out",
        [
            Table(
                f"Quarantine: {counted(total, 'selected record')} left out",
                ["reason", "in words", "source", "records"],
                rows,
                "ecgstore info STORE --quarantine lists them.",
            )
        ],
    )


def review(facts: StoreFacts) -> list[Section]:
    """Return the decisions of a review of the labels, if there is one."""
    if not facts.reviews:
        return []
    total = facts.summary["n_records"]
    rows: list[list[Cell]] = [
        [name, n, Share(n / total)] for name, n in facts.reviews.items()
    ]
    rest = total - sum(facts.reviews.values())
    rows.append(["not reviewed", rest, Share(rest / total)])
    return [
        Section(
            "Review of the labels",
            [Table("Records by decision", ["decision", "records", "of all"], rows)],
        )
    ]
