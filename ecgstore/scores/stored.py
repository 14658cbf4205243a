"""Scores read again from JSON files that may come from anyone."""

import math
from itertools import combinations
from typing import Final

from ecgstore.errors import SchemaError
from ecgstore.scores.bootstrap import BootstrapResult, Estimate
from ecgstore.scores.table import CLASS_SCORES, SCORES
from ecgstore.system.json_files import JsonValue

TOLERANCE: Final = 1e-9
"""Largest difference between a stored score and one computed again: other machines may
add numbers in another order."""

_MOST_RECORDS: Final = 10**9
_MOST_CLASSES: Final = 1000
_MOST_PAIRS: Final = 10_000


def stored_result(
    stored: JsonValue, names: tuple[str, ...], n_classes: int
) -> BootstrapResult:
    """Return what `BootstrapResult.to_dict` has written.

    Parameters
    ----------
    stored : JsonValue
        The object in the file.
    names : tuple of str
        The names that it must have.
    n_classes : int
        The number of classes.

    Raises
    ------
    SchemaError
        If it is no such object.
    """
    if stored["names"].texts(len(names)) != names:
        stored["names"].refuse(", ".join(names))
    pairs = {
        (one["first"].text(), one["second"].text()): one
        for one in stored["differences"].elements(_MOST_PAIRS)
    }
    expected = list(combinations(names, 2))
    if {*pairs} != {*expected}:
        stored["differences"].refuse("a difference for each pair of names")
    scores, class_scores = stored["scores"], stored["class_scores"]
    return BootstrapResult(
        names=names,
        n_records=stored["n_records"].whole(1, _MOST_RECORDS),
        n_groups=stored["n_groups"].whole(1, _MOST_RECORDS),
        n_resamples=stored["n_resamples"].whole(1, 1_000_000_000),
        level=stored["level"].number(0.001, 0.999999),
        scores={name: _of_scores(scores[name]) for name in names},
        class_scores={
            name: _of_classes(class_scores[name], n_classes) for name in names
        },
        differences={pair: _of_scores(pairs[pair]["scores"]) for pair in expected},
        class_differences={
            pair: _of_classes(pairs[pair]["class_scores"], n_classes)
            for pair in expected
        },
        undefined=stored["undefined"].numbers((n_classes,), 0, 1),
        n_defined={
            score: stored["n_defined"][score].whole(0, n_classes)
            for score in CLASS_SCORES
        },
    )


def _of_scores(of_scores: JsonValue) -> dict[str, Estimate]:
    """Return the estimates of the scores of all records."""
    return {score: _estimate(of_scores[score]) for score in SCORES}


def _of_classes(
    of_scores: JsonValue, n_classes: int
) -> dict[str, tuple[Estimate, ...]]:
    """Return the estimates of the scores of each class."""
    found = {}
    for score in CLASS_SCORES:
        elements = of_scores[score].elements(_MOST_CLASSES)
        if len(elements) != n_classes:
            of_scores[score].refuse(f"a list of {n_classes}, one for each class")
        found[score] = tuple(map(_estimate, elements))
    return found


def _estimate(stored: JsonValue) -> Estimate:
    """Return a value with its interval; None stands for NaN."""
    ends = stored.elements(3)
    numbers = [math.nan if end.value is None else end.number(-1, 1) for end in ends]
    if len(numbers) != 3:
        stored.refuse("value, low and high")
    value, low, high = numbers
    if low > value + TOLERANCE or high < value - TOLERANCE:
        stored.refuse("a value between low and high")
    return Estimate(value, low, high)


def require_same_scores(
    stored: JsonValue, estimates: BootstrapResult, again: BootstrapResult
) -> float:
    """Return the largest difference between stored scores and those computed again.

    Parameters
    ----------
    stored : JsonValue
        The object in the file, for messages.
    estimates : BootstrapResult
        What it has.
    again : BootstrapResult
        The scores of the predictions in the file; its intervals are not used.

    Raises
    ------
    SchemaError
        If a score is not that of the predictions.
    """
    for name in ("n_records", "n_defined"):
        if getattr(estimates, name) != getattr(again, name):
            stored[name].refuse(f"{getattr(again, name)}, as of the records")
    furthest = 0.0
    for key, found, expected in _all_values(estimates, again):
        if math.isnan(found) and math.isnan(expected):
            continue
        distance = abs(found - expected)
        if not distance <= TOLERANCE:
            raise SchemaError(
                f"{stored.file}: {stored.key}.{key} is {found:.6f}; expected "
                f"{expected:.6f}, computed again from the predictions in the file; "
                f"{stored.remedy}"
            )
        furthest = max(furthest, distance)
    return furthest


def _all_values(
    stored: BootstrapResult, again: BootstrapResult
) -> list[tuple[str, float, float]]:
    """Return key, stored value and value computed again, of every score."""
    values = []
    for kind in ("scores", "differences"):
        for name, of_scores in getattr(stored, kind).items():
            others = getattr(again, kind)[name]
            values += [
                (_key(kind, name, score), one.value, others[score].value)
                for score, one in of_scores.items()
            ]
    for kind in ("class_scores", "class_differences"):
        for name, of_classes in getattr(stored, kind).items():
            others = getattr(again, kind)[name]
            values += [
                (_key(kind, name, f"{score}.{number}"), one.value, other.value)
                for score, ones in of_classes.items()
                for number, (one, other) in enumerate(
                    zip(ones, others[score], strict=True)
                )
            ]
    return values


def _key(kind: str, name: str | tuple[str, str], score: str) -> str:
    """Return where a score is, for messages."""
    text = name if isinstance(name, str) else " - ".join(name)
    return f"{kind}.{text}.{score}"
