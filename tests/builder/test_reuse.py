"""Reuse law: a build that copies from an older store writes the same bytes."""

import filecmp
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

import ecgstore
from ecgstore.builder import ScanReport, fill, one_file, pipeline
from ecgstore.builder.old_values import MEASURED, OldBlock
from ecgstore.builder.plan import plan, software
from ecgstore.builder.shared_options import versions_of
from ecgstore.cli import cli
from ecgstore.config import Config
from ecgstore.diagnoses import class_set
from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.features import measure
from ecgstore.record import LEADS

Build = Callable[..., Path]
StoppedBuild = Callable[..., None]
WriteRecord = Callable[..., Path]
Change = Callable[[Path], object]

VERSION_1 = Path(__file__).parents[1] / "storage" / "data" / "version-1.h5"


ALL = Config(select="all")


def rebuilt(
    source: Path, out: Path, config: Config = ALL, **options: Any
) -> ScanReport:
    """Build a store, and return the report."""
    options = {"n_workers": 1, "quiet": True, **options}
    return ecgstore.build_store([source], out, config, **options)


@pytest.fixture(scope="session")
def dozen_store(dozen_records: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the store of a dozen records, with beats."""
    out = tmp_path_factory.mktemp("dozen-store") / "old.h5"
    rebuilt(dozen_records, out)
    return out


@pytest.fixture
def old(dozen_store: Path, tmp_path: Path) -> Path:
    """Return a copy of that store, which a test may change."""
    return Path(shutil.copy(dozen_store, tmp_path / "old.h5"))


@contextmanager
def measured(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Yield a list that gets an element for each row whose features are computed."""
    calls: list[int] = []
    original = measure

    def counting(*arguments: Any) -> Any:
        calls.append(len(calls))
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(fill, "measure_features", counting)
        yield calls


def headers(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.hea"))


def remove_two(folder: Path) -> None:
    for header in headers(folder)[1:3]:
        header.unlink()


def change_a_signal(folder: Path) -> None:
    """Replace a signal by that of another record, under its name."""
    first, second = headers(folder)[:2]
    shutil.copy(second.with_suffix(".mat"), first.with_suffix(".mat"))
    text = second.read_text(encoding="utf-8").replace(second.stem, first.stem)
    first.write_text(text, encoding="utf-8")


def change_one_sample(folder: Path) -> None:
    mat = headers(folder)[0].with_suffix(".mat")
    content = bytearray(mat.read_bytes())
    content[-12 * 2500 * 2] ^= 64  # a sample in the middle, by more than 1 uV
    mat.write_bytes(content)


def change_an_age(folder: Path, number: int = 0) -> None:
    header = headers(folder)[number]
    lines = header.read_text(encoding="utf-8").splitlines()
    lines = ["#Age: 33" if "Age" in line else line for line in lines]
    assert "#Age: 33" in lines
    header.write_text("\n".join([*lines, ""]), encoding="utf-8")


def rename(folder: Path) -> None:
    header = headers(folder)[0]
    text = header.read_text(encoding="utf-8").replace(header.stem, "ZZ0001")
    header.with_name("ZZ0001.hea").write_text(text, encoding="utf-8")
    header.with_suffix(".mat").rename(header.with_name("ZZ0001.mat"))
    header.unlink()


def add_a_copy(folder: Path) -> None:
    """Add a record with the signal of another one, which sorts before it."""
    header = headers(folder)[0]
    text = header.read_text(encoding="utf-8").replace(header.stem, "AA0001")
    header.with_name("AA0001.hea").write_text(text, encoding="utf-8")
    shutil.copy(header.with_suffix(".mat"), header.with_name("AA0001.mat"))


def change_nothing(folder: Path) -> None:
    pass


CHANGES: list[tuple[Change, int]] = [
    (change_nothing, 0),
    (remove_two, 0),
    (change_a_signal, 0),
    (change_one_sample, 1),
    (change_an_age, 0),
    (rename, 0),
    (add_a_copy, 0),
]


@pytest.mark.parametrize(("change", "n_computed"), CHANGES)
def test_reuse_does_not_change_a_byte(
    few_records: Path,
    old: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Change,
    n_computed: int,
) -> None:
    change(few_records)
    rebuilt(few_records, tmp_path / "expected.h5")
    with measured(monkeypatch) as computed:
        report = rebuilt(few_records, tmp_path / "new.h5", reuse=old)
    assert filecmp.cmp(tmp_path / "new.h5", tmp_path / "expected.h5", shallow=False)
    assert len(computed) == n_computed
    assert report.n_reused == report.n_rows - n_computed
    assert report.n_rows > 9


def test_reuse_of_part_of_the_records_does_not_change_a_byte(
    few_records: Path, dozen_store: Path, tmp_path: Path
) -> None:
    """The use it is made for: records were added. Also with several processes."""
    elsewhere = tmp_path / "later"
    for header in headers(few_records)[::2]:
        target = elsewhere / header.relative_to(few_records).parent
        target.mkdir(parents=True, exist_ok=True)
        for path in (header, header.with_suffix(".mat")):
            shutil.move(path, target)
    part = tmp_path / "part.h5"
    n_before = rebuilt(few_records, part).n_rows
    shutil.copytree(elsewhere, few_records, dirs_exist_ok=True)
    for n_workers in (1, 3):
        out = tmp_path / f"{n_workers}.h5"
        report = rebuilt(few_records, out, reuse=part, n_workers=n_workers)
        assert filecmp.cmp(out, dozen_store, shallow=False)
        assert 0 < report.n_reused == n_before < report.n_rows


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_reuse_of_windows_does_not_change_a_byte(
    write_record: WriteRecord, tmp_path: Path, dtype: str
) -> None:
    """All windows of a record have one hash, and a record lacks a lead."""
    rng = np.random.default_rng(0)
    beats = 300 * np.sin(np.arange(15_000) / 40)
    adc = (beats + rng.normal(0, 20, (12, 15_000))).astype(np.int16)
    config = Config(windows="every=10s", allow_missing_leads=True, dtype=dtype)
    folder = write_record("L01", adc).parent
    lead = LEADS.index("V3")
    adc[lead] = np.iinfo(np.int16).min  # no valid sample
    write_record("L02", adc)
    rebuilt(folder, tmp_path / "old.h5", config)
    adc[lead] = 0  # stored as the lead that is absent
    write_record("L03", adc)
    rebuilt(folder, tmp_path / "expected.h5", config)
    report = rebuilt(folder, tmp_path / "new.h5", config, reuse=tmp_path / "old.h5")
    assert filecmp.cmp(tmp_path / "new.h5", tmp_path / "expected.h5", shallow=False)
    assert (report.n_rows, report.n_reused) == (9, 6)
    with ecgstore.open(tmp_path / "new.h5") as store:
        np.testing.assert_array_equal(
            store.signals(range(3, 6)), store.signals(range(6, 9))
        )
        assert (
            store.records["missing_leads"].tolist() == [""] * 3 + ["V3"] * 3 + [""] * 3
        )


@pytest.mark.parametrize(
    ("row", "padding", "missing", "flipped", "is_copied"),
    [
        (2, 0, (), 0, True),
        (2, 1, (), 0, False),
        (2, 0, ("V3",), 0, False),
        (2, 0, (), 1, False),
        (-1, 0, (), 0, False),
    ],
)
def test_a_row_is_copied_if_all_that_was_measured_is_the_same(
    dozen_store: Path,
    row: int,
    padding: int,
    missing: tuple[str, ...],
    flipped: int,
    is_copied: bool,
) -> None:
    with ecgstore.open(dozen_store) as store:
        [signal] = store.signals([2], dtype="int16")
        signal[-1, -1] ^= flipped
        old = OldBlock(store, np.array([-1, row]))
        block = {path: np.zeros((2, *store.table(path).shape[1:])) for path in MEASURED}
        assert old.copy(1, signal, padding, missing, block) == is_copied
        assert old.n_reused == is_copied
        assert old.n_damaged == 0
        for path, values in block.items():
            expected = store.table(path)[2] if is_copied else np.zeros(values.shape[1:])
            np.testing.assert_array_equal(values[1], expected)
            assert not values[0].any()


def test_signals_that_differ_by_less_than_the_hash_sees_are_computed(
    write_record: WriteRecord, tmp_path: Path
) -> None:
    """At a quarter of 1 uV per count, other counts may have the same SHA-256."""
    time = np.arange(5000) / 500
    wave = 2000 * np.sin(2 * np.pi * 1.2 * time) ** 9
    adc = 4 * np.round(np.outer(np.arange(1, 13) / 6, wave)).astype(np.int16)
    folder = write_record("A0001", adc, gain="4000/mV").parent
    rebuilt(folder, tmp_path / "old.h5")
    write_record("A0001", adc + 1, gain="4000/mV")  # a quarter of 1 uV more
    write_record("A0001", adc + np.arange(5000, dtype=np.int16) % 2, gain="4000/mV")
    rebuilt(folder, tmp_path / "expected.h5")
    report = rebuilt(folder, tmp_path / "new.h5", reuse=tmp_path / "old.h5")
    assert filecmp.cmp(tmp_path / "new.h5", tmp_path / "expected.h5", shallow=False)
    assert report.n_reused == 0
    with (
        ecgstore.open(tmp_path / "old.h5") as old,
        ecgstore.open(tmp_path / "new.h5") as new,
    ):
        assert old.records["sha256"].equals(new.records["sha256"])
        assert (old.signals([0]) != new.signals([0])).any()


def test_a_store_may_be_reused_for_its_successor(
    few_records: Path, old: Path, tmp_path: Path
) -> None:
    remove_two(few_records)
    rebuilt(few_records, tmp_path / "expected.h5")
    with pytest.raises(EcgStoreError, match="exists already"):
        rebuilt(few_records, old, reuse=old)
    report = rebuilt(few_records, old, reuse=old, overwrite=True)
    assert report.n_reused == report.n_rows > 0
    assert filecmp.cmp(old, tmp_path / "expected.h5", shallow=False)


def test_a_collection_can_be_reused(
    few_records: Path, dozen_store: Path, tmp_path: Path
) -> None:
    for fold_of, name in ((0, "even.h5"), (1, "odd.h5")):
        with ecgstore.open(dozen_store) as store:
            rows = np.arange(fold_of, len(store), 2)
            ecgstore.write_subset(store.select(rows=rows), tmp_path / name)
    collection = tmp_path / "all.h5"
    ecgstore.collect([tmp_path / "odd.h5", tmp_path / "even.h5"], collection)
    report = rebuilt(few_records, tmp_path / "new.h5", reuse=collection)
    assert report.n_reused == report.n_rows
    assert filecmp.cmp(tmp_path / "new.h5", dozen_store, shallow=False)
    with h5py.File(tmp_path / "odd.h5", "r+") as file:
        file["features"][0, 0] += 1
    with pytest.raises(SchemaError, match=r"odd\.h5: /features is damaged"):
        rebuilt(few_records, tmp_path / "again.h5", reuse=collection)


def test_a_stopped_build_continues_with_reuse_or_without(
    few_records: Path,
    dozen_store: Path,
    old: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stopped_build: StoppedBuild,
) -> None:
    monkeypatch.setattr(fill, "BLOCK_ROWS", 2)
    for first, second, n_reused in ((old, None, 0), (None, old, 4), (old, old, 4)):
        out = tmp_path / "out.h5"
        n_rows = 12 - 4
        stopped_build(
            fill, "stored_form", few_records, out, ALL, calls=n_rows, reuse=first
        )
        report = rebuilt(few_records, out, reuse=second)
        assert filecmp.cmp(out, dozen_store, shallow=False)
        assert report.n_reused == (n_reused if second else 0)
        out.unlink()


@pytest.mark.parametrize(("is_touched", "n_plans"), [(True, 1), (False, 2)])
def test_rows_that_are_filled_again_count_once(
    few_records: Path,
    old: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_touched: bool,
    n_plans: int,
) -> None:
    """A record is touched, so that its block is filled again, or planned again."""
    monkeypatch.setattr(fill, "BLOCK_ROWS", 2)
    original = plan
    planned = []

    def plan_and_change(journal: Any, partial: Path, *others: Any) -> None:
        original(journal, partial, *others)
        planned.append(partial)
        if len(planned) == 1 and is_touched:
            os.utime(headers(few_records)[-1])
        elif len(planned) == 1:
            change_an_age(few_records, -1)

    monkeypatch.setattr(one_file, "plan", plan_and_change)
    report = rebuilt(few_records, tmp_path / "new.h5", reuse=old)
    assert len(planned) == n_plans
    assert report.n_reused == report.n_rows


def test_damaged_signals_are_computed_and_damaged_tables_refused(
    few_records: Path, old: Path, dozen_store: Path, tmp_path: Path
) -> None:
    with h5py.File(old, "r+") as file:
        file["signals"][3, 0, 700] ^= 1
    report = rebuilt(few_records, tmp_path / "new.h5", reuse=old)
    assert filecmp.cmp(tmp_path / "new.h5", dozen_store, shallow=False)
    assert report.n_reused == report.n_rows - 1
    assert any("signals damaged in 1 row," in warning for warning in report.warnings)
    for name in ("features", "r_peaks", "fiducials"):
        broken = Path(shutil.copy(dozen_store, tmp_path / "broken.h5"))
        with h5py.File(broken, "r+") as file:
            values = file[name][2]
            values[..., 0] += 1
            file[name][2] = values
        with pytest.raises(SchemaError, match=f"/{name} is damaged"):
            rebuilt(few_records, tmp_path / "other.h5", reuse=broken)
    for name in ("beats_status", "pad_length"):
        broken = Path(shutil.copy(dozen_store, tmp_path / "broken.h5"))
        with h5py.File(broken, "r+") as file:
            file[f"quality/{name}"][2] += 1
        with pytest.raises(SchemaError, match=f"/quality/{name} is damaged"):
            rebuilt(few_records, tmp_path / "other.h5", reuse=broken)
    assert not [*tmp_path.glob("other*")]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"fs": 250}, "option fs is 500.0; expected 250.0"),
        ({"beats": "none"}, "option beats is ecgstore; expected none"),
        ({"windows": "every=10s"}, "option windows is None; expected"),
    ],
)
def test_other_options_are_refused(
    few_records: Path,
    dozen_store: Path,
    tmp_path: Path,
    options: dict[str, Any],
    problem: str,
) -> None:
    with pytest.raises(EcgStoreError, match=problem):
        rebuilt(
            few_records,
            tmp_path / "new.h5",
            Config(select="all", **options),
            reuse=dozen_store,
        )
    assert [*tmp_path.iterdir()] == [few_records]


