"""The table of features as a Markdown page."""

from typing import Final

from ecgstore.features.feature import FeatureGroup
from ecgstore.features.table import FEATURES, GROUPS
from ecgstore.record import LEADS

_INTRODUCTION: Final = """\
# Handcrafted features

`/features` holds these {n} values per record as float32, in this order. They are
computed from the filtered signal without its padding.

**Undefined values are NaN, never an exception**, and only these are: the last column
says when. A record without beats has counts of 0 and spectra, and NaN for the rest; one
whose beats were not computed has NaN throughout.

**The range is where values are plausible.** A value outside is kept as it was computed:
it may be a rare heart or a mark at the wrong place, and how much of either to put up
with is for the user to say. Ratios, angles and flags cannot leave theirs.
"""


def markdown() -> str:
    """Return the table as a Markdown page.

    Examples
    --------
    >>> markdown().splitlines()[0]
    '# Handcrafted features'
    """
    sections = (_section(group) for group in GROUPS)
    return "\n".join([_INTRODUCTION.format(n=len(FEATURES)), *sections])


def range_text(valid_range: tuple[float, float]) -> str:
    """Return a range in words.

    Examples
    --------
    >>> range_text((-0.5, 1800))
    '-0.5 to 1800'
    """
    low, high = valid_range
    return f"{low:g} to {high:g}"


def _section(group: FeatureGroup) -> str:
    """Return one group of features as a section of the page."""
    n_shown = len(group.definitions)
    rows = []
    for each in group.features[:n_shown]:
        cells = (
            f"`{each.name}`",
            each.unit,
            each.formula,
            each.source,
            range_text(each.valid_range),
            each.undefined,
        )
        escaped = (cell.replace("|", "\\|") for cell in cells)
        rows.append(f"| {' | '.join(escaped)} |")
    lines = [
        f"## {group.title}",
        "",
        group.notes,
        f"Computed by `{group.function}`.",
        "",
        "| name | unit | formula | source | range | NaN |",
        "|---|---|---|---|---|---|",
        *rows,
    ]
    if group.per_lead:
        lines += [
            "",
            f"They are followed by the same {n_shown} features of each lead, "
            f"`LEAD_name` such as `{group.features[n_shown].name}`, in the order of "
            f"the leads: {', '.join(LEADS)}.",
        ]
    return "\n".join(lines) + "\n"
