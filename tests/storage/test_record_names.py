"""Rows by name: the search in the table equals a dict of all names."""

import difflib
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, strategies as st

from ecgstore.storage import record_names
from ecgstore.storage.record_names import RecordNames

Records = list[tuple[str, str]]

SOURCES = ["", "ptb", "ptb-xl", "g/1"]
names = st.text("aA1/é\u212a", max_size=4)
records = st.lists(st.tuples(st.sampled_from(SOURCES), names), max_size=20)


def encoded(texts: Sequence[str]) -> np.ndarray:
    """Return texts as a store holds them."""
    return np.array([text.encode() for text in texts], "S24")


def of(rows: Records) -> RecordNames:
    return RecordNames(
        encoded([name for _, name in rows]), encoded([source for source, _ in rows]), ""
    )


def rows_by_definition(rows: Records, name: str) -> list[int]:
    """Return the rows of a name by a dict of all names."""
    by_name: dict[str, list[int]] = {}
    for row, (_, record_id) in enumerate(rows):
        by_name.setdefault(record_id, []).append(row)
    found = [*by_name.get(name, [])]
    for at in (at for at, letter in enumerate(name) if letter == "/"):
        found += [
            row for row in by_name.get(name[at + 1 :], []) if rows[row][0] == name[:at]
        ]
    return found


@given(records, st.booleans(), st.integers(1, 64))
def test_a_name_has_the_rows_of_a_dict(
    rows: Records, is_sorted: bool, max_pieces: int
) -> None:
    rows = sorted(rows) if is_sorted else rows
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record_names, "_MAX_PIECES", max_pieces)
        found = of(rows)
        wanted = {name for _, name in rows} | {f"{one}/{name}" for one, name in rows}
        for name in wanted | {"", "/", "aa", "a\0", "x" * 30, "\ud800", "ptb/\ud800"}:
            assert found.rows(name) == rows_by_definition(rows, name)


@given(records)
def test_names_are_unique_or_with_their_source(rows: Records) -> None:
    found, ids = of(rows), [name for _, name in rows]
    expected = [
        name if ids.count(name) == 1 else f"{source}/{name}" for source, name in rows
    ]
    assert [*found] == [found.name(row) for row in range(len(rows))] == expected


@given(records, names)
def test_a_hint_names_what_a_list_of_all_names_would(rows: Records, name: str) -> None:
    if rows_by_definition(rows, name):
        full = [
            f"{rows[row][0]}/{rows[row][1]}" for row in rows_by_definition(rows, name)
        ]
        expected = f"expected one of {', '.join(full)}"
        if len(set(full)) < len(full):
            numbers = ", ".join(map(str, rows_by_definition(rows, name)))
            expected = f"rows {numbers} are of one source"
        assert of(rows).hint(name).startswith(expected)
        return
    wanted = name.rpartition("/")[2]
    candidates = [
        known
        for known in dict.fromkeys(one for _, one in rows)
        if known[:1].casefold() == wanted[:1].casefold()
        and abs(len(known) - len(wanted)) <= 2
    ]
    similar = [one for one in candidates if one.casefold() == wanted.casefold()]
    similar = similar or difflib.get_close_matches(wanted, candidates)
    expected = f"did you mean {', '.join(similar)}?" if similar else "`ecgstore info"
    assert of(rows).hint(name).startswith(expected)
