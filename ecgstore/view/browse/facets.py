"""Counts of what is selected, by the values of columns."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from ecgstore.arrays import BoolArray, IntArray
from ecgstore.diagnoses import diagnoses
from ecgstore.view.browse.browsing import CLASS, DIAGNOSIS, FLAG, Browsing
from ecgstore.view.browse.filters import Filter

MOST_FACETS: Final = 40
_MOST_BARS: Final = 50

_TITLES: Final = {
    CLASS: "Class",
    DIAGNOSIS: "Diagnosis",
    FLAG: "Quality",
    "source": "Source",
    "sex": "Sex",
    "age": "Age",
    "fold": "Fold",
    "beats_status": "Beats",
    "review": "Review",
}
_CATEGORIES: Final = ("fold",)
"""Columns of numbers that stand for something else."""


def facets(
    browsing: Browsing, filter_: Filter, names: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the counts of some facets.

    Each is counted among what all other conditions select, so that a further value can
    be added to its own.
    """
    columns = browsing.columns()
    found = []
    for name in names:
        mask = browsing.mask(filter_, without=name)
        column = columns.get(name)
        is_number = column is not None and column.kind == "number"
        if is_number and name not in _CATEGORIES and name != "beats_status":
            unit = column.unit if column is not None else None
            found.append(_numbers(browsing, name, unit, mask))
        else:
            found.append(_categories(browsing, filter_, name, mask))
    return found


def _numbers(
    browsing: Browsing, name: str, unit: str | None, mask: BoolArray | None
) -> dict[str, Any]:
    """Return a histogram."""
    bins = browsing.bins(name)
    n_all = bins.of_all
    n = n_all if mask is None else bins.counts(mask)
    edges = bins.edges.tolist()
    return {
        "name": name,
        "title": _TITLES.get(name, name),
        "kind": "numbers",
        "unit": unit,
        "bars": [
            {"low": edges[k], "high": edges[k + 1], "n": n[k], "n_all": n_all[k]}
            for k in range(len(edges) - 1)
        ],
        "n_missing": n[-1],
    }


def _categories(
    browsing: Browsing, filter_: Filter, name: str, mask: BoolArray | None
) -> dict[str, Any]:
    """Return the counts of values, those that are most frequent."""
    grouping = browsing.grouping(name)
    n_all = grouping.of_all
    n = n_all if mask is None else grouping.counts(mask)
    wanted = set(filter_.among.get(name, ()))
    numbers = [*_most_frequent(n, n_all)]
    if wanted:
        known = set(numbers)
        numbers += [
            k
            for k, value in enumerate(grouping.values)
            if value in wanted and k not in known
        ]
    if name not in (CLASS, DIAGNOSIS, FLAG):
        numbers.sort()
    texts = _texts(browsing, name)
    return {
        "name": name,
        "title": _TITLES.get(name, name),
        "kind": "categories",
        "bars": [
            {
                "value": value,
                "text": texts.get(value) or value or _nothing(name),
                "n": n[k],
                "n_all": n_all[k],
            }
            for k, value in ((k, grouping.values[k]) for k in numbers)
        ],
        "n_others": len(grouping.values) - len(numbers),
    }


def _most_frequent(n: IntArray, n_all: IntArray) -> Iterator[int]:
    """Yield the numbers of the values of most records, those selected first."""
    order = np.lexsort((np.arange(len(n)), -n_all, -n))[:_MOST_BARS]
    yield from (int(k) for k in order if n_all[k])


def _texts(browsing: Browsing, name: str) -> dict[str, str]:
    """Return values in words, where they are abbreviations."""
    if name == CLASS:
        classes = browsing.store.config.classes.classes
        return {
            one.name: f"{one.name}: {one.description}" if one.description else one.name
            for one in classes
        }
    if name == DIAGNOSIS:
        return {code: one.name for code, one in diagnoses().items()}
    return {}


def _nothing(name: str) -> str:
    """Return the words for no value."""
    words = {
        CLASS: "in no class",
        FLAG: "no flag",
        DIAGNOSIS: "no code",
        "review": "not reviewed",
    }
    return words.get(name, "not given")
