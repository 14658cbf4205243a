"""ECGs in plain arrays that a TOML file describes."""

import json
import math
import os
import random
import warnings
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ecgstore
from ecgstore.arrays import FloatArray
from ecgstore.config import Config
from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.record import LEADS
from ecgstore.sources import find_headers, open_record, read_header, read_record

N_RECORDS, N_SAMPLES = 4, 2500


def signals() -> FloatArray:
    """Return signals of shape (record, lead, sample), in steps of 5 uV."""
    shape = N_RECORDS, len(LEADS), N_SAMPLES
    steps = np.random.default_rng(1).integers(-400, 400, shape)
    return np.asarray(steps, np.float64)


def describe(path: Path, **changes: Any) -> Path:
    """Write a description, with some keys changed, or left out if None."""
    table = {
        "files": "signals.npy",
        "axes": ["record", "lead", "sample"],
        "leads": list(LEADS),
        "fs": 250,
        "unit": "mV",
        "per_unit": 200,
        **changes,
    }
    lines = [
        f"{key} = {json.dumps(one)}" for key, one in table.items() if one is not None
    ]
    path.write_text("\n".join(["[ecg_arrays]", *lines, ""]))
    return path


@pytest.mark.parametrize(
    "axes", [("record", "lead", "sample"), ("sample", "record", "lead")]
)
@pytest.mark.parametrize("dtype", ["<i2", ">f4", "f8"])
def test_rows_of_an_array(tmp_path: Path, axes: tuple[str, ...], dtype: str) -> None:
    order = [("record", "lead", "sample").index(axis) for axis in axes]
    np.save(tmp_path / "signals.npy", signals().transpose(order).astype(dtype))
    path = describe(tmp_path / "a.toml", axes=list(axes))
    assert [*find_headers(tmp_path)] == [path / str(row) for row in range(N_RECORDS)]
    for row, record in enumerate(find_headers(tmp_path)):
        header, signal = open_record(record)
        assert (header.record_id, header.fs) == (str(row), 250.0)
        assert header.files(record) == ["a.toml", "signals.npy"]
        assert np.array_equal(signal.read(0, N_SAMPLES), signals()[row] / 200)
        assert np.array_equal(signal.read(5, 9), signals()[row, :, 5:9] / 200)


def test_a_file_for_each_record(tmp_path: Path) -> None:
    for row, signal in enumerate(signals()[:2]):
        text = "\n".join(",".join(map(str, sample)) for sample in signal.T)
        (tmp_path / f"p{row}.csv").write_text(f"{','.join(LEADS)}\n{text}\n")
    gap = (tmp_path / "p1.csv").read_text().replace("\n", "\nx", 1)
    path = describe(
        tmp_path / "a.toml", files="p*.csv", axes=["sample", "lead"], header_lines=1,
        unit="uV", per_unit=0.2,
    )  # fmt: skip
    assert [*find_headers(tmp_path)] == [path / "p0.csv", path / "p1.csv"]
    for row, record in enumerate(find_headers(tmp_path)):
        assert read_header(record).record_id == f"p{row}"
        np.testing.assert_allclose(read_record(record).signal, signals()[row] / 200)
    (tmp_path / "p1.csv").write_text(gap)
    with pytest.raises(RecordError, match="expected a CSV file of numbers"):
        read_record(path / "p1.csv")


@pytest.mark.parametrize("axes", [*permutations(("record", "lead", "sample"))])
def test_leads_are_known_by_their_names_in_any_order(
    tmp_path: Path, axes: tuple[str, ...]
) -> None:
    given = ["V3", "II", "aVF", "I", "V6", "aVR", "V1", "III", "V5", "aVL", "V2", "V4"]
    rows = signals()[:, [LEADS.index(lead) for lead in given]]
    order = [("record", "lead", "sample").index(axis) for axis in axes]
    np.save(tmp_path / "signals.npy", rows.transpose(order))
    path = describe(tmp_path / "a.toml", axes=list(axes), leads=given)
    np.savetxt(tmp_path / "p0.csv", rows[1].T, delimiter=",")
    table = describe(
        tmp_path / "b.toml", files="*.csv", axes=["sample", "lead"], leads=given
    )
    for record in (path / "1", table / "p0.csv"):
        np.testing.assert_array_equal(read_record(record).signal, signals()[1] / 200)


