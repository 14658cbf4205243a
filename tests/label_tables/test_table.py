"""Tables of labels: which columns are read, and how rows are found."""

import math
import pickle
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecgstore.config import Config
from ecgstore.diagnoses import ClassSet, DiagnosisClass, class_set
from ecgstore.errors import ConfigError
from ecgstore.label_tables import (
    LabelTable,
    RecordTables,
    header_labels,
    read_label_table,
    read_tables,
)

DATA = Path(__file__).resolve().parents[1] / "data"

CODE15 = Config(classes=class_set("code15"))


@dataclass
class Found:
    """A record as a scan finds it."""

    record_id: str
    path: str
    dx: str = ""
    denied: str = ""
    patient_id: str = ""
    age: float | None = None
    sex: str = "unknown"
    source: str = "x"


def read(folder: Path, text: str, config: Config = CODE15) -> LabelTable:
    """Read a table with some content."""
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return read_label_table(path, config)


class TestFinding:
    @pytest.mark.parametrize(
        ("column", "cell", "record_id", "path"),
        [
            ("record_id", "A0001", "A0001", "training/g1/A0001.hea"),
            ("record_id", "A0001.mat", "A0001", "training/g1/A0001.hea"),
            ("record", "A0001", "A0001", "training/g1/A0001.hea"),
            ("ecg_id", "841", "HR00841", "training/g1/HR00841.hea"),
            ("ecg_id", "841.0", "00841_lr", "records100/00841_lr.hea"),
            ("record_id", "HR00841", "00841_hr", "records500/00841_hr.hea"),
            ("study_id", "40689238", "40689238", "files/p1/s4/40689238.hea"),
            ("exam_id", "438277", "438277", "code15/438277.hea"),
            ("path", "files/p1/s4/40689238", "40689238", "m/files/p1/s4/40689238.hea"),
            ("path", "s4/40689238.hea", "40689238", "m/files/p1/s4/40689238.hea"),
            ("path", r".\s4\40689238.dat", "40689238", "m/files/p1/s4/40689238.hea"),
            ("path", "/data/m/a/1", "1", "m/a/1.hea"),
        ],
    )
    def test_by_every_kind_of_name(
        self, tmp_path: Path, column: str, cell: str, record_id: str, path: str
    ) -> None:
        table = read(tmp_path, f"{column},AF\nother,0\n{cell},1\n")
        assert table.find(record_id, path, "/data") == (1, column)
        assert table.find("nobody", "x/nobody.hea", "/data") is None

    def test_by_source_and_name(self, tmp_path: Path) -> None:
        table = read(tmp_path, "record_id,AF\na/1,1\n1,0\n")
        assert table.find("1", "x/1.hea", source="a") == (0, "record_id")
        assert table.find("1", "x/1.hea", source="b") == (1, "record_id")
        assert table.find("2", "x/2.hea", source="a") is None

    def test_the_longest_path_counts(self, tmp_path: Path) -> None:
        table = read(tmp_path, "path,AF\n1,0\na/1,1\nb/a/1,0\nc/1,0\n")
        assert table.find("1", "x/b/a/1.hea") == (2, "path")
        assert table.find("1", "x/a/1.hea") == (1, "path")
        assert table.find("1", "x/z/1.hea") == (0, "path")

    def test_a_name_that_records_share_is_not_enough(self, tmp_path: Path) -> None:
        """Of such records the name is the path, as in a store."""
        table = read(tmp_path, "record_id,AF\n1,0\nx/a/1.hea,1\n")
        assert table.find("x/a/1.hea", "x/a/1.hea") == (1, "record_id")
        assert table.find("x/b/1.hea", "x/b/1.hea") is None
        table = read(tmp_path, "path,AF\n1,0\nb/1,1\n")
        assert table.find("x/a/1.hea", "x/a/1.hea") is None
        assert table.find("x/b/1.hea", "x/b/1.hea") == (1, "path")

    def test_numbers_of_ptb_xl_are_no_names_of_others(self, tmp_path: Path) -> None:
        text = "ecg_id,scp_codes\n1,{'AFIB': 0.0}\n"
        assert read(tmp_path, text).find("1", "ludb/1.hea") is None
        assert read(tmp_path, "ecg_id,AF\n1,1\n").find("1", "x/1.hea") == (0, "ecg_id")

    def test_an_ambiguous_name_finds_nothing(self, tmp_path: Path) -> None:
        text = "study_id,path,AF\n5,a/1,1\n6,a/2,0\n7,a/1,0\n"
        table = read(tmp_path, text)
        assert table.find("x", "a/1.hea") is None
        assert table.find("7", "y/7.hea") == (2, "study_id")


