"""What stores a collection takes, which labels and folds it has."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import ecgstore
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


def test_folds_are_kept_if_nothing_leaks(split: Split, tmp_path: Path) -> None:
    parts = split(range(20), range(20, 44))
    ecgstore.collect(parts, tmp_path / "all.h5", keep_folds=True)
    expected = []
    for part in parts:
        with ecgstore.open(part) as store:
            expected += store.table("folds").tolist()
    with ecgstore.open(tmp_path / "all.h5") as store:
        assert store.table("folds").tolist() == expected


def test_folds_that_leak_are_not_kept(
    split: Split, tmp_path: Path, sample_store: Path
) -> None:
    [part, copy] = split(range(20), range(10))
    table = tmp_path / "folds.csv"
    with ecgstore.open(copy) as store:
        lines = [
            f"{name},{(fold + 1) % 10}"
            for name, fold in zip(store, store.table("folds").tolist(), strict=True)
        ]
    table.write_text("\n".join(["record_id,fold", *lines]))
    ecgstore.label_store(copy, table, folds_from="fold")
    with pytest.raises(EcgStoreError, match=r"cannot be kept.* leave out --keep-folds"):
        ecgstore.collect([part, copy], tmp_path / "all.h5", keep_folds=True)
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


def test_the_same_stores_make_the_same_bytes(split: Split, tmp_path: Path) -> None:
    parts = split(range(20), range(20, 44))
    for name in ("one.h5", "two.h5"):
        ecgstore.collect(parts, tmp_path / name)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()


def test_stores_that_do_not_fit_are_refused(
    split: Split, few_records: Path, tmp_path: Path, build: Callable[..., Path]
) -> None:
    [part] = split(range(20))
    out = tmp_path / "all.h5"
    config = ecgstore.Config(fs=250.0, beats="none", select="all")
    slow = build(few_records, tmp_path / "slow.h5", config)
    collected = tmp_path / "collected.h5"
    ecgstore.collect([part], collected)
    copy = Path(shutil.copy(part, tmp_path / "copy.h5"))
    for stores, message in (
        ([part, slow], r"slow\.h5: option fs is 250\.0; expected 500\.0"),
        ([VERSION_1], "`ecgstore convert"),
        ([collected], "is a collection; expected the stores"),
        ([part, copy], "is the same store as .* leave one of them out"),
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