def test_an_empty_line_is_a_missing_sample(tmp_path: Path) -> None:
    rows = [",".join(map(str, sample)) for sample in signals()[0].T[:900]]
    rows[500] = ""
    rows[501] = "," * 11
    text = "\n".join(rows)
    for name, ending in {"a": "", "b": "\n", "c": "\r\n\n\n"}.items():
        (tmp_path / f"{name}.csv").write_bytes((text + ending).encode())
    describe(tmp_path / "a.toml", files="*.csv", axes=["sample", "lead"])
    expected = signals()[0, :, :900] / 200
    expected[:, 500:502] = np.nan
    for record in find_headers(tmp_path):
        np.testing.assert_array_equal(read_record(record).signal, expected)


@pytest.mark.parametrize("leads_first", [True, False])
def test_an_array_that_becomes_shorter_while_it_is_read(
    tmp_path: Path, leads_first: bool
) -> None:
    axes = ["record", "lead", "sample"] if leads_first else ["record", "sample", "lead"]
    rows = signals() if leads_first else signals().transpose(0, 2, 1)
    np.save(tmp_path / "signals.npy", rows)
    path = describe(tmp_path / "a.toml", axes=axes)
    _, signal = open_record(path / "3")
    os.truncate(tmp_path / "signals.npy", 4096)  # a memory map would end the process
    with pytest.raises(RecordError) as caught:
        signal.read(0, N_SAMPLES)
    assert caught.value.reason is Reason.TRUNCATED_SIGNAL_FILE
    with pytest.raises(RecordError, match="shorter than its header says; expected"):
        read_header(path)


@pytest.mark.parametrize("order", [*permutations(("record", "lead", "sample"))])
@pytest.mark.parametrize("fortran", [False, True])
@pytest.mark.parametrize("n_records", [1, 700])
def test_all_layouts(
    tmp_path: Path, order: tuple[str, ...], fortran: bool, n_records: int
) -> None:
    values = np.random.default_rng(3).normal(size=(n_records, 12, 300))
    places = [("record", "lead", "sample").index(axis) for axis in order]
    array = values.transpose(places).astype("<f4")
    np.save(tmp_path / "signals.npy", np.asarray(array, order="F" if fortran else "C"))
    path = describe(tmp_path / "a.toml", axes=list(order), per_unit=1)
    for row in {0, n_records - 1}:
        signal = open_record(path / str(row))[1]
        expected = values[row].astype("<f4").astype(float)
        assert np.array_equal(signal.read(0, 300), expected)
        assert np.array_equal(signal.read(7, 19), expected[:, 7:19])
        assert signal.read(9, 9).shape == (12, 0)


@pytest.mark.parametrize("shape", [(0, 12, 100), (3, 12, 0)])
def test_an_array_without_a_record_is_in_quarantine(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    folder = tmp_path / "arrays"
    folder.mkdir()
    np.save(folder / "signals.npy", np.zeros(shape))
    path = describe(folder / "a.toml")
    assert [*find_headers(folder)] == [path]
    with pytest.raises(RecordError) as caught:
        read_header(path)
    assert caught.value.reason is Reason.WRONG_SIGNAL_SIZE
    assert f"has the shape {shape}" in str(caught.value)


def test_a_build_stores_the_rows(tmp_path: Path) -> None:
    folder = tmp_path / "arrays"
    folder.mkdir()
    np.save(folder / "signals.npy", signals())
    describe(folder / "a.toml")
    out = tmp_path / "out.h5"
    options = Config(beats="none", select="all")
    report = ecgstore.build_store(folder, out, options, n_workers=1, quiet=True)
    assert (report.n_selected, report.reasons, report.same_ecg) == (N_RECORDS, {}, [])
    with ecgstore.open(out) as store:
        assert sorted(store) == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"files": "../signals.npy"}, "files is"),
        ({"files": "*.pickle"}, "files is"),
        ({"axes": ["lead", "lead"]}, "axes is"),
        ({"leads": [1]}, "leads is"),
        ({"fs": 0}, "fs is"),
        ({"fs": None}, "has no fs"),
        ({"fs": 10**400}, "fs is"),
        ({"files": "typo*.npy", "axes": ["lead", "sample"]}, "finds 0 files"),
        ({"unit": 3}, "unit is"),
        ({"per_unit": True}, "per_unit is"),
        ({"header_lines": -1}, "header_lines is"),
        ({"sampling": 3}, "has 'sampling'; expected files"),
        ({"files": "a.csv"}, "expected a file for each"),
        ({"files": "b*.npy"}, "finds 0 files"),
    ],
)
def test_a_wrong_description_says_why(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    np.save(tmp_path / "signals.npy", signals())
    path = describe(tmp_path / "a.toml", **changes)
    assert [*find_headers(tmp_path)] == [path]
    for read in (read_header, read_record):
        with pytest.raises(RecordError, match=message):
            read(path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"unit": "mmHg"}, Reason.UNKNOWN_UNIT),
        ({"fs": 1}, Reason.BAD_SAMPLING_RATE),
        ({"leads": list(LEADS[:-1])}, Reason.MISSING_LEADS),
        ({"leads": [*LEADS, "X"]}, Reason.WRONG_SIGNAL_SIZE),
        ({"axes": ["lead", "sample"]}, Reason.UNREADABLE_SIGNAL),
    ],
)
def test_an_array_that_is_no_ecg(
    tmp_path: Path, changes: dict[str, Any], reason: Reason
) -> None:
    np.save(tmp_path / "signals.npy", signals())
    describe(tmp_path / "a.toml", **changes)
    for record in find_headers(tmp_path):
        with pytest.raises(RecordError) as caught:
            read_record(record)
        assert caught.value.reason is reason


