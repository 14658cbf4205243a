"""Folders that change while a store is built, or before a stopped build continues."""

import filecmp
import itertools
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ecgstore
from ecgstore.builder import changes, fill, one_file, pipeline, scan
from ecgstore.builder.entry import Status
from ecgstore.builder.journal import Journal
from ecgstore.builder.plan import plan
from ecgstore.builder.writer import RowWriter
from ecgstore.config import Config
from ecgstore.reasons import Reason
from ecgstore.signals.stored_form import stored_form
from ecgstore.sources import find_headers, open_record, read_header, read_record

Build = Callable[..., Path]
StoppedBuild = Callable[..., None]
WriteRecord = Callable[..., Path]
ALL = Config(beats="none", select="all")

# -- changes of a folder ----------------------------------------------------


def headers(folder: Path) -> list[Path]:
    return [*find_headers(folder)]


def add_record(folder: Path) -> None:
    first = headers(folder)[0]
    new = first.with_name("A9999.hea")
    new.write_text(first.read_text().replace(first.stem, "A9999"))
    shutil.copy(first.with_suffix(".mat"), new.with_suffix(".mat"))


def remove_record(folder: Path) -> None:
    headers(folder)[1].unlink()


def remove_signal(folder: Path) -> None:
    headers(folder)[-1].with_suffix(".mat").unlink()


def damage_record(folder: Path) -> None:
    headers(folder)[1].write_text("nonsense")


def mend_record(folder: Path) -> None:
    """Give a record its signal, which the fixture `broken_folder` took away."""
    signal = headers(folder)[2].with_suffix(".mat")
    signal.with_suffix(".away").rename(signal)


def edit_header(folder: Path) -> None:
    header = headers(folder)[1]
    header.write_text(header.read_text().replace("#Age: ", "#Age: 1"))


def edit_diagnosis(folder: Path) -> None:
    header = headers(folder)[3]
    text = header.read_text()
    before = text.partition("#Dx: ")[2].split()[0]
    header.write_text(text.replace(f"#Dx: {before}", "#Dx: 270492004"))


def edit_signal(folder: Path) -> None:
    """Change one sample, but neither the size nor the time of the file."""
    signal = headers(folder)[3].with_suffix(".mat")
    before = signal.stat()
    content = bytearray(signal.read_bytes())
    content[1000] ^= 64
    signal.write_bytes(content)
    os.utime(signal, ns=(before.st_atime_ns, before.st_mtime_ns))


def exchange_signals(folder: Path) -> None:
    first, second = (path.with_suffix(".mat") for path in headers(folder)[:2])
    first.rename(folder / "other")
    second.rename(first)
    (folder / "other").rename(second)


def touch_all(folder: Path) -> None:
    for header in headers(folder):
        header.touch()


CHANGES = [
    add_record,
    remove_record,
    remove_signal,
    damage_record,
    mend_record,
    edit_header,
    edit_diagnosis,
    edit_signal,
    exchange_signals,
    touch_all,
]


@pytest.fixture
def folder(few_records: Path) -> Path:
    """Return a folder of a few records."""
    for header in headers(few_records)[::2]:
        header.unlink()
    return few_records


