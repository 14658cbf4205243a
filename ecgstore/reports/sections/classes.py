"""The classes of a data set: numbers, records in several, codes."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from ecgstore.diagnoses import diagnoses, scp_statements
from ecgstore.errors import counted
from ecgstore.reports import drawings
from ecgstore.reports.facts import SourceFacts, StoreFacts
from ecgstore.reports.figures import inline_svg
from ecgstore.reports.page import (
    Block,
    Cell,
    Figure,
    Section,
    Share,
    Table,
)
from ecgstore.storage import Store

_MOST_SOURCES: Final = 7
"""Sources with a column of their own; the others are added up."""

_MOST_CODES: Final = 30
_MOST_CLASSES_IN_MATRIX: Final = 12
_MOST_PAIRS: Final = 25
"""Rows and columns of tables that would else be longer or wider than a page."""

_OTHERS: Final = "all others"


def classes(store: Store, facts: StoreFacts) -> Section:
    """Return the numbers of records of each class, and in several classes."""
    names = store.label_names
    by_source = _by_source(facts.sources)
    total = max(len(store), 1)
    rows: list[list[Cell]] = []
    for number, class_ in enumerate(store.config.classes.classes):
        n = int(facts.together[number, number])
        rows.append(
            [
                class_.name,
                class_.description or None,
                n,
                Share(n / total),
                *(counts[number] for counts in by_source.values()),
            ]
        )
    codes: list[list[Cell]] = [
        [class_.name, ", ".join(class_.codes)]
        for class_ in store.config.classes.classes
    ]
    several: list[list[Cell]] = [
        [f"{number} {'class' if number == 1 else 'classes'}", n, Share(n / total)]
        for number, n in enumerate(facts.n_by_classes)
    ]
    blocks: list[Block] = [
        Figure(
            inline_svg(
                drawings.classes_by_source(names, by_source),
                "Records by class and source",
                "Bars of the numbers in the table of classes below.",
                1,
            ),
            "Records by class, divided by source. A record can be in several classes.",
        ),
        Table(
            f"Records by class and source, of {len(store):,}",
            ["class", "in words", "records", "of all", *by_source],
            rows,
        ),
        Table("Records by number of classes", ["in", "records", "of all"], several),
        *_together(store, facts),
        Table("Codes of the classes", ["class", "codes"], codes),
        _codes(store, facts),
    ]
    return Section("Classes", blocks)


def _by_source(sources: Sequence[SourceFacts]) -> dict[str, Sequence[int]]:
    """Return the records of each class by source: of the largest ones, and the rest."""
    largest = sorted(sources, key=lambda source: (-source.n_records, source.name))
    shown = largest if len(largest) <= _MOST_SOURCES + 1 else largest[:_MOST_SOURCES]
    found: dict[str, Sequence[int]] = {
        source.name: source.class_counts for source in shown
    }
    rest = largest[len(shown) :]
    if rest:
        counts = np.array([source.class_counts for source in rest])
        found[f"{_OTHERS} ({len(rest)})"] = counts.sum(axis=0).tolist()
    return found


def _together(store: Store, facts: StoreFacts) -> list[Block]:
    """Return the records in two classes, as a figure and as a table."""
    names, together = store.label_names, facts.together
    if len(names) < 2:
        return []
    blocks: list[Block] = [
        Figure(
            inline_svg(
                drawings.classes_together(names, together),
                "Records in two classes",
                "Cells that are darker where more of the class of the row is also in "
                "the class of the column; the table has the numbers.",
                2,
            ),
            "Records in both classes; the colour is the part of the class at the left "
            "that is also in the class above. On the diagonal: all records of a class.",
        )
    ]
    if len(names) <= _MOST_CLASSES_IN_MATRIX:
        rows: list[list[Cell]] = [
            [name, *together[number].tolist()] for number, name in enumerate(names)
        ]
        blocks.append(Table("Records in both classes", ["class", *names], rows))
        return blocks
    first, second = np.triu_indices(len(names), 1)
    order = np.argsort(-together[first, second], kind="stable")[:_MOST_PAIRS]
    pairs: list[list[Cell]] = []
    for one, other in zip(first[order].tolist(), second[order].tolist(), strict=True):
        n = int(together[one, other])
        if n:
            pairs.append(
                [
                    f"{names[one]} and {names[other]}",
                    n,
                    Share(n / int(together[one, one])),
                    Share(n / int(together[other, other])),
                ]
            )
    blocks.append(
        Table(
            f"The {len(pairs)} most frequent pairs of classes",
            ["classes", "records", "of the first", "of the second"],
            pairs,
        )
    )
    return blocks


def _codes(store: Store, facts: StoreFacts) -> Table:
    """Return the most frequent diagnosis codes, also those of no class."""
    names = {
        **{code: one.name for code, one in diagnoses().items()},
        **{code: one.name for code, one in scp_statements().items()},
    }
    columns = store.config.classes.columns
    rows: list[list[Cell]] = []
    for code, n in facts.codes[:_MOST_CODES]:
        class_ = store.label_names[columns[code]] if code in columns else None
        rows.append([code, names.get(code), class_, n, Share(n / max(len(store), 1))])
    all_codes = counted(len(facts.codes), "code")
    shown = len(rows)
    return Table(
        f"Diagnosis codes of the records: {shown} of {all_codes}, the most frequent "
        "first",
        ["code", "in words", "class", "records", "of all"],
        rows,
        "Codes are SNOMED CT if they are digits, else as the tables of labels wrote "
        "them.",
    )
