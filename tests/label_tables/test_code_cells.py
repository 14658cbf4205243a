"""Codes in one cell of a table."""

import ast
import json

import pytest
from hypothesis import given, strategies as st

from ecgstore.diagnoses import is_text_code, scp_statements
from ecgstore.label_tables.code_cells import read_codes

codes = st.sampled_from(sorted(scp_statements())) | st.text(max_size=12).filter(
    is_text_code
)
lists = st.lists(codes, max_size=8, unique=True)
likelihoods = st.dictionaries(codes, st.floats(0, 100), max_size=8)


@given(lists)
def test_reads_lists_as_python_and_json_write_them(chosen: list[str]) -> None:
    for cell in (repr(chosen), repr(tuple(chosen)), json.dumps(chosen)):
        assert read_codes(cell) == tuple(chosen)
    assert set(read_codes(repr(set(chosen)))) == set(chosen)


@given(likelihoods, st.floats(0, 100))
def test_reads_dicts_with_likelihoods(chosen: dict[str, float], least: float) -> None:
    for cell in (repr(chosen), json.dumps(chosen), f" {chosen!r}\n"):
        expected = [code for code, value in chosen.items() if value >= least]
        assert read_codes(cell, least) == tuple(expected)


@given(st.lists(st.sampled_from(sorted(scp_statements())), min_size=1, unique=True))
def test_reads_separated_lists(chosen: list[str]) -> None:
    for separator in (",", ", ", ";", "; ", "|", " | ", "\n", ",,"):
        assert read_codes(separator.join(chosen)) == tuple(chosen)


@given(st.text(max_size=60) | st.text("{}[]'\",: \\ab1.()", max_size=40))
def test_any_cell_is_read_or_refused(cell: str) -> None:
    try:
        found = read_codes(cell)
    except ValueError:
        return
    assert all(map(is_text_code, found))
    assert len(set(found)) == len(found)


@given(st.text("{}'\",: ab1.", max_size=30))
def test_a_literal_of_python_is_never_read_as_something_else(cell: str) -> None:
    try:
        value = ast.literal_eval(cell)
        found = read_codes(cell)
    except (ValueError, SyntaxError, TypeError, MemoryError):
        return
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        assert list(found) == list(dict.fromkeys(key.strip() for key in value))


@pytest.mark.parametrize("cell", ["", " ", "nan", "None", "[]", "{}", "set()", "()"])
def test_nothing_is_no_code(cell: str) -> None:
    assert read_codes(cell) == ()


def test_reads_an_array_as_numpy_prints_it() -> None:
    assert read_codes("['AFIB' 'SR']") == ("AFIB", "SR")


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("{'NORM': 100.0", "does not end with its partner"),
        ("{'NORM': 100.0]", "does not end with its partner"),
        ("{'NORM': __import__('os')}", "the likelihood a text of"),
        ("['NORM", "does not end"),
        ("['A,B']", "the code a text of 3"),
        ("'NORM", "cannot be read from"),
        ("{'A': 'high'}", "cannot be read from|likelihood"),
        ("a" * 100, "the code"),
        ("[" * 9000 + "]" * 9000, "18000 characters"),
        (",".join(map(str, range(300))), "more than 256 codes"),
    ],
)
def test_says_what_is_wrong(cell: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_codes(cell)
