"""Tables with a column that is read as the diagnoses of headers."""

from pathlib import Path

import pytest

from ecgstore.config import Config
from ecgstore.diagnoses import class_set, count_diagnoses
from ecgstore.errors import ConfigError
from ecgstore.label_tables import TableRow, read_label_table

AF, LAD = "164889003", "39732003"


class TestLabelsFile:
    def read(self, folder: Path, text: str) -> list[TableRow]:
        path = folder / "labels.csv"
        path.write_text(text, encoding="utf-8")
        return read_label_table(path, Config()).rows

    def test_reads_codes_and_abbreviations(self, tmp_path: Path) -> None:
        rows = self.read(
            tmp_path,
            "\ufeffrecord_id, dx ,source,age\r\n"
            'a,"AF, LAD;164889003;",here,1\r\n'
            "\r\n"
            "b,,here,2\r\n"
            "c,what;777,there,3\r\n",
        )
        names = ("a", "b", "c")
        assert [
            (name, row.source, row.codes, row.unknown)
            for name, row in zip(names, rows, strict=True)
        ] == [
            ("a", "here", (AF, LAD), ()),
            ("b", "here", (), ()),
            ("c", "there", ("777",), ("what",)),
        ]

    def test_what_is_not_understood_is_counted(self, tmp_path: Path) -> None:
        rows = self.read(tmp_path, "record,source,dx\na,s,what;AF\nb,s,what\n")
        table = count_diagnoses(
            class_set("hybrid7"),
            [(row.source, (*row.codes, *row.unknown)) for row in rows],
        )
        assert table.unknown == ()
        assert [(row.key, row.name, row.total) for row in table.unknown_words] == [
            ("what", "", 2)
        ]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "no column record_id, .* or path; its columns are none"),
            ("record,source,dx\na,s\n", "line 2 has 2 values; expected 3"),
            ("record,source,dx\n" + "a" * 200_000, "not a readable CSV file"),
        ],
    )
    def test_error_says_what_is_wrong(
        self, tmp_path: Path, text: str, message: str
    ) -> None:
        with pytest.raises(ConfigError, match=message):
            self.read(tmp_path, text)

    def test_missing_file_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"no\.csv: not a readable CSV file"):
            read_label_table(tmp_path / "no.csv", Config())

    def test_broken_bytes_are_an_error(self, tmp_path: Path) -> None:
        path = tmp_path / "labels.csv"
        path.write_bytes(b"record,source,dx\na,\xff,AF\n")
        with pytest.raises(ConfigError, match="not a readable CSV file"):
            read_label_table(path, Config())
