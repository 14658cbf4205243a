"""The distinct texts of an array, told apart by digests."""

import itertools

import numpy as np
import pytest
from hypothesis import given, strategies as st

import ecgstore.distinct_texts
from ecgstore.distinct_texts import distinct, run_starts

texts = st.lists(st.binary(max_size=20).filter(lambda text: not text.endswith(b"\0")))


@given(texts, st.integers(1, 3))
def test_first_and_numbers_make_the_texts(values: list[bytes], times: int) -> None:
    array = np.repeat(np.array(values, "S20"), times)
    for given_texts in (array, array[::-1], array.astype(object)):
        first, numbers = distinct(given_texts)
        assert given_texts[first][numbers].tolist() == given_texts.tolist()
        assert len(set(given_texts[first].tolist())) == len(first) == len(set(values))


@given(texts)
def test_texts_of_one_digest_are_told_apart(values: list[bytes]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            ecgstore.distinct_texts, "_digests", lambda some: np.zeros(len(some), "u8")
        )
        array = np.array(values, "S20")
        first, numbers = distinct(array)
        assert array[first][numbers].tolist() == values
        assert len(first) == len(set(values))


@given(st.lists(st.sampled_from([b"a", b"b", b"c"])))
def test_runs_begin_where_a_value_changes(values: list[bytes]) -> None:
    changes = [one != other for one, other in itertools.pairwise(values)]
    expected = np.flatnonzero([True, *changes][: len(values)]).tolist()
    assert run_starts(np.array(values, "S1")).tolist() == expected
