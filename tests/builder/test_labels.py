"""Labels, folds, columns and targets of a store that come from tables or comments."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ecgstore
from ecgstore.builder import one_file
from ecgstore.config import Config
from ecgstore.diagnoses import class_set
from ecgstore.errors import ConfigError, EcgStoreError
from ecgstore.export import export
from ecgstore.storage.summary import summarise
from ecgstore.storage.verify import verify

DATA = Path(__file__).resolve().parents[1] / "data"

Build = Callable[..., Path]
WriteRecord = Callable[..., Path]


def write_table(folder: Path, text: str, name: str = "labels.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def folder(write_record: WriteRecord) -> Path:
    """Return a folder with four records, A with atrial fibrillation in its header."""
    write_record("A", dx="164889003")
    for name in ("B", "C"):
        write_record(name, dx="426783006")
    return write_record("D", dx="").parent


def test_a_table_labels_a_store(tmp_path: Path, folder: Path, build: Build) -> None:
    table = write_table(
        tmp_path,
        "record_id,AF,ST,patient_id,age,sex,site,ward,ef\n"
        "A,0,1,7,30,M,Ulm,3,55\nB,0,0,7,,F,Köln,4.5,\nC,,,8,,,,,61.5\nE,1,1,9,,,,,\n",
    )
    config = Config(
        beats="none",
        classes=class_set("code15"),
        columns=("site", "ward", "age"),
        targets=("ef", "age"),
    )
    out = build(folder, tmp_path / "out.h5", config, labels=[table])
    assert list(verify(out)) == []
    with ecgstore.open(out, verify="first-touch") as store:
        # B is known to be in none of two classes. Nothing is known of C and D.
        assert list(store) == ["A", "B"]
        assert store.labels()[:, [4, 5]].tolist() == [[0, 1], [0, 0]]
        assert store.records["dx"].tolist() == ["ST", "426783006"]
        assert store.records["patient_id"].tolist() == ["7", "7"]
        assert store.records["age"].tolist() == [30, 50]
        assert store.records["sex"].tolist() == ["male", "female"]
        assert store.records["site"].tolist() == ["Ulm", "Köln"]
        assert store.records["ward"].tolist() == [3, 4.5]
        assert store.target_names == ("ef", "age")
        expected = np.array([[55, 30], [np.nan, 50]], np.float32)
        targets = store.targets()
        assert targets.dtype == np.float32
        assert np.array_equal(targets, expected, equal_nan=True)
        assert np.array_equal(store.targets([0]), expected[:1])
        one = store.select(query="site == 'Ulm' and ward < 4")
        assert one.rows.tolist() == [0]
        assert np.array_equal(one.targets(), expected[:1])
        assert store["A"].targets == {"ef": 55, "age": 30}
        assert summarise(out)["targets"] == {"ef": 1, "age": 2}
        [exported] = export(store, tmp_path / "csv", "records")
        frame = pd.read_csv(exported)
        assert np.array_equal(frame["ef"], expected[:, 0], equal_nan=True)
        assert frame["site"].tolist() == ["Ulm", "Köln"]
        assert len(set(store.records["fold"])) == 1  # one patient


def test_a_table_may_be_about_every_record(
    tmp_path: Path, folder: Path, build: Build
) -> None:
    table = write_table(tmp_path, "path,codes\nrecords/A,X;Y\nrecords/D.hea,Y\n")
    classes = write_table(
        tmp_path, 'name="own"\ncodes="text"\n[classes]\nx=["X"]\ny=["Y"]\n', "c.toml"
    )
    config = Config(beats="none", classes=class_set(classes), select="all")
    out = build(folder, tmp_path / "out.h5", config, labels=table)
    with ecgstore.open(out) as store:
        assert store.labels().tolist() == [[1, 1], [0, 0], [0, 0], [0, 1]]
        # What the headers say is kept, for other class sets.
        assert store.records["dx"].tolist() == [
            "X,Y,164889003",
            "426783006",
            "426783006",
            "Y",
        ]
        assert store.labels("hybrid7").sum(axis=0).tolist() == [2, 0, 0, 1, 0, 0, 0]
        with pytest.raises(EcgStoreError, match=r"has no targets; build it with"):
            store.targets()


def test_what_was_found_is_reported(tmp_path: Path, folder: Path) -> None:
    table = write_table(
        tmp_path, "record_id,exam_id,AF,sex\nA,,1,M\n,B,0,2\nE,,1,\nF,,1,\n"
    )
    config = Config(beats="none", classes=class_set("code15"))
    report = ecgstore.survey([folder], config, labels=table, n_workers=1, quiet=True)
    [use] = report.tables
    assert use == {
        "path": str(table),
        "n_rows": 4,
        "n_rows_used": 2,
        "n_records": 4,
        "n_records_with_row": 2,
        "found_by": {"record_id": 1, "exam_id": 1},
        "read": {"classes": ["AF"], "sexes": ["sex"]},
        "rows_without_record": ["E", "F"],
        "records_without_row": ["C", "D"],
        "rows_of_several": [],
        "not_understood": {"sex": {"'2'": 1}},
        "doubts": [
            "no column is about class 1dAVb, RBBB, LBBB, SB, ST: a record without "
            "another label of it counts as negative"
        ],
    }
    assert any("1 value of sex not understood: '2'" in line for line in report.warnings)


def test_what_is_written_otherwise_is_named(tmp_path: Path, folder: Path) -> None:
    """A misspelt column, and values that are no age and no sex; no one's name."""
    table = write_table(
        tmp_path,
        "record_id,AF,1dAVb,RBBB,LBB,SB,ST,patientid,age,gender\n"
        "A,1,0,0,1,0,0,7,250,Mary Poppins\nB,0,0,0,0,0,0,7,1950-02-03,f\n",
    )
    config = Config(beats="none", classes=class_set("code15"))
    report = ecgstore.survey([folder], config, labels=table, n_workers=1, quiet=True)
    [use] = report.tables
    assert use["not_understood"] == {
        "age": {"'250'": 1, "a text of 10 characters": 1},
        "gender": {"a text of 12 characters": 1},
    }
    text = "\n".join(report.warnings)
    assert "2 values of age not understood: '250', a text of 10 characters" in text
    assert "nothing is read from 'patientid'; did you mean patient_id?" in text
    assert "no column is about class LBBB; did you mean LBB?: a record" in text
    assert "Mary" not in str(report)


