"""Nothing from outside acts on the terminal: names, paths, attributes, messages."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import click
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from ecgstore import cli
from ecgstore.builder import report
from ecgstore.builder.table_use import TableUse
from ecgstore.cli.commands import build
from ecgstore.cli.output import ShownTable, echo, print_json
from ecgstore.cli.summary import print_summary
from ecgstore.cli.tables import print_counts, print_table
from ecgstore.errors import EcgStoreError, RecordError
from ecgstore.reasons import Reason
from ecgstore.system.csv_files import write_csv_rows
from ecgstore.system.progress import Progress

# Clears the screen; sets the title of the window; a second line that looks like ours;
# C1's escape; turns the direction; ends a line for some programs; no UTF-8; invisible.
HOSTILE = (
    "\x1b[2J\x1b[31mred",
    "\x1b]0;title\x07",
    "A1\necgstore: all records are stored",
    "\x9b2Jx\x85y\x7f\x08",
    "\u202egpj.exe\u2066\u2069\u200f",
    "a\u2028b\u2029c\r",
    "\udcff\udc80",
    "a\u200bb\ufeff\U000e0041",
)
STORABLE = [name for name in HOSTILE if "\udcff" not in name]
NAMES = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(codec=None), max_size=8),
    st.text(st.sampled_from("ab\x1b[\n\r\x00\x9b\u202e\u2067\u2028"), max_size=8),
)
Captured = pytest.CaptureFixture[str]
SETTINGS = settings(
    max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _lines(capsys: Captured) -> list[str]:
    """Return the lines of both streams, which hold printable characters only."""
    output, errors = capsys.readouterr()
    lines = (output + errors).split("\n")
    for line in lines:
        assert line.isprintable(), repr(line)
    return lines


def _summary(name: str) -> dict[str, object]:
    """Return a store's summary, in which every text is `name`."""
    counts = {name: 3}
    return {
        "path": name,
        "parts": [name],
        "n_records": 3,
        "size_bytes": 5,
        "signals": {"shape": [3, 12, 5000], "dtype": name, "fs": 500.0},
        "n_features": 2,
        "leads": [name],
        "software": name,
        "beats_engine": name,
        "fingerprint": name,
        "sources": counts,
        "classes": counts,
        "targets": counts,
        "labels_beside": True,
        "folds": {name: {"records": 3, "classes": counts}},
        "flags": counts,
        "beats": counts,
        "quarantine": counts,
        "review": {"path": name, **counts},
    }


def _use(name: str) -> TableUse:
    """Return the use of a table, in which every text is `name`."""
    return TableUse(
        path=name,
        n_rows=9,
        n_rows_used=3,
        n_records=9,
        n_records_with_row=3,
        found_by={name: 3},
        read={name: [name]},
        rows_without_record=[name],
        records_without_row=[name],
        rows_of_several=[name],
        not_understood={name: {name: 1}},
        doubts=[name],
    )


def _report(name: str) -> report.ScanReport:
    """Return a report of a scan, in which every text is `name`."""
    counts = {name: 3}
    return report.ScanReport(
        n_found=9,
        n_selected=3,
        n_not_selected=3,
        n_quarantined=3,
        n_derived_leads=0,
        n_missing_leads=0,
        n_copies=1,
        n_rows=4,
        n_reused=2,
        n_windows_left_out=1,
        n_cut=1,
        cut_s=7.5,
        n_unreadable_paths=1,
        reasons=counts,
        sources=counts,
        unknown_patients=counts,
        classes=counts,
        unknown_codes=counts,
        unknown_words=counts,
        left_out=[{"path": name, "reason": name, "detail": name}],
        same_ecg=[[name, name]],
        tables=[_use(name).to_json()],
        warnings=[name],
    )


@given(name=NAMES)
@SETTINGS
def test_what_commands_print_is_printable(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    echo(name)
    echo(f"{name} again", err=True)
    assert len(_lines(capsys)) == 3
    print_table(["class", name], [[name, 3.5], [4, name]])
    assert len(_lines(capsys)) == 4
    print_counts("records by source:", {name: 3})
    assert len(_lines(capsys)) == 3
    print_summary(_summary(name))
    build._print_report(_report(name), as_json=False)
    _lines(capsys)
    with Progress(name, keep=True):
        pass
    assert len(_lines(capsys)) == 2
    print_json({name: [name]})
    lines = _lines(capsys)
    assert json.loads("\n".join(lines)) == {name: [name]}
    build._print_report(_report(name), as_json=True)
    assert json.loads("\n".join(_lines(capsys)))["scan"]["warnings"] == [name]


@given(name=NAMES)
@SETTINGS
def test_errors_are_one_printable_line(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    failures: list[tuple[Exception, int]] = [
        (EcgStoreError(f"{name}: no store"), 1),
        (RecordError(Reason.FLAT_LEAD, name), 1),
        (OSError(2, name, name), 1),
        (click.UsageError(f"no option {name}"), 2),
        (click.BadParameter(name, param_hint=name), 2),
    ]
    for failure, code in failures:

        def fail(*_: object, failure: Exception = failure, **__: object) -> None:
            raise failure

        monkeypatch.setattr(cli.cli, "main", fail)
        with pytest.raises(SystemExit) as exit_:
            cli.main([])
        assert exit_.value.code == code
        lines = _lines(capsys)
        assert len(lines) == 2


@pytest.mark.parametrize("name", STORABLE)
def test_a_table_is_exact_for_programs_and_printable_on_a_terminal(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    file = io.StringIO()
    write_csv_rows(file, ["record_id", name], [[name, 1], [2, name]])
    write_csv_rows(ShownTable(), ["record_id", name], [[name, 1], [2, name]])
    assert capsys.readouterr().out == file.getvalue()
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    write_csv_rows(ShownTable(), ["record_id", name], [[name, 1], [2, name]])
    assert len(_lines(capsys)) == 4


@pytest.mark.parametrize("name", STORABLE)
def test_a_list_of_records_is_printable(
    run: Callable[..., tuple[int, str, str]],
    sample_store: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    from ecgstore.storage import Store

    table = pd.DataFrame({"path": [name], "reason": [name], "detail": [name]})
    monkeypatch.setattr(Store, "quarantine", table)
    _, shown, _ = run("info", sample_store, "--quarantine")
    assert shown.count("\n") == 2
    assert shown.replace("\n", "").isprintable()
    _, shown, _ = run("info", sample_store, "--quarantine", "--json")
    assert shown.replace("\n", "").isprintable()
    assert json.loads(shown) == table.to_dict(orient="records")


def test_all_that_commands_print_passes_through_one_module() -> None:
    folder = Path(cli.__file__).parent
    for path in folder.rglob("*.py"):
        if path.name != "output.py":
            text = path.read_text(encoding="utf-8")
            for printing in ("click.echo", "click.secho", "print(", "sys.stdout.write"):
                assert re.search(rf"(?<!\w){re.escape(printing)}", text) is None, path
