"""The example records of each class."""

from collections.abc import Mapping, Sequence

from ecgstore.errors import counted
from ecgstore.reports.examples import ChosenRecords
from ecgstore.reports.page import (
    EcgPicture,
    Gallery,
    Paragraph,
    Section,
)


def examples(
    chosen: Sequence[ChosenRecords], pictures: Mapping[int, EcgPicture]
) -> Section:
    """Return the example records of each class."""
    n_each = max((len(one.rows) for one in chosen), default=0)
    return Section(
        "Example records",
        [
            Paragraph(
                f"Up to {n_each} records of each class, drawn by lot from all of its "
                "records (NumPy's default generator, with a seed of 0 and the number "
                "of the class), of different patients where there are enough; nobody "
                "looked for good ones. A record can be drawn for several classes."
            ),
            Paragraph(
                "The squares are 0.2 s wide and 0.5 mV high; signals are as stored, "
                "after the filter, minus the median of each lead. Pictures are for a "
                "first look: they are smaller than paper."
            ),
        ],
        [
            Section(
                one.name,
                [
                    Paragraph(_lot_text(one)),
                    Gallery([pictures[row] for row in one.rows.tolist()]),
                ]
                if len(one.rows)
                else [Paragraph("No record is in this class.")],
            )
            for one in chosen
        ],
    )


def _lot_text(one: ChosenRecords) -> str:
    """Return how many records of a class are shown."""
    shared = (
        "no two of one patient or group"
        if one.n_groups == len(one.rows)
        else f"of {one.n_groups} patients or groups"
    )
    return f"{len(one.rows)} of {counted(one.n_records, 'record')}, {shared}."