def test_a_table_of_patients_need_not_be_read(tmp_path: Path, folder: Path) -> None:
    table = write_table(tmp_path, "record_id,patient_id,scp_codes,age\nA,1,AF,old\n")
    report = ecgstore.survey(
        [folder], Config(beats="none"), patients=table, n_workers=1, quiet=True
    )
    assert report.tables[0]["doubts"] == []
    assert report.tables[0]["not_understood"] == {}


def test_two_tables_may_share_the_classes(tmp_path: Path, folder: Path) -> None:
    one = write_table(tmp_path, "record_id,AF,1dAVb,RBBB\nA,1,0,0\n")
    (tmp_path / "more").mkdir()
    two = write_table(tmp_path / "more", "record_id,LBBB,SB,ST\nA,1,0,0\n")
    config = Config(beats="none", classes=class_set("code15"))
    report = ecgstore.survey(
        [folder], config, labels=[one, two], n_workers=1, quiet=True
    )
    assert [use["doubts"] for use in report.tables] == [[], []]


@pytest.mark.parametrize(
    ("select", "columns", "message"),
    [
        ("any", "LBB,ward", r"nothing is read from it .*did you mean LBB\? expected"),
        ("any", "ward,room", r"nothing is read from it .*columns are record_id, ward"),
        ("all", "LBB,age", r"all records would be negative; did you mean LBB\?"),
    ],
)
def test_a_table_without_its_labels_is_an_error(
    tmp_path: Path, folder: Path, select: str, columns: str, message: str
) -> None:
    table = write_table(tmp_path, f"record_id,{columns}\nA,1,0\n")
    config = Config(beats="none", classes=class_set("code15"), select=select)
    with pytest.raises(EcgStoreError, match=message):
        ecgstore.survey([folder], config, labels=table, n_workers=1, quiet=True)


def test_an_error_of_no_selected_record_names_similar_columns(
    tmp_path: Path, write_record: WriteRecord
) -> None:
    records = write_record("A", dx="426783006").parent
    table = write_table(tmp_path, "record_id,LBB,age\nA,1,50\n")
    config = Config(beats="none", classes=class_set("code15"))
    out = tmp_path / "out.h5"
    message = r"no column is about a class of code15; did you mean LBB\?\); choose"
    with pytest.raises(EcgStoreError, match=message):
        ecgstore.build_store(
            records, out, config, labels=table, n_workers=1, quiet=True
        )


