"""What stores a collection takes, which labels and folds it has."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import ecgstore
from ecgstore.builder import collected_columns
from ecgstore.builder.collect import write_collection
from ecgstore.builder.parts_of_collection import PartsFit
from ecgstore.cli import main
from ecgstore.errors import EcgStoreError

VERSION_1 = Path(__file__).parents[1] / "storage" / "data" / "version-1.h5"
Split = Callable[..., list[Path]]


@pytest.fixture
def split(sample_store: Path, tmp_path: Path) -> Split:
    """Return a function that writes some rows of the sample as stores."""

    def make(*rows: range) -> list[Path]:
        paths = [tmp_path / f"part-{number}.h5" for number in range(len(rows))]
        with ecgstore.open(sample_store) as store:
            for path, some in zip(paths, rows, strict=True):
                ecgstore.write_subset(store.select(rows=some), path)
        return paths

    return make


def test_the_same_ecg_in_two_parts_is_reported_and_in_one_fold(
    split: Split, tmp_path: Path
) -> None:
    parts = split(range(20), range(15, 44))
    report = ecgstore.collect(parts, tmp_path / "all.h5")
    assert report.n_records == 49
    assert len(report.same_ecg) == 5
    for one, other in report.same_ecg:
        assert one.startswith("part-0.h5: ")
        assert other == one.replace("part-0", "part-1")
    with ecgstore.open(tmp_path / "all.h5") as store:
        folds, same = store.table("folds"), store.table("records/same_ecg")
        assert same[20:25].tolist() == [15, 16, 17, 18, 19]
        np.testing.assert_array_equal(folds[20:25], folds[15:20])
        groups = store.groups()
        for group in np.unique(groups):
            assert len(np.unique(folds[groups == group])) == 1


def test_records_of_the_same_name_are_reported(split: Split, tmp_path: Path) -> None:
    parts = split(range(20), range(15, 44))
    report = ecgstore.collect(parts, tmp_path / "all.h5")
    with ecgstore.open(tmp_path / "all.h5") as store:
        names = store.column("record_id")
        assert report.same_name == [
            (f"part-0.h5: {name}", f"part-1.h5: {name}") for name in names[15:20]
        ]
        with pytest.raises(EcgStoreError, match=r"rows 15, 20 .*store\.signals\(\[15"):
            store[names[15]]


def test_stores_may_come_from_a_generator_or_stand_alone(
    split: Split, tmp_path: Path
) -> None:
    parts = split(range(20), range(20, 44))
    report = ecgstore.collect(iter(parts), tmp_path / "all.h5")
    assert report.n_parts == 2
    report = ecgstore.collect(str(parts[0]), tmp_path / "one.h5")
    assert report.n_records == 20


@pytest.mark.parametrize("as_link", [False, True])
def test_a_part_is_never_replaced(split: Split, tmp_path: Path, as_link: bool) -> None:
    parts = split(range(20), range(20, 44))
    content = parts[0].read_bytes()
    out = parts[0]
    if as_link:
        out = tmp_path / "link.h5"
        out.symlink_to(parts[0])
    ecgstore.collect(parts, tmp_path / "all.h5")
    with pytest.raises(EcgStoreError, match="is one of the stores that are read"):
        ecgstore.collect(parts, out, overwrite=True)
    with pytest.raises(EcgStoreError, match="is one of the stores that are read"):
        ecgstore.convert_store(tmp_path / "all.h5", out, overwrite=True)
    assert parts[0].read_bytes() == content


def test_labels_of_a_collection_that_is_replaced_are_not_left_behind(
    split: Split, tmp_path: Path
) -> None:
    parts = split(range(20), range(20, 44))
    out = tmp_path / "all.h5"
    ecgstore.collect(parts, out)
    ecgstore.label_store(out, classes="cinc2020")
    with pytest.raises(EcgStoreError, match=r"all\.labels\.h5: holds labels"):
        ecgstore.collect(parts[:1], out, overwrite=True)


def test_a_filtered_copy_at_another_scale_is_found(
    sample_store: Path, tmp_path: Path
) -> None:
    """Of which no checksum is the same."""
    with ecgstore.open(sample_store) as store:
        records = [
            (f"copy{row}", store.signals([row])[0] * np.float32(1.5), 500)
            for row in range(6)
        ]
    ecgstore.build_from(
        records,
        tmp_path / "copies.h5",
        ecgstore.Config(select="all"),
        n_workers=1,
        quiet=True,
    )
    report = ecgstore.collect(
        [sample_store, tmp_path / "copies.h5"], tmp_path / "all.h5"
    )
    assert len(report.same_ecg) == 6
    with ecgstore.open(tmp_path / "all.h5") as store:
        folds, same = store.table("folds"), store.table("records/same_ecg")
        np.testing.assert_array_equal(folds[44:], folds[same[44:]])
        assert same[44:].max() < 44


def test_folds_are_kept_if_nothing_leaks(split: Split, tmp_path: Path) -> None:
    parts = split(range(20), range(20, 44))
    ecgstore.collect(parts, tmp_path / "all.h5", keep_folds=True)
    expected = []
    for part in parts:
        with ecgstore.open(part) as store:
            expected += store.table("folds").tolist()
    with ecgstore.open(tmp_path / "all.h5") as store:
        assert store.table("folds").tolist() == expected


@pytest.mark.parametrize("step", [1, 9])
def test_folds_that_leak_are_not_kept(split: Split, tmp_path: Path, step: int) -> None:
    [part, other] = split(range(20), range(1))
    table = tmp_path / "folds.csv"
    with ecgstore.open(other) as store:
        lines = [
            f"{name},{(fold + step) % 10}"
            for name, fold in zip(store, store.table("folds").tolist(), strict=True)
        ]
    # Without a fold 0, they would count from 1.
    table.write_text("\n".join(["record_id,fold", "another,0", *lines]))
    ecgstore.label_store(other, table, folds_from="fold")
    with pytest.raises(EcgStoreError, match=r"cannot be kept.* leave out --keep-folds"):
        ecgstore.collect([part, other], tmp_path / "all.h5", keep_folds=True)
    assert not (tmp_path / "all.h5").exists()


def test_labels_are_made_of_the_codes_where_class_sets_differ(
    split: Split, tmp_path: Path, sample_store: Path
) -> None:
    parts = split(range(20), range(20, 44))
    ecgstore.label_store(parts[1], classes="cinc2020")
    for classes, name in ((None, "hybrid7"), ("cinc2020", "cinc2020")):
        out = tmp_path / f"{name}.h5"
        ecgstore.collect(parts, out, classes=classes)
        with ecgstore.open(out) as opened, ecgstore.open(sample_store) as store:
            assert opened.config.classes.name == name
            np.testing.assert_array_equal(opened.labels(), store.labels(name))


def test_targets_and_columns_that_a_part_lacks_are_empty(
    split: Split, tmp_path: Path
) -> None:
    parts = split(range(20), range(20, 44))
    ecgstore.label_store(parts[1], targets=["age"])
    ecgstore.collect(parts, tmp_path / "all.h5")
    with ecgstore.open(tmp_path / "all.h5") as opened:
        assert opened.target_names == ("age",)
        assert np.isnan(opened.targets()[:20]).all()
        ages = opened.records["age"].to_numpy()[20:]
        np.testing.assert_array_equal(opened.targets()[20:, 0], ages)


def test_targets_are_those_of_their_names(split: Split, tmp_path: Path) -> None:
    """Whatever their order in each part."""
    parts = split(range(20), range(20, 44))
    expected = {name: np.zeros(44) for name in ("one", "two")}
    for part, order, first in zip(
        parts, (["one", "two"], ["two", "one"]), (0, 20), strict=True
    ):
        with ecgstore.open(part) as store:
            ids = list(store)
        for number, name in enumerate(expected):
            rows = np.arange(len(ids)) + first
            expected[name][rows] = rows + 1000 * number
        table = part.with_suffix(".csv")
        lines = [f"{name},{first + i},{first + i + 1000}" for i, name in enumerate(ids)]
        table.write_text("\n".join(["record_id,one,two", *lines]))
        ecgstore.label_store(part, table, targets=order)
    ecgstore.collect(parts, tmp_path / "all.h5")
    with ecgstore.open(tmp_path / "all.h5") as opened:
        for number, name in enumerate(opened.target_names):
            np.testing.assert_array_equal(opened.targets()[:, number], expected[name])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("leads", ("I", "II")),
        ("duration_s", 5.0),
        ("windows", "whole"),
        ("low_hz", 1.0),
        ("high_hz", 30.0),
        ("filter_order", 2),
        ("margin_s", 1.0),
        ("dtype", "float32"),
        ("beats", "none"),
        ("rr_convention", "other"),
    ],
)
def test_an_option_that_differs_is_named(
    split: Split, tmp_path: Path, name: str, value: object
) -> None:
    with ExitStack() as opened:
        stores = [
            opened.enter_context(ecgstore.open(part))
            for part in split(range(3), range(3, 5))
        ]
        config = copy(stores[1].config)
        object.__setattr__(config, name, value)
        stores[1].config = config
        fit = PartsFit()
        fit.check(stores[0])
        with pytest.raises(EcgStoreError, match=rf"part-1\.h5: option {name} is"):
            fit.check(stores[1])


@pytest.mark.parametrize("name", ["beats", "features"])
def test_parts_of_another_version_of_what_is_measured_are_refused(
    split: Split, tmp_path: Path, name: str
) -> None:
    parts = split(range(3), range(3, 5))
    with h5py.File(parts[1], "r+") as file:
        software = file.attrs["software"].decode()
        version = re.search(rf"\b{name} (\S+?),", software)
        assert version is not None
        other = software.replace(version[0], f"{name} 0,")
        del file.attrs["software"]
        file.attrs["software"] = np.bytes_(other)
    with pytest.raises(EcgStoreError, match=r"part-1\.h5: .* of another version"):
        ecgstore.collect(parts, tmp_path / "all.h5")


def test_no_part_is_replaced_by_its_collection(split: Split, tmp_path: Path) -> None:
    """Not even if it is asked for, or by another name."""
    parts = split(range(20), range(20, 44))
    content = parts[1].read_bytes()
    link = tmp_path / "link.h5"
    link.symlink_to(parts[1])
    for out in (parts[1], link):
        with pytest.raises(EcgStoreError, match="that are read; choose another output"):
            ecgstore.collect(parts, out, overwrite=True)
        assert parts[1].read_bytes() == content


_WITH_FULL_DISK = """
import resource, signal, sys
import h5py
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
from ecgstore.cli import main
main(sys.argv[2:])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files")
@pytest.mark.parametrize("command", ["collect", "convert"])
@pytest.mark.parametrize("room", [1_000, 60_000])
def test_a_full_disk_does_not_end_the_process(
    split: Split, tmp_path: Path, command: str, room: int
) -> None:
    """The HDF5 library would, if it could not write in the end."""
    [part] = split(range(3))
    out = tmp_path / "out.h5"
    words = [str(room), command, str(part), "-o", str(out)]
    ended = subprocess.run(
        [sys.executable, "-c", _WITH_FULL_DISK, *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    assert "cannot be written (File too large)" in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == [part.name]


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of open files")
def test_too_many_parts_for_the_limit_of_open_files(
    split: Split, tmp_path: Path
) -> None:
    import resource

    part = split(range(3))[0]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        pytest.skip("this system has no limit")
    with pytest.raises(EcgStoreError, match="raise the limit"):
        ecgstore.collect([part] * hard, tmp_path / "all.h5")
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    try:
        ecgstore.collect([part], tmp_path / "all.h5")
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 64
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_same_stores_make_the_same_bytes(split: Split, tmp_path: Path) -> None:
    parts = split(range(20), range(20, 44))
    for name in ("one.h5", "two.h5"):
        ecgstore.collect(parts, tmp_path / name)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()


def test_one_store_is_open_at_a_time(
    split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_open: list[int] = []

    class Counted(ecgstore.Store):
        def __init__(self, path: Path, **options: Any) -> None:
            super().__init__(path, **options)
            n_open.append(len(n_open) - n_closed[0] + 1)

        def close(self) -> None:
            super().close()
            n_closed[0] += 1

    n_closed = [0]
    monkeypatch.setattr(collected_columns, "Store", Counted)
    ecgstore.collect(split(range(9), range(9, 20), range(20, 44)), tmp_path / "all.h5")
    assert n_open == [1, 1, 1]
    assert n_closed == [3]


def test_columns_are_the_same_however_many_rows_are_written_at_once(
    split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = split(range(9), range(9, 20), range(20, 44))
    ecgstore.collect(parts, tmp_path / "one.h5")
    monkeypatch.setattr(collected_columns, "_ROWS_AT_ONCE", 15)
    ecgstore.collect(parts, tmp_path / "two.h5")
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()


def test_links_and_folds_that_are_given_are_written(
    split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without comparing or dealing anything again."""
    parts = split(range(20), range(15, 44))
    report = ecgstore.collect(parts, tmp_path / "one.h5")
    with ecgstore.open(tmp_path / "one.h5") as store:
        links, folds = store.table("records/same_ecg")[:], store.table("folds")[:]
    for name in ("same_signals", "group_records", "assign_folds"):
        monkeypatch.delattr(sys.modules[write_collection.__module__], name)
    out = tmp_path / "two.h5"
    again = write_collection(parts, out, tmp_path, links=links, folds=folds)
    assert (tmp_path / "one.h5").read_bytes() == out.read_bytes()
    assert again == replace(report, path=out)
    other = np.roll(folds, 1)
    write_collection(parts, out, tmp_path, links=np.arange(49), folds=other)
    with ecgstore.open(out) as store:
        assert store.table("records/same_ecg").tolist() == [*range(49)]
        assert store.table("folds").tolist() == other.tolist()


def test_stores_that_do_not_fit_are_refused(
    split: Split, few_records: Path, tmp_path: Path, build: Callable[..., Path]
) -> None:
    [part] = split(range(20))
    out = tmp_path / "all.h5"
    config = ecgstore.Config(fs=250.0, beats="none", select="all")
    slow = build(few_records, tmp_path / "slow.h5", config)
    collected = tmp_path / "collected.h5"
    ecgstore.collect([part], collected)
    same = Path(shutil.copy(part, tmp_path / "copy.h5"))
    for stores, message in (
        ([part, slow], r"slow\.h5: option fs is 250\.0; expected 500\.0"),
        ([VERSION_1], "`ecgstore convert"),
        ([collected], "is a collection; expected the stores"),
        ([part, same], "is the same store as .* leave one of them out"),
        ([], "no store is given"),
        ([part, tmp_path / "none.h5"], "no such file"),
    ):
        with pytest.raises(EcgStoreError, match=message):
            ecgstore.collect(stores, out)
        assert not out.exists()
    with pytest.raises(EcgStoreError, match="exists already"):
        ecgstore.collect([part], collected)


def test_the_command_collects(
    split: Split, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = split(range(20), range(18, 44))
    out = tmp_path / "all.h5"
    with pytest.raises(SystemExit) as caught:
        main(["collect", *map(str, parts), "-o", str(out)])
    assert not caught.value.code
    printed = capsys.readouterr()
    assert "46 records of 2 stores" in printed.out
    assert "2 records hold an ECG of another part" in printed.err
    assert "2 records have source and name of one of another part" in printed.err
    for command in ("info", "verify"):
        with pytest.raises(SystemExit) as caught:
            main([command, str(out)])
        assert not caught.value.code
    printed = capsys.readouterr()
    assert "46" in printed.out
    assert f"a collection of 2 stores: {parts[0]}, {parts[1]}" in printed.out
    with pytest.raises(SystemExit) as caught:
        main(["convert", str(out), "-o", str(tmp_path / "one.h5")])
    assert not caught.value.code
    with ecgstore.open(tmp_path / "one.h5") as store:
        assert len(store) == 46
        assert store.parts == ()