@pytest.fixture
def broken_folder(folder: Path) -> Path:
    """Return a folder of a few records, one of them without its signal."""
    signal = headers(folder)[2].with_suffix(".mat")
    signal.rename(signal.with_suffix(".away"))
    return folder


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few records be several blocks."""
    monkeypatch.setattr(fill, "BLOCK_ROWS", 2)


def once_planned(monkeypatch: pytest.MonkeyPatch, change: Callable[[], None]) -> None:
    """Call a function after the first plan of each of the following builds."""
    is_first = True

    def planning(*arguments: Any) -> None:
        nonlocal is_first
        plan(*arguments)
        if is_first:
            change()
        is_first = False

    monkeypatch.setattr(one_file, "plan", planning)


# -- the laws ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "n_blocks"), [*zip(CHANGES, itertools.cycle(range(4)), strict=False)]
)
def test_a_continued_build_equals_a_new_one_of_the_changed_folder(
    broken_folder: Path,
    tmp_path: Path,
    build: Build,
    stopped_build: StoppedBuild,
    n_blocks: int,
    change: Callable[[Path], None],
) -> None:
    out = tmp_path / "out.h5"
    phase = (RowWriter, "sync") if n_blocks < 3 else (one_file, "seal")
    stopped_build(*phase, broken_folder, out, ALL, calls=n_blocks % 3)
    assert (tmp_path / "out.h5.partial").exists()
    change(broken_folder)
    build(broken_folder, out, ALL)
    direct = build(broken_folder, tmp_path / "direct.h5", ALL)
    assert filecmp.cmp(out, direct, shallow=False)


@pytest.mark.parametrize("change", [c for c in CHANGES if c is not add_record])
def test_a_record_that_changes_after_the_scan_is_scanned_again(
    broken_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    build: Build,
    change: Callable[[Path], None],
) -> None:
    with monkeypatch.context() as patch:
        once_planned(patch, lambda: change(broken_folder))
        out = build(broken_folder, tmp_path / "out.h5", ALL)
    direct = build(broken_folder, tmp_path / "direct.h5", ALL)
    # A record that was mended could not be noticed: nothing of it is in the plan.
    assert filecmp.cmp(out, direct, shallow=False) == (change is not mend_record)


@pytest.mark.parametrize("change", [edit_header, edit_diagnosis, edit_signal])
def test_changes_that_no_time_stamp_shows_are_noticed(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    build: Build,
    change: Callable[[Path], None],
) -> None:
    """As on a file system whose times are those of whole days."""
    with monkeypatch.context() as patch:
        for module in (changes, scan):
            patch.setattr(module, "stamp", lambda *_: (0, "the same"))
        once_planned(patch, lambda: change(folder))
        out = build(folder, tmp_path / "out.h5", ALL)
    direct = build(folder, tmp_path / "direct.h5", ALL)
    assert filecmp.cmp(out, direct, shallow=False)


def test_the_checksum_of_a_record_covers_all_that_its_row_is_made_of(
    folder: Path,
) -> None:
    record = read_record(headers(folder)[0])
    others: list[dict[str, Any]] = [
        {"record_id": "A9999"},
        {"fs": 123.0},
        {"age": 1.0},
        {"sex": "unknown"},
        {"dx": ("1",)},
    ]
    signal, other = record.signal, record.signal.copy()
    other[3, 1000] = np.nextafter(other[3, 1000], 1)
    checksums = {
        changes.content_checksum(record, 5000, signal),
        changes.content_checksum(record, 4999, signal),
        changes.content_checksum(record, 5000, other),
        *(changes.content_checksum(replace(record, **o), 5000, signal) for o in others),
    }
    assert len(checksums) == 3 + len(others)
    assert changes.content_checksum(record, 5000, signal.copy()) in checksums


def test_a_change_behind_the_part_that_is_stored_is_noticed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write_record: WriteRecord,
    build: Build,
) -> None:
    """The hash of the whole signal is stored, though filling reads its beginning."""
    adc = np.random.default_rng(0).integers(-900, 900, (12, 20_000)).astype(np.int16)
    folder = write_record("A0001", adc).parent

    def change() -> None:
        adc[:, 19_000] += 1
        write_record("A0001", adc)

    with monkeypatch.context() as patch:
        once_planned(patch, change)
        out = build(folder, tmp_path / "out.h5", ALL)
    direct = build(folder, tmp_path / "direct.h5", ALL)
    assert filecmp.cmp(out, direct, shallow=False)


def test_a_header_that_changes_while_it_is_scanned_is_scanned_again(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    build: Build,
    stopped_build: StoppedBuild,
) -> None:
    """Its record was not selected, so no filling compares it with the scan."""
    victim = headers(folder)[3]
    text = victim.read_text()
    victim.write_text("".join(text.splitlines(True)[:13]))  # no diagnoses

    def changing(path: Path) -> Any:
        header = read_header(path)
        if path == victim:
            path.write_text(text)
        return header

    out = tmp_path / "out.h5"
    with monkeypatch.context() as patch:
        patch.setattr(scan, "read_header", changing)
        stopped_build(one_file, "seal", folder, out)
    build(folder, out)
    direct = build(folder, tmp_path / "direct.h5")
    assert filecmp.cmp(out, direct, shallow=False)


def test_touched_files_are_scanned_but_not_filled_again(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    build: Build,
    stopped_build: StoppedBuild,
) -> None:
    out = tmp_path / "out.h5"
    stopped_build(RowWriter, "sync", folder, out, ALL, calls=2)
    touch_all(folder)
    filled = []

    def counting(*arguments: Any, **options: Any) -> Any:
        filled.append(arguments)
        return stored_form(*arguments, **options)

    monkeypatch.setattr(fill, "stored_form", counting)
    build(folder, out, ALL)
    assert len(filled) == len(headers(folder)) - 2 * fill.BLOCK_ROWS


def test_a_record_that_never_stays_the_same_is_quarantined(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = headers(folder)[4]

    def changing(path: Path, *leads: Any, **options: Any) -> Any:
        opened = open_record(path, *leads, **options)
        if path == victim:
            path.touch()
        return opened

    monkeypatch.setattr(fill, "open_record", changing)
    report = ecgstore.build_store(
        [folder], tmp_path / "out.h5", ALL, n_workers=1, quiet=True
    )
    [entry] = report.left_out
    assert entry["reason"] == Reason.CHANGED_DURING_BUILD
    assert entry["path"] == victim.relative_to(tmp_path).as_posix()
    with ecgstore.open(tmp_path / "out.h5") as store:
        assert len(store) == len(headers(folder)) - 1


@pytest.mark.skipif(os.name != "posix", reason="no such names")
def test_a_line_break_in_a_file_name_does_not_matter(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write_record: WriteRecord,
    build: Build,
    stopped_build: StoppedBuild,
) -> None:
    header = write_record("A0001", folder="records/new\nline")
    header.rename(header.with_name("A\n1.hea"))
    out = tmp_path / "out.h5"
    stopped_build(one_file, "seal", tmp_path / "records", out, ALL)
    monkeypatch.delattr(fill, "open_record")  # nothing is filled again
    build(tmp_path / "records", out, ALL)


def test_records_that_could_not_be_read_are_tried_again(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    build: Build,
    stopped_build: StoppedBuild,
) -> None:
    """Whatever was wrong, their files are the same: a disk may have been away."""
    out = tmp_path / "out.h5"
    with monkeypatch.context() as patch:

        def failing(*_: object, **__: object) -> None:
            raise OSError("Input/output error")

        patch.setattr(scan, "open_record", failing)
        patch.setattr(pipeline, "check_any_selected", lambda *_: None)
        stopped_build(one_file, "seal", folder, out, ALL)
    with Journal(tmp_path / "out.h5.partial.scan") as journal:
        assert journal.count() == journal.count(Status.QUARANTINED)
    build(folder, out, ALL)
    direct = build(folder, tmp_path / "direct.h5", ALL)
    assert filecmp.cmp(out, direct, shallow=False)