def test_a_row_for_several_ecgs_is_a_warning(
    tmp_path: Path, write_record: WriteRecord, build: Build
) -> None:
    write_record("7", folder="records/ludb")
    write_record("7", np.ones((12, 5000)), folder="records/code15")
    table = write_table(tmp_path, "exam_id,AF\n7,1\n")
    config = Config(beats="none", classes=class_set("code15"))
    report = ecgstore.build_store(
        [tmp_path / "records"],
        tmp_path / "out.h5",
        config,
        labels=table,
        n_workers=1,
        quiet=True,
    )
    [warning] = [line for line in report.warnings if "a row is taken" in line]
    assert "such as 7;" in warning


@pytest.mark.parametrize("stored", ["code15", "ludb"])
def test_a_row_of_a_stored_and_an_unselected_record_is_no_warning(
    tmp_path: Path, write_record: WriteRecord, stored: str
) -> None:
    """Whichever of the two is found first: the row is taken for one record only."""
    for source in ("code15", "ludb"):
        signal = None if source == stored else np.ones((12, 5000))
        write_record("7", signal, folder=f"records/{source}")
    table = write_table(tmp_path, "exam_id,AF\n7,1\n")
    other = "ludb" if stored == "code15" else "code15"
    config = Config(beats="none", classes=class_set("code15"), exclude_sources=(other,))
    report = ecgstore.build_store(
        [tmp_path / "records"],
        tmp_path / "out.h5",
        config,
        labels=table,
        n_workers=1,
        quiet=True,
    )
    assert (report.n_selected, report.n_not_selected) == (1, 1)
    assert report.tables[0]["n_records_with_row"] == 2
    assert not [line for line in report.warnings if "a row is taken" in line]


def test_no_class_anywhere_is_an_error_that_says_what_was_looked_at(
    tmp_path: Path, folder: Path, build: Build
) -> None:
    table = write_table(tmp_path, "record_id,codes,patient_id\nA,X,1\nB,Y,2\n")
    config = Config(beats="none", classes=class_set("ptbxl-super"))
    message = (
        "no header or table has a code of class set ptbxl-super .*lines Dx, Labels, "
        r"Chagas label of headers, .*labels\.csv: a row for 2 of 4 records \(found 2 "
        r"by record_id\); codes from codes; patients from patient_id\); choose other"
    )
    with pytest.raises(EcgStoreError, match=message):
        build(folder, tmp_path / "out.h5", config, labels=table)
    with pytest.raises(EcgStoreError, match="looked at: the lines Dx, Labels"):
        build(folder, tmp_path / "out.h5", config)
    assert not (tmp_path / "out.h5").exists()


class TestFolds:
    def build(
        self, build: Build, folder: Path, text: str, column: str = "fold"
    ) -> tuple[list[int], list[str]]:
        """Return the folds of the records, and the warnings."""
        table = write_table(folder.parent, text)
        out = folder.parent / "out.h5"
        report = ecgstore.build_store(
            [folder],
            out,
            Config(beats="none", select="all", folds_from=column),
            labels=table,
            n_workers=1,
            quiet=True,
        )
        with ecgstore.open(out) as store:
            return store.records["fold"].tolist(), report.warnings

    def test_are_those_of_the_table(self, folder: Path, build: Build) -> None:
        text = "record_id,fold\nA,3\nB,10\nC,1\nD,9\n"
        assert self.build(build, folder, text)[0] == [2, 9, 0, 8]

    def test_from_0_are_taken_as_they_are(self, folder: Path, build: Build) -> None:
        text = "record_id,fold\nA,3\nB,0\nC,9\nE,1\n"
        folds, warnings = self.build(build, folder, text)
        assert folds[:3] == [3, 0, 9]
        assert 0 <= folds[3] < 10
        assert not any("another fold" in warning for warning in warnings)

    def test_never_separate_a_patient(self, folder: Path, build: Build) -> None:
        text = "record_id,fold,patient_id\nA,3,p\nB,10,p\nC,10,p\nD,1,q\n"
        folds, warnings = self.build(build, folder, text)
        assert folds == [9, 9, 9, 0]
        [warning] = [line for line in warnings if "another fold" in line]
        assert warning.endswith("1 record moved to another fold")

    def test_never_separate_an_ecg(
        self, tmp_path: Path, write_record: WriteRecord, build: Build
    ) -> None:
        noise = np.random.default_rng(0).integers(-900, 900, (12, 5000))
        write_record("A", noise)
        folder = write_record("B", noise).parent
        folds, _ = self.build(build, folder, "record_id,fold\nA,3\nB,7\n")
        assert folds == [2, 2]