class TestColumns:
    def test_the_table_of_code_15(self) -> None:
        path = DATA / "code15" / "exams.csv"
        frame = pd.read_csv(path)
        table = read_label_table(path, CODE15)
        labels = CODE15.classes.labels([row.codes for row in table.rows])
        assert np.array_equal(labels, frame[list(CODE15.classes.names)])
        assert [row.patient_id for row in table.rows] == [
            str(patient) for patient in frame["patient_id"]
        ]
        assert [row.age for row in table.rows] == frame["age"].tolist()
        assert [row.sex == "male" for row in table.rows] == frame["is_male"].tolist()
        assert list(table.numbers["exam_id"]) == frame["exam_id"].astype(str).tolist()

    def test_a_column_for_every_class(self, tmp_path: Path) -> None:
        text = (
            "exam_id,age,is_male,1dAVb,RBBB,LBBB,SB,ST,AF,patient_id,normal_ecg\n"
            "1,46,True,True,False,0,0.2,0.5,,185323,False\n"
            "2,300,0,False,1,1.0,no,yes,nan,9.0,True\n"
        )
        one, two = read(tmp_path, text).rows
        assert (one.codes, one.denied) == (("1dAVb", "ST"), ("RBBB", "LBBB", "SB"))
        assert (two.codes, two.denied) == (("RBBB", "LBBB", "ST"), ("1dAVb", "SB"))
        assert (one.age, one.sex, one.patient_id) == (46, "male", "185323")
        assert math.isnan(two.age)
        assert (two.sex, two.patient_id) == ("female", "9")

    def test_class_columns_have_names_of_classes_or_codes(self, tmp_path: Path) -> None:
        config = Config()  # SNOMED CT classes
        [row] = read(tmp_path, "record_id,AF,rbbb,x\nA,1,1,1\n", config).rows
        assert row.codes == ("164889003", "59118001")
        superclasses = Config(classes=class_set("ptbxl-super"))
        [row] = read(tmp_path, "record_id,MI,NORM\nA,1,1\n", superclasses).rows
        assert row.codes == ("MI", "NORM")
        assert superclasses.classes.label(row.codes).tolist() == [1, 1, 0, 0, 0]
        # Not one of its statements, none of which may be true.
        subclasses = Config(classes=class_set("ptbxl-sub"))
        [row] = read(tmp_path, "record_id,STTC\nA,1\n", subclasses).rows
        assert row.codes == ("ptbxl-sub:STTC",)
        assert subclasses.classes.label(row.codes).sum() == 1
        chagas = Config(classes=class_set("chagas"))
        [row] = read(tmp_path, "exam_id,chagas\n5,True\n", chagas).rows
        assert row.codes == ("Chagas",)

    def test_codes_of_a_column_are_taken_as_they_are(self, tmp_path: Path) -> None:
        text = 'record_id,labels\nA,"AF;AFIB"\n'
        [row] = read(tmp_path, text).rows
        assert row.codes == ("AF", "AFIB")

    def test_dx_is_read_as_in_headers(self, tmp_path: Path) -> None:
        text = 'record,dx\nA,"AF, 426783006;oops"\n'
        [row] = read(tmp_path, text, Config()).rows
        assert row.codes == ("164889003", "426783006")
        assert row.unknown == ("oops",)
        [row] = read(tmp_path, text, Config(label_column="dx")).rows
        assert row.codes == ("AF", "426783006", "oops")

    @pytest.mark.parametrize(
        ("dx", "codes", "unknown"),
        [
            ("-426783006", (), ("-426783006",)),
            ("-1", (), ("-1",)),
            ("['-426783006.0', 164889003]", ("164889003",), ("-426783006.0",)),
            ("164889003 -1", ("164889003",), ("-1",)),
            ("SNOMED CT: 164889003 - AF", ("164889003",), ()),
        ],
    )
    def test_a_negative_number_is_no_code(
        self, tmp_path: Path, dx: str, codes: tuple[str], unknown: tuple[str]
    ) -> None:
        [row] = read(tmp_path, f'record,dx\nA,"{dx}"\n', Config()).rows
        assert (row.codes, row.unknown) == (codes, unknown)

    def test_lines_about_one_record_are_joined(self, tmp_path: Path) -> None:
        text = "record_id,codes,age\nA,X,5\nB,Z,\nA,Y,5\nB,Z,\n"
        one, two = read(tmp_path, text).rows
        assert (one.codes, two.codes) == (("X", "Y"), ("Z",))

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("name,AF\nA,1\n", "no column record_id, .* or path; its columns are name"),
            (
                "record_id|dx\nA|AF\n",
                r"path; its columns are record_id\|dx; .* commas, s",
            ),
            (
                "record_id dx\nA AF\n",
                "path; its columns are record_id dx; .* commas, s",
            ),
            ("\nrecord_id,dx\nA,AF\n", "its columns are none; expected names in the f"),
            (
                "sep=;\nrecord_id;dx\nA;AF\n",
                "are sep=, .*; expected names in the first",
            ),
            ("record_id,AF\n", "no rows"),
            ("record_id,AF\nA,2\n", "line 2 has '2' in column AF; expected 0, 1"),
            ("record_id,AF\nA,maybe\n", "line 2 has 'maybe' in column AF"),
            ("record_id,AF\n,1\n", "line 2 has an empty record"),
            ("record_id,AF,age\nA,1,5\nA,1,6\n", "line 3 says something else of rec"),
            ("record_id,AF\nA,1\nA,0\n", "line 3 says that record A is in .* AF$"),
            ("record_id,AF,ST\nA,0,1\nA,1,\n", "line 3 says that record A is in "),
            ("record_id,codes\nA,['A\n", "line 2: column codes begins with"),
            ("record_id,ef\nA,high\n", "line 2 has 'high' in column ef; expected a n"),
            ("record_id,ef\nA,inf\n", "line 2 has 'inf' in column ef"),
            ("record_id,ef\nA,1e39\n", "in column ef; expected a number of at most 3"),
            ("record_id,ef\nA,-1e300\n", "in column ef; expected a number of at most"),
            ("record_id,fold\nA,11\n", "line 2 has the fold '11'; expected a whole"),
            ("record_id,fold\nA,1.5\n", "line 2 has the fold '1.5'"),
            ("record_id,fold\nA,0\nB,10\n", "folds from 0 to 10, which are more"),
        ],
    )
    def test_error_says_what_is_wrong(
        self, tmp_path: Path, text: str, message: str
    ) -> None:
        config = Config(classes=class_set("code15"), targets=("ef",), folds_from="fold")
        with pytest.raises(ConfigError, match=message) as caught:
            read(tmp_path, text, config)
        assert str(caught.value).startswith(str(tmp_path / "labels.csv"))

    @pytest.mark.parametrize(
        "options",
        [
            {"columns": ("sit",)},
            {"targets": ("sit",)},
            {"folds_from": "sit"},
            {"label_column": "sit"},
        ],
    )
    def test_columns_that_no_table_has_are_an_error(
        self, tmp_path: Path, options: dict[str, object]
    ) -> None:
        path = tmp_path / "labels.csv"
        path.write_text("record_id,site,AF\nA,x,1\n")
        [(name, _)] = options.items()
        message = f"option {name} names the column 'sit', .* did you mean site"
        with pytest.raises(ConfigError, match=message):
            read_tables(Config(**options), labels=[path])  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="there is none"):
            read_tables(Config(**options))  # type: ignore[arg-type]

    @pytest.mark.parametrize("name", ["", " a", "a/b", ".", "..", "a\n", "x" * 65])
    def test_names_that_no_dataset_can_have_are_refused(self, name: str) -> None:
        for option in ("columns", "targets"):
            with pytest.raises(ConfigError, match=f"option {option} is"):
                Config(**{option: (name,)})  # type: ignore[arg-type]

    def test_parquet_without_pyarrow_says_what_to_install(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(ConfigError, match=r"x\.parquet: reading .* needs pyarrow"):
            read_label_table(tmp_path / "x.parquet", CODE15)

    def test_parquet_is_read_as_csv_is(self, tmp_path: Path) -> None:
        pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
        from pyarrow import parquet

        columns = {
            "record_id": ["A", "B", "C"],
            "labels": [["AF", "SB"], [], None],
            "RBBB": [True, False, None],
            "age": [5.0, None, float("nan")],
            "site": [1, 2, None],
        }
        parquet.write_table(pyarrow.table(columns), tmp_path / "x.parquet")
        config = Config(classes=class_set("code15"), columns=("site",))
        one, two, three = read_label_table(tmp_path / "x.parquet", config).rows
        assert (one.codes, one.age, one.columns) == (("AF", "SB", "RBBB"), 5, ("1",))
        assert (two.codes, two.denied, two.columns) == ((), ("RBBB",), ("2",))
        assert math.isnan(two.age)
        assert math.isnan(three.age)
        assert (three.codes, three.denied, three.columns) == ((), (), ("",))
        (tmp_path / "y.parquet").write_text("no")
        with pytest.raises(ConfigError, match="not a readable Parquet file"):
            read_label_table(tmp_path / "y.parquet", config)

    def test_two_columns_of_one_name_in_parquet_are_refused(
        self, tmp_path: Path
    ) -> None:
        pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
        from pyarrow import parquet

        columns = [pyarrow.array(["A"]), pyarrow.array(["AF"]), pyarrow.array(["SB"])]
        table = pyarrow.table(columns, names=["record_id", "labels", "labels"])
        parquet.write_table(table, tmp_path / "x.parquet")
        with pytest.raises(ConfigError, match="has 2 columns 'labels'"):
            read_label_table(tmp_path / "x.parquet", CODE15)


class TestDescribing:
    def describe(
        self, folder: Path, text: str, record: Found, config: Config = CODE15
    ) -> tuple[object, ...]:
        return RecordTables([read(folder, text, config)], config).describe(record)

    def test_codes_of_header_and_table_are_joined(self, tmp_path: Path) -> None:
        known = RecordTables(
            [read(tmp_path, "record_id,codes,AF\nA,mine,0\n")], CODE15
        ).describe(Found("A", "x/A.hea", dx="164889003,426177001,7"))
        # The table says that the record is not in the class AF, whatever the header.
        assert known.dx == ("mine", "426177001", "7")
        assert known.denied == ("AF",)

    def test_what_a_table_says_counts_before_the_header(self, tmp_path: Path) -> None:
        text = "record_id,age,sex\nA,7,F\nB,,\n"
        tables = RecordTables([read(tmp_path, text)], CODE15)
        known = tables.describe(Found("A", "x/A.hea", age=5, sex="male"))
        assert (known.age, known.sex) == (7, "female")
        known = tables.describe(Found("B", "x/B.hea", age=5, sex="male"))
        assert (known.age, known.sex) == (5, "male")
        known = tables.describe(Found("C", "x/C.hea", dx="1"))
        assert math.isnan(known.age)
        assert (known.dx, known.sex, known.fold) == (("1",), "unknown", None)

    def test_the_first_of_several_tables_counts(self, tmp_path: Path) -> None:
        one, two = tmp_path / "one.csv", tmp_path / "two.csv"
        one.write_text("record_id,codes,site,ef\nA,X,,55\n")
        two.write_text("path,codes,site,ef,grade\nd/A,Y,b,40,2\n")
        config = Config(columns=("site",), targets=("grade", "ef", "age"))
        tables = read_tables(config, labels=[one, two])
        known = tables.describe(Found("A", "d/A.hea", age=61))
        assert known.dx == ("X", "Y")
        assert known.columns == ("b",)
        assert known.targets == (2, 55, 61)

    def test_processes_that_select_know_the_codes(self, tmp_path: Path) -> None:
        text = "record_id,codes,AF,site\nA,X,0,u\nB,X,0,v\n"
        config = Config(classes=class_set("code15"), columns=("site",))
        tables = RecordTables([read(tmp_path, text, config)], config)
        codes = pickle.loads(pickle.dumps(tables.for_selection()))
        for name in ("A", "B", "C"):
            record = Found(name, f"x/{name}.hea", dx="7")
            known, whole = codes.describe(record), tables.describe(record)
            assert (known.dx, known.denied) == (whole.dx, whole.denied)

    @pytest.mark.parametrize(
        ("cells", "is_number"),
        [
            (["1", "", "2.5"], True),
            (["True", "False", ""], True),
            (["00012", "7", "8"], False),
            (["a", "1", ""], False),
            (["", "", ""], False),
            (["0", "0.5", "-3e2"], True),
        ],
    )
    def test_columns_of_numbers_are_numbers(
        self, tmp_path: Path, cells: list[str], is_number: bool
    ) -> None:
        lines = [f"{number},{cell}" for number, cell in enumerate(cells)]
        config = Config(columns=("site",))
        table = read(tmp_path, "\n".join(["record_id,site", *lines]), config)
        assert RecordTables([table], config).is_number == (is_number,)


class TestHeaders:
    @pytest.mark.parametrize(
        ("notes", "codes", "denied"),
        [
            ([("Chagas label", "True")], ("Chagas",), ()),
            ([("chagas label", "1")], ("chagas",), ()),
            ([("Chagas label", "False")], (), ("Chagas",)),
            ([("Labels", "NORM, Acute MI")], ("NORM", "Acute MI"), ()),
            ([("Labels", "['NORM']"), ("Labels", "CD")], ("NORM", "CD"), ()),
            ([("Source", "True"), ("Chagas label", "")], (), ()),
        ],
    )
    def test_labels_in_comments(
        self, notes: list[tuple[str, str]], codes: tuple[str, ...], denied: object
    ) -> None:
        found = header_labels(notes, Config().label_key)
        assert (found.codes, found.denied, found.unknown) == (codes, denied, ())

    def test_what_is_not_understood_is_said(self) -> None:
        found = header_labels([("Labels", "{'a")], ["labels"])
        assert found.unknown == ("{'a",)


def test_names_of_classes_come_before_codes(tmp_path: Path) -> None:
    chosen = ClassSet(
        "x", (DiagnosisClass("A", "", ("B",)), DiagnosisClass("C", "", ("A",)))
    )
    [row] = read(tmp_path, "record_id,A\nr,1\n", Config(classes=chosen)).rows
    assert chosen.label(row.codes).tolist() == [1, 0]


def test_errors_about_wide_tables_are_short(tmp_path: Path) -> None:
    wide = ",".join(f"c{number}" for number in range(9_000))
    for table, config in (
        (f"record_ids,{wide}\n", CODE15),
        (f"record_id,{wide}\na\n", Config(columns=("c000",))),
    ):
        path = tmp_path / "labels.csv"
        path.write_text(f"{table}a{',' * 9_000}\n")
        with pytest.raises(ConfigError, match=r"did you mean .* others") as caught:
            read_tables(config, labels=path)
        assert len(str(caught.value)) < 3000


def test_two_columns_of_one_name_are_refused_if_they_are_read(tmp_path: Path) -> None:
    table = "record_id,note,dx,note,dx\na,1,164889003,2,426783006\n"
    with pytest.raises(ConfigError, match="has 2 columns 'dx'; expected one"):
        read(tmp_path, table, Config())
    assert read(tmp_path, table.replace(",dx\n", ",x\n"), Config()).rows
