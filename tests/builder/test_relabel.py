"""Other labels for a finished store, in a file beside it."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import ecgstore
from ecgstore import pipes
from ecgstore.cli import main
from ecgstore.config import Config
from ecgstore.diagnoses import class_set
from ecgstore.errors import ConfigError, EcgStoreError, SchemaError
from ecgstore.storage.label_file import label_file_path
from ecgstore.storage.verify import verify

Build = Callable[..., Path]
WriteRecord = Callable[..., Path]


def write_table(folder: Path, text: str, name: str = "review.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def built(tmp_path: Path, write_record: WriteRecord, build: Build) -> Path:
    """Return a store of four records with a target and a column."""
    write_record("A", dx="164889003")
    for name in ("B", "C"):
        write_record(name, dx="426783006")
    folder = write_record("D", dx="").parent
    table = write_table(
        tmp_path, "record_id,site,ward,ef\nA,Ulm,1,50\nB,Bonn,2,\n", "build.csv"
    )
    config = Config(
        beats="none", select="all", columns=("site", "ward"), targets=("ef",)
    )
    return build(folder, tmp_path / "out.h5", config, labels=table)


def test_labels_beside_replace_those_of_the_build(
    tmp_path: Path, built: Path, build: Build
) -> None:
    before = built.read_bytes()
    table = write_table(
        tmp_path, "record_id,AF,age,kind,lvef\nB,1,33,x,1\nD,0,,yy,2.5\nZ,1,,,\n"
    )
    report = ecgstore.label_store(
        built, table, classes="code15", columns=("kind",), targets=("lvef", "age")
    )
    assert report.path == tmp_path / "out.labels.h5"
    assert report.classes["AF"] == 2
    assert report.tables[0]["rows_without_record"] == ["Z"]
    assert built.read_bytes() == before
    assert list(verify(built)) == []
    with ecgstore.open(built) as store, ecgstore.open(built, labels="built") as old:
        assert store.label_names == class_set("code15").names
        assert store.labels()[:, 4].tolist() == [1, 1, 0, 0]
        assert store.records["dx"].tolist() == [
            "164889003",
            "AF,426783006",
            "426783006",
            "",
        ]
        assert store.records["age"].tolist() == [50, 33, 50, 50]
        assert store.records["kind"].tolist() == ["", "x", "", "yy"]
        for name in ("site", "ward", "patient_id", "path", "fold"):
            assert store.records[name].equals(old.records[name]), name
        assert store.target_names == ("ef", "lvef", "age")
        nan = np.nan
        expected = [[50, nan, 50], [nan, 1, 33], [nan, nan, 50], [nan, 2.5, 50]]
        assert np.array_equal(store.targets(), expected, equal_nan=True)
        assert store["B"].classes == ["AF"]
        assert np.array_equal(store.signals([1]), old.signals([1]))
        assert store.select(classes=["AF"], query="kind == 'x'").rows.tolist() == [1]
        batch = next(
            iter(pipes.loader(store, 4, fields=("labels", "targets", "kind", "site")))
        )
        assert batch.labels is not None
        assert batch.labels.numpy().tolist() == store.labels().tolist()
        assert batch.columns["site"] == ["Ulm", "Bonn", "", ""]
        assert old.label_names == class_set("hybrid7").names
        assert old.target_names == ("ef",)
        assert "kind" not in old.records
        assert store.built_fingerprint == old.fingerprint == old.built_fingerprint
        assert store.fingerprint != old.fingerprint
        again = pickle.loads(pickle.dumps(store))
        assert again.label_names == store.label_names
        again.close()
        again = pickle.loads(pickle.dumps(old))
        assert again.label_names == old.label_names
        again.close()


def test_a_table_of_other_records_writes_nothing(tmp_path: Path, built: Path) -> None:
    ecgstore.label_store(built, write_table(tmp_path, "record_id,AF\nA,1\n"))
    before = label_file_path(built).read_bytes()
    other = write_table(tmp_path, "record_id,AF\nX,1\n", "other.csv")
    with pytest.raises(EcgStoreError, match=r"other\.csv: has no row for any record"):
        ecgstore.label_store(built, other)
    assert label_file_path(built).read_bytes() == before


def test_each_call_begins_from_the_build(tmp_path: Path, built: Path) -> None:
    table = write_table(tmp_path, "record_id,AF,x\nB,1,1\n")
    ecgstore.label_store(built, table, classes="code15", columns=["x"])
    first = label_file_path(built).read_bytes()
    ecgstore.label_store(built, classes="cinc2020")
    with ecgstore.open(built) as store:
        assert store.label_names == class_set("cinc2020").names
        assert store.records["dx"].tolist()[1] == "426783006"
        assert "x" not in store.records
    ecgstore.label_store(built, table, classes="code15", columns=["x"])
    assert label_file_path(built).read_bytes() == first


def test_patients_that_are_known_now_share_a_fold(tmp_path: Path, built: Path) -> None:
    with ecgstore.open(built) as store:
        before = store.records["fold"].tolist()
    assert len(set(before)) == 4
    table = write_table(tmp_path, "record_id,patient_id\nA,p\nB,p\nC,q\n")
    report = ecgstore.label_store(built, table)
    with ecgstore.open(built) as store:
        folds = store.records["fold"].tolist()
        assert folds[0] == folds[1] == min(before[:2])
        assert folds[2:] == before[2:]
        assert store.records["patient_id"].tolist() == ["p", "p", "q", ""]
        assert store.groups()[0] == store.groups()[1]
    assert report.n_moved_folds == 1
    table = write_table(tmp_path, "record_id,fold\nA,1\nB,10\n")
    ecgstore.label_store(built, table, folds_from="fold")
    with ecgstore.open(built) as store:
        assert store.records["fold"].tolist() == [0, 9, *before[2:]]


class TestRefused:
    def test_labels_of_another_store(
        self, tmp_path: Path, built: Path, few_records: Path, build: Build
    ) -> None:
        ecgstore.label_store(built, classes="cinc2020")
        build(few_records, built, overwrite=True)
        with pytest.raises(
            SchemaError, match=r"out\.labels\.h5: made for a store with"
        ):
            ecgstore.open(built)
        ecgstore.open(built, labels="built").close()

    def test_damage_is_found(self, tmp_path: Path, built: Path) -> None:
        ecgstore.label_store(built, classes="cinc2020")
        path = label_file_path(built)
        with h5py.File(path, "r+") as file:
            file["labels"][0, 0] = 1 - file["labels"][0, 0]
        damage = [str(one) for one in verify(built)]
        assert any("out.labels.h5: /labels: SHA-256 is" in one for one in damage)
        with h5py.File(path, "r+") as file:
            del file["folds"]
        with pytest.raises(SchemaError, match="dataset /folds is missing: label the"):
            ecgstore.open(built)
        path.write_text("no")
        with pytest.raises(SchemaError, match=r"out\.labels\.h5: .* expected labels"):
            ecgstore.open(built)

    def test_a_change_while_open(self, built: Path) -> None:
        ecgstore.label_store(built, classes="cinc2020")
        with ecgstore.open(built) as store:
            path = label_file_path(built)
            path.write_bytes(path.read_bytes() + b"x")
            with pytest.raises(EcgStoreError, match=r"out\.labels\.h5: changed since"):
                store.labels()

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"fs": 250}, EcgStoreError, "'fs' cannot be changed in a finished store"),
            ({"classes": "chagas"}, EcgStoreError, "no record has a code of .* chagas"),
            ({"columns": ("nope",)}, ConfigError, "in no table"),
            ({"columns": ("dx",)}, ConfigError, "a column of every store"),
            ({"classes": "nope"}, ConfigError, "unknown class set"),
        ],
    )
    def test_options(
        self,
        tmp_path: Path,
        write_record: WriteRecord,
        build: Build,
        options: dict[str, Any],
        error: type[Exception],
        message: str,
    ) -> None:
        out = build(write_record("A").parent, tmp_path / "plain.h5")
        with pytest.raises(error, match=message):
            ecgstore.label_store(out, **options)
        assert not label_file_path(out).exists()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Return a function that runs a command."""

    def command(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return int(caught.value.code or 0), printed.out + printed.err

    return command


def test_the_command(
    tmp_path: Path, built: Path, run: Callable[..., tuple[int, str]]
) -> None:
    table = write_table(tmp_path, "record_id,AF\nB,1\nZ,1\n")
    code, printed = run("label", built, "--labels", table, "--classes", "code15")
    assert code == 0
    assert "a row for 1 of 4 records (found 1 by record_id)" in printed
    assert "2  AF" in printed
    code, printed = run("info", built)
    assert "labels in a file beside the store" in printed
    assert "2  AF" in printed
    assert run("verify", built)[0] == 0
    code, printed = run(
        "label", built, "--labels", table, "--classes", "code15", "--json"
    )
    assert '"AF": 2' in printed
    assert run("label", built)[0] == 2
    assert run("label", built, "--remove", "--classes", "code15")[0] == 2
    assert run("label", built, "--remove")[0] == 0
    assert not label_file_path(built).exists()
    code, printed = run("label", built, "--remove")
    assert (code, "no such file" in printed) == (1, True)


def test_a_build_over_a_labelled_store_says_so(
    built: Path, few_records: Path, run: Callable[..., tuple[int, str]]
) -> None:
    ecgstore.label_store(built, classes="cinc2020")
    arguments = ("build", few_records, "-o", built, "--beats", "none", "--quiet")
    code, printed = run(*arguments, "--overwrite", "--workers", 1)
    assert code == 0
    assert "out.labels.h5 holds labels of an older store" in printed
    assert run("label", built, "--remove")[0] == 0
    assert run("info", built)[0] == 0


def test_what_earlier_labels_said_is_named(
    tmp_path: Path, built: Path, run: Callable[..., tuple[int, str]]
) -> None:
    table = write_table(tmp_path, "record_id,AF,ef,age\nB,1,0.5,33\n")
    first = ecgstore.label_store(built, table, classes="code15", targets=("ef",))
    assert first.replaced == []
    code, printed = run("label", built, "--classes", "cinc2020")
    assert code == 0
    gone = "classes code15, dx of 1 record, age of 1 record, ef of 1 record"
    assert f"earlier labels are replaced: {gone}" in printed, printed
    assert ecgstore.label_store(built, classes="cinc2020").replaced == []
    label_file_path(built).write_bytes(b"damaged")
    again = ecgstore.label_store(built, classes="cinc2020")
    assert again.replaced == ["labels that cannot be read"]


@pytest.mark.parametrize(
    ("column", "rows", "shown"),
    [
        (
            "label",
            "A,AF\nB,AF",
            "AF (2); column label holds codes, and has AF, the name",
        ),
        ("dx", "A,Afib1\nB,4.26783006e8", "4.26783006e8 (1), [other texts] (1)"),
        ("dx", "A,Mary Poppins", "[other texts] (1)"),
    ],
)
def test_a_table_that_is_not_understood_writes_nothing(
    tmp_path: Path,
    built: Path,
    run: Callable[..., tuple[int, str]],
    column: str,
    rows: str,
    shown: str,
) -> None:
    table = write_table(tmp_path, f"record_id,{column}\n{rows}\n")
    code, printed = run("label", built, "--labels", table)
    assert code == 1
    assert f"nothing in its column {column} is understood, so" in printed
    assert shown in printed
    assert "Mary" not in printed
    assert not label_file_path(built).exists()


def test_what_is_not_understood_is_counted(
    tmp_path: Path, built: Path, run: Callable[..., tuple[int, str]]
) -> None:
    table = write_table(
        tmp_path, "record_id,label\nA,164889003\nB,QQQ\nC,QQQ\nD,Mary Poppins\n"
    )
    code, printed = run("label", built, "--labels", table)
    assert code == 0
    assert "kept in /records/dx):\n        2  QQQ\n        1  [other texts]" in printed
    assert "warning: no record is in another class than before" in printed
    assert "Mary" not in printed
    table = write_table(tmp_path, "record_id,dx\nB,AF\nC,4.26783006e8\n")
    code, printed = run("label", built, "--labels", table)
    assert code == 0
    assert "no diagnosis ecgstore knows (not stored):\n        1  4.26" in printed
    assert "no record is in another class" not in printed


def test_quiet_prints_warnings_only(
    tmp_path: Path, built: Path, run: Callable[..., tuple[int, str]]
) -> None:
    table = write_table(tmp_path, "record_id,AF\nB,1\n")
    assert run("label", built, "--labels", table, "--quiet") == (0, "")
    table = write_table(tmp_path, "record_id,AF\nB,0\n")
    code, printed = run("label", built, "--labels", table, "--quiet")
    assert (code, printed.count("\n")) == (0, 1)
    assert printed.startswith("warning: no record is in another class than before")
    assert run("label", built, "--remove", "--quiet") == (0, "")