class TestHeaderLabels:
    def write(self, write_record: WriteRecord, name: str, *comments: str) -> Path:
        header = write_record(name, dx="")
        header.write_text(header.read_text() + "\n".join(comments) + "\n")
        return header.parent

    def test_true_and_false_are_labels(
        self, tmp_path: Path, write_record: WriteRecord, build: Build
    ) -> None:
        self.write(write_record, "A", "# Chagas label: True")
        self.write(write_record, "B", "# Chagas label: False")
        folder = self.write(write_record, "C")
        config = Config(beats="none", classes=class_set("chagas"))
        with ecgstore.open(build(folder, tmp_path / "out.h5", config)) as store:
            assert list(store) == ["A", "B"]
            assert store.labels().tolist() == [[1], [0]]
            assert store.records["dx"].tolist() == ["Chagas", ""]

    def test_any_key_can_be_the_label(
        self, tmp_path: Path, write_record: WriteRecord, build: Build
    ) -> None:
        self.write(write_record, "A", "# Befund: AFIB, NORM")
        folder = self.write(write_record, "B", "# Labels: NORM")
        own = class_set("ptbxl-rhythm")
        config = Config(beats="none", classes=own, label_key=("befund",), select="all")
        with ecgstore.open(build(folder, tmp_path / "out.h5", config)) as store:
            assert store.records["dx"].tolist() == ["AFIB,NORM", ""]
            assert store.labels().sum() == 1

    def test_a_record_of_the_challenge_2025(self, tmp_path: Path, build: Build) -> None:
        folder = DATA / "challenge2025"
        config = Config(beats="none", classes=class_set("chagas"))
        with ecgstore.open(build(folder, tmp_path / "out.h5", config)) as store:
            assert list(store) == ["1000001"]
            assert store.labels().tolist() == [[0]]
            assert store["1000001"].sex == "female"

    def test_all_records_of_the_challenge_2025(
        self, shared_data: Path, tmp_path: Path
    ) -> None:
        config = Config(beats="none", classes=class_set("chagas"))
        report = ecgstore.survey(
            [shared_data / "chagas"], config, n_workers=1, quiet=True
        )
        headers = [path.read_text() for path in (shared_data / "chagas").glob("*.hea")]
        assert report.n_selected == len(headers) == 179
        n_positive = sum("# Chagas label: True" in header for header in headers)
        assert report.classes == {"Chagas": n_positive}
        assert report.classes["Chagas"] == 52


def test_other_tables_are_refused_by_a_stopped_build(
    tmp_path: Path, folder: Path, build: Build, stopped_build: Callable[..., None]
) -> None:
    one = write_table(tmp_path, "record_id,codes\nA,164889003\n", "one.csv")
    same = write_table(tmp_path, "record_id,codes,x\nA,['164889003'],5\n", "same.csv")
    other = write_table(tmp_path, "record_id,codes\nA,426783006\n", "other.csv")
    out = tmp_path / "out.h5"
    config = Config(beats="none")
    stopped_build(one_file, "seal", folder, out, config, labels=one)
    for labels in (other, [], [one, other]):
        with pytest.raises(EcgStoreError, match="labels was "):
            build(folder, out, config, labels=labels)
    build(folder, out, config, labels=same)  # what is read of it is the same


@pytest.mark.parametrize("name", ["dx", "fold", "mean_hr", "same_ecg"])
def test_columns_of_every_store_cannot_be_replaced(
    tmp_path: Path, folder: Path, build: Build, name: str
) -> None:
    table = write_table(tmp_path, f"record_id,{name}\nA,1\n")
    config = Config(columns=(name,))
    with pytest.raises(ConfigError, match=f"option columns names '{name}', which is"):
        build(folder, tmp_path / "out.h5", config, labels=table)


def test_bytes_do_not_depend_on_the_number_of_workers(
    tmp_path: Path, folder: Path, build: Build
) -> None:
    table = write_table(
        tmp_path, "record_id,site,ef,fold\nA,x,1,2\nB,yy,,3\nC,,3,1\nD,z,4,2\n"
    )
    config = Config(
        beats="none",
        select="all",
        columns=("site",),
        targets=("ef",),
        folds_from="fold",
    )
    one, two = (
        build(folder, tmp_path / f"{n}.h5", config, labels=table, n_workers=n)
        for n in (1, 2)
    )
    assert one.read_bytes() == two.read_bytes()
    frame = pd.read_csv(table)
    with ecgstore.open(one) as store:
        assert np.array_equal(store.targets()[:, 0], frame["ef"], equal_nan=True)
        assert store.records["site"].tolist() == ["x", "yy", "", "z"]