def test_pickles_and_other_toml_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "options.toml").write_text("fs = 250\n")
    assert [*find_headers(tmp_path)] == []
    np.save(tmp_path / "signals.npy", np.array([{}], object), allow_pickle=True)
    path = describe(tmp_path / "a.toml")
    assert [*find_headers(tmp_path)] == [path]
    with pytest.raises(RecordError, match=r"expected a \.npy file of numbers"):
        read_header(path)


@pytest.mark.parametrize(
    "shape", [(1 << 40, 12, 0), (1 << 25, 12, 1), (1, 12, 1 << 32)]
)
def test_claims_of_a_sparse_file_are_refused(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    with open(tmp_path / "signals.npy", "wb") as file:
        head = {"descr": "|i1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, head)
        file.truncate(file.tell() + math.prod(shape))
    path = describe(tmp_path / "a.toml")
    assert [*find_headers(tmp_path)] == [path]
    for record in (path, path / "0"):
        with pytest.raises(RecordError) as caught:
            read_record(record)
        assert caught.value.reason is Reason.TOO_LARGE


def test_damaged_arrays_raise_record_errors(tmp_path: Path) -> None:
    np.save(tmp_path / "signals.npy", signals()[:2, :, :50])
    path = describe(tmp_path / "a.toml")
    for name in ("signals.npy", "a.toml"):
        good = (tmp_path / name).read_bytes()
        for seed in range(60):
            rng = random.Random(seed)
            data = bytearray(good)
            if seed % 3 == 0:
                del data[rng.randrange(len(data)) :]
            else:
                for _ in range(rng.randint(1, 5)):
                    data[rng.randrange(min(len(data), 300))] = rng.randrange(256)
            (tmp_path / name).write_bytes(data)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                records = [*find_headers(tmp_path)][:9]
                for record in (*records, path / "1"):
                    _read(record)
        (tmp_path / name).write_bytes(good)


def _read(path: Path) -> None:
    """Read a record; an error must be one of ours."""
    try:
        read_header(path)
        read_record(path)
    except RecordError as error:
        if error.reason is Reason.UNEXPECTED_ERROR:
            raise


def test_a_long_text_in_place_of_an_arrays_header(tmp_path: Path) -> None:
    """Python's parser would run out of memory."""
    head = b"\x93NUMPY\x01\x00" + (9000).to_bytes(2, "little")
    (tmp_path / "signals.npy").write_bytes(head + b"-" * 9000)
    with pytest.raises(RecordError, match=r"expected a \.npy file of numbers"):
        read_header(describe(tmp_path / "a.toml"))


def test_a_description_that_takes_long_to_parse_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("[ecg_arrays]\n" + "a." * 10_000 + "b = 1\n")
    with pytest.raises(RecordError) as caught:
        read_header(path)
    assert caught.value.reason is Reason.TOO_LARGE


@pytest.mark.parametrize(
    ("array", "has"),
    [
        (np.zeros((12, 100)), r"shape \(12, 100\) and the type 'float64'"),
        (
            np.zeros((2, 12, 9), complex),
            r"shape \(2, 12, 9\) and the type 'complex128'",
        ),
        (np.full((2, 12, 9), "0.1"), "the type '<U3'"),
    ],
)
def test_an_array_of_other_axes_or_types_is_described(
    tmp_path: Path, array: Any, has: str
) -> None:
    np.save(tmp_path / "signals.npy", array)
    with pytest.raises(RecordError, match=has) as caught:
        read_header(describe(tmp_path / "a.toml"))
    assert "with 3 axes" in str(caught.value)
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize("lines", [[";".join("1" * 12)], [",".join(LEADS)]])
def test_a_csv_array_of_another_form_says_what_is_read(
    tmp_path: Path, lines: list[str]
) -> None:
    (tmp_path / "a.csv").write_text("\n".join([*lines, ",".join("1" * 12), ""]))
    path = describe(tmp_path / "a.toml", files="*.csv", axes=["sample", "lead"])
    expected = r"separated by commas.*\(header_lines"
    with pytest.raises(RecordError, match=expected):
        read_record(path / "a.csv")


@pytest.mark.parametrize("axes", [["sample", "lead"], ["lead", "sample"]])
def test_a_long_line_of_a_csv_file_is_refused_before_it_is_parsed(
    tmp_path: Path, axes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "p.csv").write_text("1," * 50_000)
    path = describe(tmp_path / "a.toml", files="p.csv", axes=axes)
    monkeypatch.setattr("pandas.read_csv", None)
    numbers = "50001 columns" if axes[0] == "sample" else "1 lines"
    with pytest.raises(RecordError, match=f"has {numbers}.*expected 12,") as caught:
        read_record(path / "p.csv")
    assert caught.value.reason == Reason.WRONG_SIGNAL_SIZE


def test_empty_lines_of_a_csv_file_take_no_memory(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("," * 11 + "\n" * 3_000_000 + "1")
    path = describe(tmp_path / "a.toml", files="p.csv", axes=["sample", "lead"])
    with pytest.raises(RecordError, match="has 36000012 values; expected at most"):
        read_record(path / "p.csv")


def test_lines_of_leads_in_a_csv_file(tmp_path: Path) -> None:
    rows = [",".join(map(str, lead)) for lead in signals()[0]]
    rows[3] = ""
    rows[5] = rows[5].rpartition(",")[0]
    rows[7] = rows[7].rpartition(",")[0] + ","
    (tmp_path / "p.csv").write_bytes("\r\n".join(["a", "b,b", *rows, ""]).encode())
    path = describe(
        tmp_path / "a.toml", files="p.csv", axes=["lead", "sample"], header_lines=2
    )
    expected = signals()[0] / 200
    expected[3], expected[5, -1], expected[7, -1] = np.nan, np.nan, np.nan
    np.testing.assert_array_equal(read_record(path / "p.csv").signal, expected)


def test_a_row_of_an_array_that_is_too_long_is_refused(tmp_path: Path) -> None:
    header = {"descr": "<i2", "fortran_order": False, "shape": (1000, 12, 50_000_000)}
    with (tmp_path / "signals.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + 2 * 12 * 50_000_000 * 1000)
    path = describe(tmp_path / "a.toml")
    assert [*find_headers(tmp_path)] == [path]
    with pytest.raises(RecordError, match="268435456 bytes each") as caught:
        read_record(path / "5")
    assert caught.value.reason == Reason.TOO_LARGE


@pytest.mark.parametrize(("value", "unit"), [(np.inf, "mV"), (1e308, "V")])
@pytest.mark.parametrize("suffix", ["npy", "csv"])
def test_an_infinite_sample_is_not_finite(
    tmp_path: Path, value: float, unit: str, suffix: str
) -> None:
    values = signals()[0].T
    values[700, 4] = value
    np.save(tmp_path / "p.npy", values)
    np.savetxt(tmp_path / "p.csv", values, delimiter=",")
    path = describe(
        tmp_path / "a.toml", files=f"p.{suffix}", axes=["sample", "lead"], unit=unit,
        per_unit=0.5,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RecordError, match="lead aVL has an infinite") as caught:
            read_record(path / f"p.{suffix}")
    assert caught.value.reason == Reason.NOT_FINITE
