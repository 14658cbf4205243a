"""Ages and sexes of a data set, and the recordings that its records are from."""

from typing import Final

from ecgstore.errors import counted
from ecgstore.reports import drawings
from ecgstore.reports.facts import AGE_STEP, OLDEST, StoreFacts
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
from ecgstore.reports.sections.overview import listed_sources
from ecgstore.storage import Store

_MOST_RATES: Final = 20
"""Sampling rates of a source that are listed, the most frequent first."""


def people(facts: StoreFacts) -> Section:
    """Return ages and sexes."""
    n_records = max(facts.summary["n_records"], 1)
    begins = range(0, OLDEST + 1, AGE_STEP)
    sexes = [
        sex for sex in facts.ages if sum(facts.ages[sex]) + facts.n_without_age[sex]
    ]
    rows: list[list[Cell]] = []
    for number, begin in enumerate(begins):
        counts = [facts.ages[sex][number] for sex in sexes]
        text = f"{begin}-{begin + AGE_STEP - 1}" if begin < OLDEST else f"{OLDEST}+"
        rows.append([f"{text} years", *counts, sum(counts)])
    without = [facts.n_without_age[sex] for sex in sexes]
    rows.append(["age unknown", *without, sum(without)])
    of_sexes: list[list[Cell]] = [
        [sex or "unknown", n, Share(n / n_records)]
        for sex, n in sorted(facts.sexes.items(), key=lambda item: -item[1])
    ]
    low, _, median, _, high = facts.age_quantiles
    blocks: list[Block] = []
    if median == median:
        blocks += [
            Figure(
                inline_svg(
                    drawings.ages_by_sex(facts.ages),
                    "Ages by sex",
                    "Bars of the numbers in the table of ages below.",
                    3,
                ),
                "Records by age and sex, where the age is known.",
            ),
            Paragraph(
                f"The median age is {median:.0f} years; nine in ten ages are from "
                f"{low:.0f} to {high:.0f}. Records count, not patients."
            ),
        ]
    blocks += [
        Table("Records by age and sex", ["age", *sexes, "all"], rows),
        Table("Records by sex, as stored", ["sex", "records", "of all"], of_sexes),
    ]
    return Section("Ages and sexes", blocks)


def recordings(store: Store, facts: StoreFacts) -> Section:
    """Return sampling rates and lengths of the files."""
    rows: list[list[Cell]] = []
    for source in listed_sources(facts):
        low, median, high = source.seconds
        frequent = sorted(source.rates.items(), key=lambda item: -item[1])
        rest = len(frequent[_MOST_RATES:])
        rates = ", ".join(f"{rate} Hz ({n:,})" for rate, n in frequent[:_MOST_RATES])
        if rest:
            rates += f" and {rest} other{'s' * (rest > 1)}"
        rows.append([source.name, rates, low, median, high, source.n_longer])
    n_padded = facts.summary["flags"].get("shorter than stored, padded", 0)
    windows = store.config.windows
    how = (
        f"divided into windows ({windows}), a row for each"
        if windows
        else f"cut after {store.config.duration_s:g} s"
    )
    return Section(
        "Rates and lengths of the recordings",
        [
            Table(
                "Files of the records by source, before they were stored",
                [
                    "source",
                    "sampling rate (records)",
                    "shortest in s",
                    "median in s",
                    "longest in s",
                    "longer than stored",
                ],
                rows,
            ),
            Paragraph(
                f"All records are stored at {store.fs:g} Hz. Longer ones are {how}; "
                f"{counted(n_padded, 'shorter one')} "
                f"{'was' if n_padded == 1 else 'were'} padded with zeros at the end, "
                "which features, beats and quality never look at."
            ),
        ],
    )
