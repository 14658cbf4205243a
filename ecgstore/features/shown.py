"""Values and units of features, and of age and sex, as readers see them."""

import math
from typing import Final

from ecgstore.features.normal_ranges import NORMAL_RANGES
from ecgstore.features.table import FEATURES

SEXES: Final = {0.0: "male", 1.0: "female"}
"""What the numbers of the column "sex" mean."""

_DIGITS: Final = 3
_MOST_DIGITS: Final = 9


def unit_of(name: str) -> str | None:
    """Return the unit of a column by its definition; None if it has none.

    Examples
    --------
    >>> unit_of("pr_interval_ms"), unit_of("age"), unit_of("sex")
    ('ms', 'years', None)
    """
    units = {feature.name: feature.unit for feature in FEATURES} | {"age": "years"}
    return units.get(name)


def value_text(name: str, value: float) -> str:
    """Return the value of a column for readers, without its unit.

    There are as many digits as needed to see on which side of the normal range it is.

    Examples
    --------
    >>> [value_text("qrs_duration_ms", value) for value in (99.96, 110.0, 110.2)]
    ['100', '110', '110.2']
    >>> value_text("sex", 1.0), value_text("age", math.nan)
    ('female', 'undefined')
    """
    if math.isnan(value):
        return "undefined"
    if name == "sex":
        return SEXES.get(value, f"{value:g}")
    range_ = NORMAL_RANGES.get(name)
    before_point = len(f"{abs(value):.0f}")
    for digits in range(max(_DIGITS, before_point), _MOST_DIGITS):
        text = f"{value:.{digits}g}"
        if range_ is None or range_.side(float(text)) == range_.side(value):
            return text
    return f"{value:.{_MOST_DIGITS}g}"
