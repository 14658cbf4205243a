"""``ecgstore report``: its files, options and errors."""

import json
import shlex
import sys
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest

from bench.common.range_server import Server

Run = Callable[..., tuple[int, str, str]]


def test_three_files_are_written_and_named(
    run: Run, sample_store: Path, tmp_path: Path
) -> None:
    out, croissant, card = (
        tmp_path / name for name in ("a.html", "c.json", "README.md")
    )
    code, printed, errors = run(
        *("report", sample_store, "-o", out, "--croissant", croissant, "--card", card),
        *("--name", "Mine", "--license", "CC-BY-4.0", "--quiet"),
    )
    assert (code, errors) == (0, "")
    assert printed.split() == [str(out), str(croissant), str(card)]
    assert json.loads(croissant.read_text("utf-8"))["name"] == "Mine"
    assert card.read_text("utf-8").startswith('---\npretty_name: "Mine"\n')
    assert "<h1>Mine</h1>" in out.read_text("utf-8")


def test_the_command_in_the_report_makes_it_again(
    run: Run, sample_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sample_store.parent)
    first, second = tmp_path / "first.html", tmp_path / "report.html"
    given = ("--name", "It's & mine", "--examples", 2, "--no-checksum")
    assert run("report", sample_store, *given, "-o", first, "--quiet")[0] == 0
    html = first.read_text("utf-8")
    code = html.partition("<pre")[2].partition("<code>")[2].partition("</code>")[0]
    words = shlex.split(unescape(code))
    assert words[:3] == ["ecgstore", "report", "sample.h5"]
    assert words[-2:] == ["-o", "report.html"]
    assert run(*words[1:-1], second, "--quiet")[0] == 0
    assert second.read_bytes() == first.read_bytes()


def test_an_older_report_is_replaced_and_a_store_is_not(
    run: Run, sample_store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a.html"
    out.write_text("older")
    assert run("report", sample_store, "-o", out, "--quiet")[0] == 0
    assert out.stat().st_size > 100_000
    code, _, errors = run("report", sample_store, "-o", sample_store)
    assert code == 1
    assert "choose another name for the output" in errors


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--url", "javascript:x"), "is no address"),
        (("--date", "yesterday"), "is no date"),
        (("--croissant", "a.html", "-o", "a.html"), "one file twice"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    run: Run, sample_store: Path, given: tuple[str, ...], said: str
) -> None:
    code, printed, errors = run("report", sample_store, *given)
    assert (code, printed) == (2, "")
    assert said in errors


def test_croissant_needs_a_checksum(
    run: Run, sample_store: Path, tmp_path: Path
) -> None:
    out, file = tmp_path / "a.html", tmp_path / "c.json"
    code, _, errors = run(
        "report", sample_store, "-o", out, "--croissant", file, "--no-checksum"
    )
    assert (code, errors.count("\n")) == (1, 1)
    assert "Croissant needs the checksum of the whole file" in errors
    assert not out.exists()


def test_a_missing_library_is_an_error_of_one_line(
    run: Run, sample_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] in ("jinja2", "markupsafe"):
            monkeypatch.delitem(sys.modules, name)
        if name.startswith("ecgstore.reports"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    code, _, errors = run("report", sample_store, "-o", tmp_path / "a.html")
    assert code == 1
    assert errors == (
        "ecgstore: this command needs jinja2, which is not installed: pip install "
        '"ecgstore[view]"\n'
    )


def test_a_store_at_a_url_has_the_same_report_without_its_file(
    run: Run, sample_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("obstore")
    monkeypatch.setenv("ECGSTORE_CACHE", str(tmp_path / "cache"))
    local, remote = tmp_path / "a.html", tmp_path / "b.html"
    given = ("--no-checksum", "--quiet")
    assert run("report", sample_store, "-o", local, *given)[0] == 0
    served = Server(sample_store.parent)
    try:
        url = served.url(sample_store.name)
        code, _, errors = run("report", url, "-o", remote, *given)
        assert (code, errors) == (0, "")
        assert remote.read_bytes() == local.read_bytes()
        code, _, errors = run("report", url, "-o", remote, "--croissant", "c.json")
        assert code == 1
        assert "ecgstore fetch" in errors
    finally:
        served.close()
