"""CSV files: one form on every system, and errors that say which line is wrong."""

import csv
import io
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecgstore.errors import ConfigError
from ecgstore.system.csv_files import read_csv_rows, write_csv, write_csv_rows

COLUMNS = ["record_id", "n", "value"]


def test_lines_end_with_a_line_feed_and_undefined_values_are_empty(
    tmp_path: Path,
) -> None:
    path = tmp_path / "table.csv"
    rows: list[list[object]] = [
        ["A,1", 1, 0.1],
        ['"B"', np.int64(2), np.float64(1 / 3)],
        ["Ç", None, float("nan")],
        ["D", 4, np.float32("nan")],
    ]
    write_csv(path, COLUMNS, rows)
    assert path.read_bytes().decode() == (
        'record_id,n,value\n"A,1",1,0.1\n"""B""",2,0.3333333333333333\nÇ,,\nD,4,\n'
    )
    assert [*tmp_path.iterdir()] == [path]


def test_the_format_applies_to_floats_only() -> None:
    file = io.StringIO()
    write_csv_rows(file, COLUMNS, [["A", 1, 0.25], ["B", 2, float("nan")]], ".3f")
    assert file.getvalue() == "record_id,n,value\nA,1,0.250\nB,2,\n"


def test_every_row_is_written_as_soon_as_it_is_available() -> None:
    file = io.StringIO()

    def rows() -> Iterator[list[object]]:
        yield ["A", 1, 0.5]
        assert file.getvalue().endswith("A,1,0.5\n")
        yield ["B", 2, 0.5]

    write_csv_rows(file, COLUMNS, rows())
    assert file.getvalue().count("\n") == 3


def test_a_failure_leaves_the_older_table(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_csv(path, COLUMNS, [["A", 1, 0.5]])
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError):
        write_csv(path, COLUMNS, (["B", 1 / number, 0] for number in (1, 0)))
    assert path.read_bytes() == before
    assert [*tmp_path.iterdir()] == [path]


def test_written_rows_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_csv(path, COLUMNS, [["A,1", 1, 0.1], ["B", None, 2.0]])
    rows = [*read_csv_rows(path, ("value",), ("name", "record_id"))]
    assert rows == [
        (f"{path}: line 2", {"value": "0.1", "record_id": "A,1"}),
        (f"{path}: line 3", {"value": "2.0", "record_id": "B"}),
    ]


def test_every_text_reads_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    texts = ["a\rb", "a\nb", "a\r\nb", "\r", "=1+1", "+1", "-1", "@a", '"', ",", "a;b"]
    write_csv(path, ["text"], [[text] for text in texts])
    content = path.read_bytes().decode()
    assert content.startswith('text\n"a\rb"\n"a\nb"\n"a\r\nb"\n"\r"\n=1+1\n')
    assert pd.read_csv(path)["text"].to_list() == texts
    with path.open(newline="") as file:
        assert [row for [row] in csv.reader(file)] == ["text", *texts]


def test_values_without_a_value_are_empty_and_no_text_is_an_error(
    tmp_path: Path,
) -> None:
    path = tmp_path / "table.csv"
    write_csv(path, COLUMNS, [["A\udcff", pd.NA, pd.NaT], [False, True, 0.0]])
    assert path.read_bytes() == (b"record_id,n,value\nA\\udcff,,\nFalse,True,0.0\n")


def test_a_cell_that_is_too_long_to_read_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_csv(path, ["a"], [["x" * 200_000]])
    with pytest.raises(ConfigError, match="at most 131072 characters per value"):
        list(read_csv_rows(path, ("a",)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no column a; its columns are none"),
        (b"b,c\n1,2\n", "no column a; its columns are b, c"),
        (b"b,a\n1,2\n3\n", "line 3 has 1 values; expected 2"),
        (b"a\n\xff\n", "not a readable CSV file"),
    ],
)
def test_unusable_files_are_errors_that_name_the_place(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        list(read_csv_rows(path, ("a",)))
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b,a\n1,2,3\n", r"has 2 columns 'a'; expected one"),
        (b"a,b\n1,2,3\n", "line 2 has 3 values; expected 2"),
        (b"A,b\n1,2\n", "no column a; did you mean A"),
        (b"a," + b"x," * 3_000_000 + b"\n", "at most .* per row"),
        (b"a\n" + b"1" * 5_000_000, "at most .* per row"),
        (b"a\n" + b'"1\n",' * 1_000_000, "at most .* per row"),
    ],
)
def test_rows_that_cannot_be_told_are_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        list(read_csv_rows(path, ("a",)))
    assert len(str(caught.value)) < 2000


def test_the_columns_of_a_wide_table_are_not_all_listed(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(",".join(f"column{number}" for number in range(10_000)))
    with pytest.raises(ConfigError, match="and 9980 others") as caught:
        list(read_csv_rows(path, ("a",)))
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_first_line_tells_the_separator(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "table.csv"
    others = [one for one in (",", ";", "\t") if one != separator]
    cell = '"' + "".join(["1", *others, "2"]) + '"'
    path.write_text(separator.join(["a", "b"]) + "\n" + separator.join([cell, "3"]))
    rows = [row for _, row in read_csv_rows(path, ("b",), ("a",))]
    assert rows == [{"b": "3", "a": cell.strip('"')}]


def test_empty_values_behind_the_last_column_are_none(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2,,\n\n3,4\n")
    assert [row["b"] for _, row in read_csv_rows(path, ("b",))] == ["2", "4"]


def test_all_columns_are_read_if_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("b,a,\n 1 ,2,3\n", encoding="utf-8")
    assert [row for _, row in read_csv_rows(path)] == [{"b": "1", "a": "2", "": "3"}]
    path.write_text("b,a,a\n1,2,3\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="has 2 columns 'a'"):
        list(read_csv_rows(path))
    path.write_text("", encoding="utf-8")
    assert list(read_csv_rows(path)) == []


def test_many_columns_are_read_at_once_and_more_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    names = [f"column {number}" for number in range(10_000)]
    path.write_text(f"{','.join(names)}\n{',' * 9_999}\n")
    begin = time.process_time()
    ((_, row),) = read_csv_rows(path)
    assert time.process_time() - begin < 1  # 10 ms; the square of them took 4 s
    assert [*row] == names
    path.write_text("," * 10_000 + "\n")
    with pytest.raises(ConfigError, match=r"has 10001 columns; expected .* 10000"):
        next(read_csv_rows(path))