def test_options_that_no_measure_depends_on_may_differ(
    few_records: Path, dozen_store: Path, tmp_path: Path
) -> None:
    config = Config(max_gap_s=0.5, classes=class_set("cinc2020"), select="all", limit=7)
    rebuilt(few_records, tmp_path / "expected.h5", config)
    report = rebuilt(few_records, tmp_path / "new.h5", config, reuse=dozen_store)
    assert filecmp.cmp(tmp_path / "new.h5", tmp_path / "expected.h5", shallow=False)
    assert report.n_reused > 0


@pytest.mark.parametrize("name", ["beats", "features", "numpy", "scipy", "neurokit2"])
def test_other_software_is_refused_but_for_a_release_that_measures_the_same(
    few_records: Path,
    dozen_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    today = software()
    versions = versions_of(today)
    other = today.replace(f"{name} {versions[name]}", f"{name} 99")
    monkeypatch.setattr(pipeline, "software", lambda: other)
    with pytest.raises(EcgStoreError, match=f"version {versions[name]} of {name}"):
        rebuilt(few_records, tmp_path / "new.h5", reuse=dozen_store)
    newer = today.replace(f"ecgstore {versions['ecgstore']}", "ecgstore 99")
    monkeypatch.setattr(pipeline, "software", lambda: newer)
    assert rebuilt(few_records, tmp_path / "new.h5", reuse=dozen_store).n_reused


def test_stores_of_version_1_are_refused(few_records: Path, tmp_path: Path) -> None:
    with ecgstore.open(VERSION_1) as store:
        config = store.config
    with pytest.raises(EcgStoreError, match="version unknown of beats"):
        rebuilt(few_records, tmp_path / "new.h5", config, reuse=VERSION_1)
    with pytest.raises(EcgStoreError, match="no such file"):
        rebuilt(few_records, tmp_path / "new.h5", reuse=tmp_path / "none.h5")


@pytest.mark.parametrize("n_workers", [1, 2])
def test_a_store_that_changes_meanwhile_stops_the_build(
    few_records: Path,
    old: Path,
    dozen_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    n_workers: int,
) -> None:
    """No record goes to quarantine for it, and the build can be continued."""
    original = plan

    def replacing(*arguments: Any) -> None:
        original(*arguments)
        with ecgstore.open(dozen_store) as store:
            other = tmp_path / "other.h5"
            ecgstore.write_subset(store.select(rows=range(5)), other)
        os.replace(other, old)

    out = tmp_path / "new.h5"
    with monkeypatch.context() as patch:
        patch.setattr(one_file, "plan", replacing)
        with pytest.raises(EcgStoreError, match="was replaced by another store"):
            rebuilt(few_records, out, reuse=old, n_workers=n_workers)
    report = rebuilt(few_records, out, reuse=old)
    assert report.n_reused == 5
    assert filecmp.cmp(out, dozen_store, shallow=False)


def test_the_command_says_how_much_was_reused(
    few_records: Path, old: Path, tmp_path: Path
) -> None:
    remove_two(few_records)
    arguments = ["build", str(few_records), "-o", str(old), "--overwrite", "--quiet"]
    result = CliRunner().invoke(
        cli, [*arguments, "--reuse", str(old), "--workers", "1"]
    )
    assert result.exit_code == 0, result.output
    assert f"beats and features copied from {old}: 9 of 9 rows" in result.output
