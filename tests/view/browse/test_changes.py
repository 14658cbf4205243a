"""Rows are those of now, though decisions and predictions come in between."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgstore.arrays import FloatArray
from ecgstore.storage import Store
from ecgstore.storage.review_file import Decision
from ecgstore.view.browse.filters import Filter
from ecgstore.view.shown import Shown
from tests.view.client import Client

ACCEPTED = Decision("accepted")
UNDECIDED = json.dumps({"in": {"review": [""]}})


@pytest.fixture
def store(sample_store: Path, tmp_path: Path) -> Iterator[Store]:
    with Store(sample_store, review=tmp_path / "round.csv") as opened:
        yield opened


@pytest.fixture
def shown(store: Store) -> Shown:
    return Shown(store)


def rows_of(client: Client, **parameters: Any) -> list[int]:
    answer = client.get("/api/rows", params={"to": 500, **parameters})
    assert answer.status_code == 200, answer.text
    return [row["row"] for row in answer.json()["rows"]]


@pytest.mark.parametrize("sort", ["", "age"])
def test_a_decision_while_rows_are_computed_is_seen_by_the_next(
    shown: Shown, monkeypatch: pytest.MonkeyPatch, sort: str
) -> None:
    browsing, client = shown.browsing, Client(shown)
    original, others = browsing.mask, [3]

    def mask(*given: Any) -> Any:
        found = original(*given)
        if others:
            shown.decide(others.pop(), ACCEPTED)
        return found

    monkeypatch.setattr(browsing, "mask", mask)
    rows_of(client, filter=UNDECIDED, sort=sort)
    rows = rows_of(client, filter=UNDECIDED, sort=sort)
    assert len(rows) == 43
    assert 3 not in rows


def test_a_decision_between_order_and_number_is_not_mixed(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that have one number are of one order, or the page would mix them."""
    browsing, others = shown.browsing, [3]
    original = browsing.selected

    def selected(*given: Any) -> Any:
        if others:
            shown.decide(others.pop(), ACCEPTED)
        return original(*given)

    filter_ = Filter.read(UNDECIDED)
    monkeypatch.setattr(browsing, "selected", selected)
    number, rows = shown.ordered(filter_, "", False)
    assert number == browsing.generation(["review"])
    assert len(rows) == 43


@pytest.mark.parametrize(
    "query",
    [
        "review == 'accepted'",
        "\N{FULLWIDTH LATIN SMALL LETTER R}eview == 'accepted'",
        "`review` == 'accepted' and age == age",
    ],
)
def test_a_query_of_decisions_is_evaluated_anew(shown: Shown, query: str) -> None:
    client, given = Client(shown), json.dumps({"query": query})
    assert rows_of(client, filter=given) == []
    shown.decide(5, ACCEPTED)
    assert rows_of(client, filter=given) == [5]


def test_decisions_of_another_process_are_seen(
    shown: Shown, sample_store: Path, store: Store
) -> None:
    client = Client(shown)
    given = json.dumps({"query": "review == 'accepted'"})
    with Store(sample_store, review=store.review.path) as other:

        def look(n_accepted: int) -> None:
            assert len(rows_of(client, filter=given)) == n_accepted
            found = client.get("/api/place", params={"filter": given, "row": 2})
            assert found.json()["place"] == (0 if n_accepted > 0 else None)
            sorted_rows = rows_of(client, sort="review", descending=1)
            assert (sorted_rows[0] == 2) == (n_accepted > 0)
            answer = client.get("/api/facets", params={"facets": "review"}).json()
            [facet] = answer["facets"]
            bars = {bar["value"]: bar["n"] for bar in facet["bars"]}
            assert bars.get("accepted", 0) == n_accepted
            parameters = {"columns": "review", "from": 2, "to": 3}
            [row] = client.get("/api/rows", params=parameters).json()["rows"]
            assert row["review"] == ("accepted" if n_accepted else "")

        look(0)
        for number, row in enumerate((2, 7, 9), 1):
            other.review.save(row, ACCEPTED)
            look(number)


class SlowModel:
    """Scores that arrive one after the other, the last one when asked how many."""

    def __init__(self, n: int) -> None:
        self.scores = np.full(n, np.nan)
        self.told = 0

    @property
    def done(self) -> int:
        return int(np.isfinite(self.scores).sum())

    def predict(self, n: int) -> None:
        begin = self.done
        self.scores[begin : begin + n] = np.arange(begin, begin + n)

    def disagreement(self) -> FloatArray:
        return self.scores.copy()

    def has_news(self) -> bool:
        told, self.told = self.told, self.done
        return told != self.told

    def state(self) -> dict[str, Any]:
        self.predict(4)
        is_ready = self.done == len(self.scores)
        return {"state": "ready" if is_ready else "running", "done": self.done}


def test_an_order_that_changes_has_another_number(store: Store) -> None:
    model: Any = SlowModel(len(store))
    client = Client(Shown(store, model=model))

    def page(begin: int) -> tuple[int, list[int]]:
        parameters = {"sort": "disagreement", "from": begin, "to": begin + 5}
        answer = client.get("/api/rows", params=parameters).json()
        return answer["order"], [row["row"] for row in answer["rows"]]

    model.predict(10)
    number, first = page(0)
    assert first == [9, 8, 7, 6, 5]
    assert page(5) == (number, [4, 3, 2, 1, 0])
    model.predict(10)
    assert page(5) == (number + 1, [14, 13, 12, 11, 10])
    found = client.get("/api/place", params={"sort": "disagreement", "row": 19}).json()
    assert (found["order"], found["place"]) == (number + 1, 0)
    unsorted = client.get("/api/rows", params={"to": 1}).json()["order"]
    model.predict(10)
    assert client.get("/api/rows", params={"to": 1}).json()["order"] == unsorted


def test_who_hears_that_all_are_predicted_gets_the_last_order(store: Store) -> None:
    model: Any = SlowModel(len(store))
    shown = Shown(store, model=model)
    client, filter_ = Client(shown), Filter()
    while True:
        shown.browsing.selected(filter_, "disagreement")
        if client.get("/api/model").json()["state"] == "ready":
            break
    rows = [*shown.browsing.selected(filter_, "disagreement")]
    assert rows == [*range(len(store) - 1, -1, -1)]
