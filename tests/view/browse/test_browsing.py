"""Rows, counts and orders equal those of a data frame."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

import ecgstore
from bench.common.range_server import Server
from ecgstore.arrays import BoolArray
from ecgstore.errors import EcgStoreError
from ecgstore.storage import Store
from ecgstore.view.browse.bins import Bins, bin_edges
from ecgstore.view.browse.browsing import Browsing
from ecgstore.view.browse.filters import Filter
from ecgstore.view.browse.kept import Kept
from ecgstore.view.browse.names import holding
from ecgstore.view.shown import Shown
from tests.view.client import Client

CLASSES = ["NSR", "MI", "RBBB", "AF", "NSSTTA", "MIs", "LAD"]
COLUMNS = ("source", "sex", "fold", "age", "mean_hr", "record_id", "patient_known")


@pytest.fixture(scope="module")
def store(sample_store: Path) -> Iterator[Store]:
    with ecgstore.open(sample_store) as opened:
        yield opened


@pytest.fixture(scope="module")
def browsing(store: Store) -> Browsing:
    return Browsing(store)


@pytest.fixture(scope="module")
def client(store: Store) -> Client:
    return Client(Shown(store))


@pytest.fixture(scope="module")
def frame(store: Store) -> pd.DataFrame:
    labels = pd.DataFrame(store.labels(), columns=CLASSES)
    columns = {name: store.column(name) for name in COLUMNS}
    texts = {name: store.column(name) for name in ("patient_id", "dx")}
    return pd.DataFrame(columns | texts).join(labels)


def fulfils(frame: pd.DataFrame, given: dict[str, Any]) -> BoolArray:
    """Return where a filter holds, by its definition."""
    found = np.ones(len(frame), bool)
    if query := given.get("query"):
        found &= np.asarray(frame.eval(query))
    if search := given.get("search", "").lower():
        names = zip(frame["record_id"], frame["patient_id"], strict=True)
        found &= [any(search in name.lower() for name in both) for both in names]
    for name, values in given.get("in", {}).items():
        if not values:
            continue
        if name == "class":
            in_none = frame[CLASSES].sum(axis=1).to_numpy() == 0
            within = [in_none if value == "" else frame[value] > 0 for value in values]
            found &= np.any(within, axis=0)
        elif name == "diagnosis":
            found &= [bool({*dx.split(",")} & {*values}) for dx in frame["dx"]]
        else:
            found &= frame[name].astype(str).isin(values).to_numpy()
    for name, (low, high) in given.get("between", {}).items():
        numbers = frame[name].to_numpy()
        found &= numbers >= (-np.inf if low is None else low)
        found &= numbers < (np.inf if high is None else high)
    return found


FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "query": st.sampled_from(["age < 60", "sex == 'male' and fold > 2"]),
        "search": st.sampled_from(["HR0", "hr00", "1", "zzz"]),
        "in": st.fixed_dictionaries(
            {},
            optional={
                name: st.lists(st.sampled_from(values))
                for name, values in {
                    "source": ["ptb-xl", "georgia", "none"],
                    "sex": ["male", "female"],
                    "fold": ["3", "7"],
                    "class": ["AF", "NSR", ""],
                    "diagnosis": ["426783006", "164889003", "none"],
                }.items()
            },
        ),
        "between": st.dictionaries(
            st.sampled_from(["age", "mean_hr"]),
            st.tuples(
                st.none() | st.integers(20, 80), st.none() | st.integers(40, 120)
            ).map(list),
        ),
    },
)


@given(given=FILTERS)
def test_a_filter_selects_what_it_says(
    browsing: Browsing, frame: pd.DataFrame, given: dict[str, Any]
) -> None:
    expected = np.flatnonzero(fulfils(frame, given)).tolist()
    selected = browsing.selected(Filter.read(json.dumps(given)))
    assert [*selected] == expected


@given(given=FILTERS, sort=st.sampled_from(COLUMNS), descending=st.booleans())
def test_rows_are_sorted_as_a_frame_is(
    browsing: Browsing,
    frame: pd.DataFrame,
    given: dict[str, Any],
    sort: str,
    descending: bool,
) -> None:
    filter_ = Filter.read(json.dumps(given))
    rows = [*browsing.selected(filter_)]
    ordered = frame.loc[rows].sort_values(
        sort, ascending=not descending, kind="stable", na_position="last"
    )
    assert [*browsing.selected(filter_, sort, descending)] == list(ordered.index)


@pytest.mark.parametrize("name", ["class", "source", "sex", "fold", "diagnosis", "age"])
def test_bars_are_counted_under_all_other_conditions(
    client: Client, frame: pd.DataFrame, name: str
) -> None:
    given = {
        "query": "age < 75",
        "in": {"sex": ["male"], "class": ["AF", "NSR"], "diagnosis": ["426783006"]},
        "between": {"age": [30, 70]},
    }
    answer = client.get(
        "/api/facets", params={"filter": json.dumps(given), "facets": name}
    ).json()
    assert answer["n_selected"] == fulfils(frame, given).sum()
    [facet] = answer["facets"]
    others = {
        kind: {k: v for k, v in value.items() if k != name}
        if isinstance(value, dict)
        else value
        for kind, value in given.items()
    }
    for bar in facet["bars"]:
        own: dict[str, Any] = (
            {"between": {name: [bar["low"], bar["high"]]}}
            if name == "age"
            else {"in": {name: [bar["value"]]}}
        )
        of_bar = fulfils(frame, own)
        assert bar["n_all"] == of_bar.sum()
        assert bar["n"] == (fulfils(frame, others) & of_bar).sum()
    if name == "age":
        missing = fulfils(frame, others) & frame["age"].isna().to_numpy()
        assert facet["n_missing"] == missing.sum()
    else:
        assert sum(bar["n_all"] > 0 for bar in facet["bars"]) == len(facet["bars"])


def test_flags_of_quality_are_those_of_the_summary(
    client: Client, store: Store
) -> None:
    [facet] = client.get("/api/facets", params={"facets": "quality"}).json()["facets"]
    n_by_flag = {bar["value"]: bar["n_all"] for bar in facet["bars"]}
    padded = int((store.table("quality/pad_length") > 0).sum())
    assert n_by_flag["shorter than stored, padded"] == padded > 0
    given = json.dumps({"in": {"quality": ["shorter than stored, padded"]}})
    assert (
        client.get("/api/rows", params={"filter": given}).json()["n_selected"] == padded
    )


def test_a_wrong_query_is_refused_in_the_words_of_the_command_line(
    client: Client, store: Store
) -> None:
    with pytest.raises(EcgStoreError) as error:
        store.select(query="ages < 40")
    for path in ("rows", "facets", "place"):
        given = json.dumps({"query": "ages < 40"})
        answer = client.get(f"/api/{path}", params={"filter": given, "facets": "sex"})
        assert answer.status_code == 400
        assert answer.json() == {"error": str(error.value)}
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"filter": "["}, "filter is '['"),
        ({"filter": '{"search": "\\ud800"}'}, "expected an object such as"),
        ({"filter": '{"in": {"sex": ["\\udfff"]}}'}, "expected an object such as"),
        ({"filter": '{"where": 1}'}, "expected an object such as"),
        ({"filter": '{"in": {"sex": "male"}}'}, "filter has 'male'"),
        ({"filter": '{"between": {"age": [1]}}'}, "filter has [1]"),
        ({"filter": '{"between": {"age": ["1", 2]}}'}, "filter has '1'"),
        ({"filter": '{"between": {"age": [1e999, 2]}}'}, "filter has inf"),
        ({"filter": '{"between": {"sex": [1, 2]}}'}, "'sex' holds no numbers"),
        ({"filter": '{"in": {"sexx": ["male"]}}'}, "no column 'sexx'; did you mean"),
        ({"filter": json.dumps({"query": "a" * 2000})}, "2000 characters"),
        ({"sort": "agee"}, "no column 'agee'; did you mean"),
        ({"sort": "class"}, "not sorted by class"),
        ({"columns": "agee"}, "no column 'agee'"),
        ({"from": "-1"}, "from is '-1'; expected a whole number from 0"),
        ({"to": "501"}, "to is '501'; expected a whole number from 0 to 500"),
        ({"from": "9" * 30}, "expected a whole number"),
    ],
)
def test_what_the_page_cannot_ask_is_refused(
    client: Client, parameters: dict[str, str], message: str
) -> None:
    answer = client.get("/api/rows", params=parameters)
    assert answer.status_code == 400
    assert message in answer.json()["error"]


def test_cells_are_those_of_the_columns(client: Client, store: Store) -> None:
    answer = client.get(
        "/api/rows", params={"from": 3, "to": 6, "columns": "age,beats_status"}
    ).json()
    assert answer["from"] == 3
    assert [row["row"] for row in answer["rows"]] == [3, 4, 5]
    names = store.column("record_id")[3:6].tolist()
    assert [row["record_id"] for row in answer["rows"]] == names
    assert {row["beats_status"] for row in answer["rows"]} == {"ok"}
    unknown = int(np.flatnonzero(np.isnan(store.column("age")))[0])
    parameters = {"from": unknown, "to": unknown + 1, "columns": "age"}
    [row] = client.get("/api/rows", params=parameters).json()["rows"]
    assert row["age"] is None


def test_neighbours_are_those_of_the_order(client: Client, store: Store) -> None:
    order = np.argsort(store.column("age"), kind="stable").tolist()
    for place in (0, 5, 43):
        found = client.get(
            "/api/place", params={"sort": "age", "row": order[place]}
        ).json()
        before = order[place - 1] if place else None
        after = order[place + 1] if place < 43 else None
        expected = {"order": 0, "place": place, "before": before, "after": after}
        assert found == expected
    given = json.dumps({"in": {"sex": ["male"]}})
    row = int(np.flatnonzero(store.column("sex") == "female")[0])
    found = client.get("/api/place", params={"filter": given, "row": row}).json()
    assert found["place"] is None


def test_the_worst_quality_comes_first(client: Client, store: Store) -> None:
    from ecgstore.plots.dataset.worst import quality_problems, worst_records

    names = ("flat_fraction", "clipped_fraction", "missing_fraction", "psqi", "bassqi")
    problems = quality_problems(
        {name: store.table(f"quality/{name}") for name in names}
    )
    expected = [row for row, _ in worst_records(problems, len(store))]
    answer = client.get("/api/rows", params={"sort": "worst"}).json()
    assert [row["row"] for row in answer["rows"]][:8] == expected[:8]


@pytest.mark.parametrize("remote", [False, True])
def test_collections_and_urls_are_browsed_as_files_are(
    sample_store: Path, tmp_path: Path, remote: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = {
        "filter": json.dumps({"query": "mean_hr > 70", "in": {"sex": ["male"]}}),
        "sort": "mean_hr",
        "columns": "age,mean_hr,ksqi_V1",
        "facets": "class,sex,age,quality,mean_hr",
    }
    if remote:
        pytest.importorskip("obstore")
        monkeypatch.setenv("ECGSTORE_CACHE", str(tmp_path / "cache"))
        server = Server(sample_store.parent)
        path: str | Path = server.url(sample_store.name)
    else:
        path = tmp_path / "all.h5"
        ecgstore.collect([sample_store], path)
    with Store(sample_store) as file, Store(path) as other:
        one, two = Client(Shown(file)), Client(Shown(other))
        for name in ("rows", "facets"):
            answers = [
                c.get(f"/api/{name}", params=parameters).json() for c in (one, two)
            ]
            assert answers[0] == answers[1]
            assert answers[0]["n_selected"] > 3
        description = two.get("/api/store").json()
        assert description["n_records"] == 44
    if remote:
        server.close()


def test_decisions_change_counts_at_once(sample_store: Path, tmp_path: Path) -> None:
    with Store(sample_store, review=tmp_path / "round.csv") as store:
        client = Client(Shown(store))

        def counts() -> dict[str, int]:
            answer = client.get("/api/facets", params={"facets": "review"}).json()
            return {bar["text"]: bar["n"] for bar in answer["facets"][0]["bars"]}

        undecided = json.dumps({"in": {"review": [""]}})
        assert counts() == {"not reviewed": 44}
        rows = client.get("/api/rows", params={"filter": undecided}).json()
        assert rows["n_selected"] == 44
        client.post("/api/review/3", json={"decision": "accepted"})
        assert counts() == {"not reviewed": 43, "accepted": 1}
        rows = client.get("/api/rows", params={"filter": undecided}).json()
        assert 3 not in [row["row"] for row in rows["rows"]]
        query = json.dumps({"query": "review == 'accepted'"})
        assert (
            client.get("/api/rows", params={"filter": query}).json()["n_selected"] == 1
        )


def test_a_value_that_two_want_is_computed_once() -> None:
    kept, barrier, n_made = Kept(4), Barrier(2), []

    def make() -> int:
        n_made.append(1)
        return sum(range(100_000))

    def ask() -> int:
        barrier.wait()
        return kept.get("key", make)

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.submit(ask), threads.submit(ask)
        assert first.result() == second.result()
    assert len(n_made) == 1


def test_a_failure_is_not_kept() -> None:
    kept = Kept(4)

    def fail() -> int:
        raise EcgStoreError("once")

    with pytest.raises(EcgStoreError):
        kept.get("key", fail)
    assert kept.get("key", lambda: 3) == 3


def test_only_the_last_values_are_kept() -> None:
    kept = Kept(2)
    for key in "abac":
        kept.get(key, lambda key=key: key)  # type: ignore[misc]
    assert kept.get("a", lambda: "anew") == "a"
    assert kept.get("b", lambda: "anew") == "anew"


@given(
    texts=st.lists(st.text("abAB1é", max_size=5), min_size=1, max_size=20),
    part=st.text("abAB1é", min_size=1, max_size=4),
)
def test_names_are_searched_as_texts_are(texts: list[str], part: str) -> None:
    stored = np.array([text.encode() for text in texts], "S12")

    def low(text: str) -> bytes:
        return text.encode().lower()

    expected = [low(part) in low(text) for text in texts]
    assert holding(stored, part).tolist() == expected


@given(
    st.lists(
        st.floats(allow_nan=True, allow_infinity=True, width=64),
        min_size=1,
        max_size=60,
    )
)
def test_every_number_is_in_one_bin(values: list[float]) -> None:
    numbers = np.array(values)
    bins = Bins.of(numbers)
    n_bins = len(bins.edges) - 1
    assert (np.diff(bins.edges) > 0).all()
    assert n_bins < 40
    counts = bins.counts(None)
    assert counts[-1] == np.isnan(numbers).sum()
    for k in range(n_bins):
        low, high = bins.edges[k], bins.edges[k + 1]
        within = (numbers >= low) & ((numbers < high) | (high == np.inf))
        assert counts[k] == within.sum()


def test_whole_numbers_have_bins_of_whole_numbers() -> None:
    edges = bin_edges(np.arange(100))
    assert (edges == np.round(edges)).all()


@pytest.mark.parametrize("scale", [1e-13, 1e-300, 5e-324, 1.0, 1e9, 1e306, 1.7e308])
def test_bins_are_of_any_size(scale: float) -> None:
    values = np.linspace(-1, 1, 1001) * scale
    edges = bin_edges(values)
    assert (np.diff(edges) > 0).all()
    if scale > 1e-299:
        assert 14 < len(edges) < 40
    assert edges[0] <= values[0]
    assert edges[-1] > values[-1]


def test_edges_are_numbers_that_people_write() -> None:
    edges = bin_edges(np.linspace(0, 1, 101))
    assert [*map(str, edges[:4].tolist())] == ["0.0", "0.05", "0.1", "0.15"]


class Table:
    """A store of one column that is attached."""

    place, file_name = "table.h5", "table.h5"

    def __init__(self, values: Any) -> None:
        self.values = values
        self.columns = self
        self.of_records = ()

    def __len__(self) -> int:
        return len(self.values)

    def column(self, name: str, rows: Any = None) -> Any:
        return self.values if rows is None else self.values[rows]


def selected(values: Any, *among: str) -> list[int]:
    table: Any = Table(values)
    given = json.dumps({"in": {"x": among}})
    return [*Browsing(table).selected(Filter.read(given))]


def test_numbers_are_compared_as_numbers() -> None:
    close = np.array([0.1234567, 0.1234568, 40.0, np.nan, 1e16])
    assert selected(close, "0.1234567") == [0]
    assert selected(close, "40") == selected(close, "40.0") == [2]
    assert selected(close, "nan") == [3]
    assert selected(close, "1e16") == [4]
    narrow = np.array([40, 0.1, 0.3], np.float32)
    assert selected(narrow, "40") == [0]
    assert selected(narrow, "0.1", "1e999") == [1]
    assert selected(np.array([40, 41]), "40.0", "x") == [0]
    assert selected(np.array(["40.0", "40"], object), "40") == [1]


def test_a_column_of_many_values_makes_no_groups() -> None:
    with pytest.raises(EcgStoreError, match="100,001 different values"):
        selected(np.arange(100_001), "1")
    assert selected(np.arange(100_000), "7") == [7]
