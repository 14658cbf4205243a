"""The journal of a build: an SQLite file that is written whole or not at all."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ecgstore.builder import one_file
from ecgstore.builder.entry import Entry, Status
from ecgstore.builder.journal import Journal

StoppedBuild = Callable[..., None]


def entry(path: str) -> Entry:
    return Entry(path=path, status=Status.SELECTED, source="ptb", record_id=path)


def test_failed_transaction_leaves_the_journal_as_it_was() -> None:
    def entries() -> Iterator[Entry]:
        yield entry("b")
        yield entry("c")
        raise KeyboardInterrupt

    with Journal(None) as journal:
        journal.begin("one build")
        journal.add([entry("a")])
        with pytest.raises(KeyboardInterrupt):
            journal.add(entries())
        assert [entry.path for entry in journal.entries(Status.SELECTED)] == ["a"]
        journal.add([entry("d")])
        assert journal.count() == 2
        assert journal.identity == "one build"


def test_entries_survive_closing(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path) as journal:
        journal.begin("one build")
        journal.add([entry("a")])
    with Journal(path) as journal:
        assert journal.identity == "one build"
        assert journal.entry("a") == entry("a")
        journal.begin("another build")
        assert journal.count() == 0
        assert journal.identity == "another build"


def test_journal_is_an_ordinary_database(
    few_records: Path, tmp_path: Path, stopped_build: StoppedBuild
) -> None:
    stopped_build(one_file, "plan", few_records, tmp_path / "out.h5")
    connection = sqlite3.connect(tmp_path / "out.h5.partial.scan")
    (count,) = connection.execute("SELECT COUNT(*) FROM entries").fetchone()
    connection.close()
    assert count == len(list(few_records.rglob("*.hea")))
