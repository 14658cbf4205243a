"""The documentation of the features as a Markdown page."""

from typing import Final

from ecgstore.config import Config
from ecgstore.features.feature import FeatureGroup
from ecgstore.features.table import FEATURES, GROUPS, defined_features
from ecgstore.record import LEADS

_INTRODUCTION: Final = """\
# Handcrafted features

`/features` holds these {n} values per record as float32, in this order, except for
features that no record of the store can have, because they need a longer signal or a
higher sampling rate, or are those of a lead that the store has not. A store of the
default 10 s leaves out {left_out}; the attribute `names` lists the columns. They are
computed from the filtered signal without its padding.

**Undefined values are NaN**; no feature raises an exception. The last column says when
a value is undefined. In a record without beats, counts are 0, spectral features have
values, and all other features are NaN. If beats were not computed (`--beats none`), all
features are NaN.

**The range holds the plausible values.** A value outside is stored as computed, since
it may be a rare but correct one or due to a misplaced mark; whether to exclude it is
the user's decision. Ratios, angles and flags always lie in their range.
"""


def markdown() -> str:
    """Return the documentation of all features as a Markdown page.

    Examples
    --------
    >>> markdown().splitlines()[0]
    '# Handcrafted features'
    """
    sections = (_section(group) for group in GROUPS)
    return "\n".join([_introduction(), *sections])


def _introduction() -> str:
    """Return the beginning of the page."""
    config = Config()
    kept = defined_features(config.duration_s, config.fs)
    left_out = [f"`{feature.name}`" for feature in FEATURES if feature not in kept]
    return _INTRODUCTION.format(n=len(FEATURES), left_out=" and ".join(left_out))


def range_text(valid_range: tuple[float, float]) -> str:
    """Return a range as text.

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
    shown = group.features[:n_shown]
    rows = []
    for feature in shown:
        cells = (
            f"`{feature.name}`",
            feature.unit,
            feature.formula,
            feature.source,
            range_text(feature.valid_range),
            feature.undefined,
        )
        escaped = (cell.replace("|", "\\|") for cell in cells)
        rows.append(f"| {' | '.join(escaped)} |")
    functions = dict.fromkeys(feature.function for feature in shown)  # keeps the order
    lines = [
        f"## {group.title}",
        "",
        group.notes,
        f"Computed by {' and '.join(f'`{name}`' for name in functions)}.",
        "",
        "| name | unit | formula | source | range | NaN |",
        "|---|---|---|---|---|---|",
        *rows,
    ]
    if group.per_lead:
        lines += [
            "",
            f"The same {n_shown} features of each lead follow, named "
            f"`LEAD_name`, such as `{group.features[n_shown].name}`, in the order "
            f"{', '.join(LEADS)}.",
        ]
    return "\n".join(lines) + "\n"
