"""Rounds: everything runs once in each, in orders that vary and can be repeated."""

from functools import partial
from typing import Any

from bench.common.timing import time_in_rounds
from bench.loading.subprocesses import answers_in_rounds

NAMES = ["one", "two", "three", "four"]


def test_rounds_are_interleaved_in_varying_orders() -> None:
    calls: list[str] = []

    def run(name: str) -> dict[str, Any]:
        calls.append(name)
        return {"number": len(calls)}

    answers = answers_in_rounds(NAMES, run, 7)
    rounds = [tuple(calls[begin : begin + 4]) for begin in range(0, len(calls), 4)]
    assert len(rounds) == 8
    assert all(sorted(order) == sorted(NAMES) for order in rounds)
    assert len(set(rounds)) > 4
    # An answer belongs to the round in which it was given; the first one is left out.
    for name in NAMES:
        expected = [4 * k + rounds[k].index(name) + 1 for k in range(1, 8)]
        assert [answer["number"] for answer in answers[name]] == expected

    again: list[str] = []
    times = time_in_rounds({name: partial(again.append, name) for name in NAMES}, 7)
    assert again == calls  # the same orders in every run
    assert {len(seconds.wall) for seconds in times.values()} == {7}
    assert {len(seconds.cpu) for seconds in times.values()} == {7}
