"""The folds of a data set, and whether they are separate."""

from typing import Final

from ecgstore.errors import counted
from ecgstore.reports.facts import StoreFacts
from ecgstore.reports.page import (
    Block,
    Cell,
    Paragraph,
    Section,
    Table,
)
from ecgstore.storage import Store

_MOST_CLASSES_BY_FOLD: Final = 12
"""Rows and columns of tables that would else be longer or wider than a page."""


def folds(store: Store, facts: StoreFacts) -> Section:
    """Return what is in each fold, and whether folds are separate."""
    names = store.label_names
    shown = names if len(names) <= _MOST_CLASSES_BY_FOLD else ()
    rows: list[list[Cell]] = [
        [
            fold.number,
            fold.n_records,
            fold.n_patients,
            fold.n_unknown,
            *(fold.class_counts if shown else ()),
        ]
        for fold in facts.folds
    ]
    check = (
        f"Checked: none of the {counted(facts.n_groups, 'group')} of records that "
        "belong together (those of one patient, those with the same ECG, and those of "
        "unknown patients in sources that have several records of a patient) is in two "
        "folds."
        if not facts.n_divided_groups
        else f"Warning: {facts.n_divided_groups:,} of "
        f"{counted(facts.n_groups, 'group')} of records that belong together are in "
        "several folds; build the store again before models are compared on it."
    )
    note = (
        "Records of an unknown patient may be of a patient in another fold, unless "
        "they are grouped."
        if facts.n_unknown
        else ""
    )
    blocks: list[Block] = [
        Table(
            "Records, patients and classes by fold",
            [
                "fold",
                "records",
                "known patients",
                "records of unknown patients",
                *shown,
            ],
            rows,
            note,
        ),
        Paragraph(check),
    ]
    if not shown and names:
        blocks.append(_classes_by_fold(store, facts))
    return Section("Folds", blocks)


def _classes_by_fold(store: Store, facts: StoreFacts) -> Table:
    """Return the records of each class by fold, a row for each class."""
    rows: list[list[Cell]] = [
        [name, *(fold.class_counts[number] for fold in facts.folds)]
        for number, name in enumerate(store.label_names)
    ]
    heads = [f"fold {fold.number}" for fold in facts.folds]
    return Table("Records of each class by fold", ["class", *heads], rows)
