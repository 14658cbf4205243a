"""Decisions of the page are on the disk before it hears that they are saved."""

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ecgstore
from ecgstore.storage import Store
from ecgstore.storage.review_file import Decision, review_file_path
from ecgstore.view.shown import Shown
from tests.view.client import Client


@pytest.fixture
def copy(sample_store: Path, tmp_path: Path) -> Path:
    """Return a copy of the sample's store, for decisions beside it."""
    return Path(shutil.copy(sample_store, tmp_path / "copy.h5"))


@pytest.fixture
def client(copy: Path) -> Iterator[Client]:
    with Store(copy) as store:
        yield Client(Shown(store))


def lines(store: Path) -> list[dict[str, str]]:
    with review_file_path(store).open(encoding="utf-8", newline="") as file:
        return [*csv.DictReader(file)]


def test_looking_writes_nothing(client: Client, copy: Path) -> None:
    found = client.get("/api/review/3").json()
    assert found == {"decision": "", "comment": "", "labels": {}, "reviewed": ""}
    progress = client.get("/api/review").json()
    assert (progress["n_reviewed"], progress["n_total"]) == (0, 44)
    assert not review_file_path(copy).exists()


def test_a_decision_is_on_the_disk(client: Client, copy: Path) -> None:
    sent = {"decision": "rejected", "comment": "noise", "labels": {"AF": True}}
    answer = client.post("/api/review/3", json=sent)
    assert answer.status_code == 200
    saved = answer.json()
    assert {name: saved[name] for name in sent} == sent
    [line] = lines(copy)
    assert (line["review"], line["review_comment"], line["AF"]) == (
        "rejected",
        "noise",
        "1",
    )
    assert client.get("/api/review/3").json() == saved
    assert client.get("/api/review").json()["n_rejected"] == 1
    client.post("/api/review/3", json={"decision": "", "comment": "", "labels": {}})
    assert client.get("/api/review").json()["n_reviewed"] == 0


def test_decisions_of_another_viewer_are_seen(client: Client, copy: Path) -> None:
    client.post("/api/review/0", json={"decision": "accepted"})
    with ecgstore.open(copy) as other:
        other.review.save(1, Decision("rejected", "the other reader"))
    assert client.get("/api/review/1").json()["comment"] == "the other reader"
    assert client.get("/api/review").json()["n_reviewed"] == 2


@pytest.mark.parametrize(
    "body",
    [
        [],
        "accepted",
        None,
        {"decision": 1},
        {"decision": "perhaps"},
        {"comment": ["a"]},
        {"comment": "\0"},
        {"comment": "x" * 10_001},
        {"labels": ["AF"]},
        {"labels": {"AF": 1}},
        {"labels": {"AF": None}},
        {"labels": {"no such class": True}},
        {"other": 1},
    ],
)
def test_what_is_no_decision_is_an_error(client: Client, copy: Path, body: Any) -> None:
    answer = client.post("/api/review/0", json=body)
    assert answer.status_code == 400
    message = answer.json()["error"]
    assert message
    assert "\n" not in message
    assert not review_file_path(copy).exists()


def test_a_row_that_is_not_there_is_an_error(client: Client) -> None:
    for row in ("44", "-1", "x"):
        assert client.get(f"/api/review/{row}").status_code == 404
        assert client.post(f"/api/review/{row}", json={}).status_code == 404


def test_a_damaged_file_is_an_error_and_stays(client: Client, copy: Path) -> None:
    path = review_file_path(copy)
    path.write_text("record_id,review\nHR00001,maybe\n", encoding="utf-8")
    for answer in (
        client.get("/api/review"),
        client.get("/api/review/0"),
        client.post("/api/review/0", json={"decision": "accepted"}),
    ):
        assert answer.status_code == 400
        assert "line 2: review is 'maybe'" in answer.json()["error"]
    assert path.read_text(encoding="utf-8") == "record_id,review\nHR00001,maybe\n"


def test_without_a_model_there_is_no_prediction(client: Client) -> None:
    assert client.get("/api/store").json()["model"] is None
    assert client.get("/api/model").json()["state"] == "none"
    for path in ("model/0", "explanation/0?class=AF", "saliency/0?class=AF"):
        answer = client.get(f"/api/{path}")
        assert answer.status_code == 404
        assert "--model" in answer.json()["error"]
