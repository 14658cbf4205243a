"""Stores of records that a program gives are those of the same records in files."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

import ecgstore
from ecgstore.arrays import FloatArray
from ecgstore.builder import fill
from ecgstore.config import Config
from ecgstore.errors import ConfigError, EcgStoreError
from ecgstore.record import LEADS, Record
from ecgstore.sources import find_headers, read_record, twelve_leads
from ecgstore.sources.spooled import write_spooled

FAST = Config(beats="none")
ALL = Config(beats="none", select="all")


class Stop(BaseException):
    """Stops a build as suddenly as a kill."""


def records_of(folder: Path) -> Iterator[Record]:
    """Yield the records below a folder, read from their files."""
    for header in find_headers(folder):
        yield read_record(header)


def noise(seed: int = 0, n_leads: int = 12, n_samples: int = 5000) -> FloatArray:
    """Return noise in mV."""
    return np.random.default_rng(seed).normal(0, 0.5, (n_leads, n_samples))


def run(
    records: Any, out: Path, config: Config = ALL, **options: Any
) -> ecgstore.ScanReport:
    """Build a store in this process."""
    options = {"n_workers": 1, "quiet": True, **options}
    return ecgstore.build_from(records, out, config, **options)


def of_row(path: Path, name: str) -> dict[bytes, Any]:
    """Return a dataset of a store, by the names of the records."""
    with h5py.File(path) as file:
        return dict(zip(file["records/record_id"][:], file[name][:], strict=True))


def test_records_from_files_give_the_rows_of_their_files(
    dozen_records: Path, tmp_path: Path, build: Callable[..., Path]
) -> None:
    of_files = build(dozen_records, tmp_path / "files.h5")
    given = tmp_path / "given.h5"
    report = run(records_of(dozen_records), given, FAST)
    assert report.n_selected == len(of_row(given, "labels"))
    with h5py.File(given) as file, h5py.File(of_files) as other:
        names: list[str] = []
        other.visit(names.append)
        datasets = [name for name in names if isinstance(other[name], h5py.Dataset)]
        assert {name for name in datasets if name not in file} == set()
        of_records = {
            name
            for name in datasets
            if other[name].shape
            and not other[name].is_scale
            and other[name].dims[0][0].name == "/record"
        }
    # The name of the data set, by which records are sorted and folds are balanced.
    depend = {"records/path", "records/source", "records/same_ecg", "folds"}
    for name in of_records - depend:
        one, two = of_row(given, name), of_row(of_files, name)
        assert one.keys() == two.keys()
        for record_id, value in one.items():
            np.testing.assert_array_equal(value, two[record_id], err_msg=name)


def test_tuples_in_any_order_of_leads_and_unit(tmp_path: Path) -> None:
    order = LEADS[::-1]
    signals = {f"R{seed}": noise(seed) for seed in range(3)}

    def in_uv() -> Iterator[tuple[Any, ...]]:
        for name, signal in signals.items():
            yield name, signal[::-1] * 1000, 500, order

    run(((*item, 500.0) for item in signals.items()), tmp_path / "mv.h5")
    run(in_uv(), tmp_path / "uv.h5", unit="uV")
    one = of_row(tmp_path / "mv.h5", "signals")
    two = of_row(tmp_path / "uv.h5", "signals")
    assert [*one] == [b"R0", b"R1", b"R2"]
    for name in one:
        assert np.abs(one[name].astype(int) - two[name]).max() <= 1


def test_eight_leads_float32_and_other_names(tmp_path: Path) -> None:
    leads = ["DI", "D2", "v1", "v2", "v3", "v4", "v5", "chest 6"]
    config = Config(
        beats="none",
        select="all",
        lead_names=ecgstore.LeadNames.of({"chest 6": "V6"}),
    )
    signal = noise(0, 8).astype(np.float32)
    report = run([("a", signal, 500, leads)], tmp_path / "a.h5", config)
    assert report.n_derived_leads == 1
    with ecgstore.open(tmp_path / "a.h5") as store:
        assert store["a"].signal.shape == (12, 5000)
        assert store.records["derived_leads"].iloc[0] == "III,aVR,aVL,aVF"


def test_derived_and_missing_leads_of_a_record_stay_such(
    write_record: Callable[..., Path], tmp_path: Path
) -> None:
    leads = [lead for lead in LEADS if lead not in ("III", "aVF", "V4")]
    adc = np.rint(noise(2, len(leads)) * 1000)
    record = read_record(
        write_record("A", adc, leads=leads), twelve_leads(allow_missing=True)
    )
    config = replace(ALL, allow_missing_leads=True)
    report = run([record], tmp_path / "given.h5", config)
    assert report.n_derived_leads == 1
    with ecgstore.open(tmp_path / "given.h5") as store:
        assert store.records["derived_leads"].tolist() == ["III,aVF"]
        assert store.records["missing_leads"].tolist() == ["V4"]


def test_columns_are_those_of_tables(tmp_path: Path) -> None:
    config = Config(beats="none", columns=("device",), targets=("ef",), select="all")
    given = [
        ("a", noise(1), 500, None, {"dx": "426783006", "patient_id": 7, "ef": 0.5}),
        ("b", noise(2), 500, None, {"codes": ["164889003"], "patient_id": "7.0"}),
        ("c", noise(3), 500, None, {"AF": True, "NSR": np.bool_(False), "age": 61}),
        ("d", noise(4), 500, None, {"sex": "F", "device": "x", "age": float("nan")}),
        ("e", noise(5), 500),
    ]
    report = run(given, tmp_path / "a.h5", config)
    with ecgstore.open(tmp_path / "a.h5") as store:
        records = store.records
        labels = store.labels()
        names = store.label_names
        assert [[names[at] for at in np.flatnonzero(row)] for row in labels] == [
            ["NSR"],
            ["AF"],
            ["AF"],
            [],
            [],
        ]
        assert records["patient_id"].tolist() == ["7", "7", "", "", ""]
        assert records["fold"].iloc[0] == records["fold"].iloc[1]
        assert records["age"].iloc[2] == 61
        assert records["sex"].iloc[3] == "female"
        assert records["device"].tolist() == ["", "", "", "x", ""]
        np.testing.assert_array_equal(store.targets()[:, 0], [0.5, *[np.nan] * 4])
    [table] = report.tables
    assert table["n_records_with_row"] == 4


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"record_id": "a"}, "item 0 is a dict; expected an ecgstore.Record"),
        (("a", noise()), "item 0 is a tuple of 2"),
        (("", noise(), 500), "item 0 has the record_id ''"),
        (("a\nb", noise(), 500), "record_id"),
        (("a", noise(), 500, "I"), "record a has the leads 'I'"),
        (("a", noise(), 500, None, {"dx": object()}), "record a has .* in column dx"),
        (
            ("a", noise(), 500, None, {"AF": "maybe"}),
            "record a has 'maybe' in column AF",
        ),
        (("a", noise(), 500, None, ["AF"]), "record a has columns of type list"),
    ],
)
def test_what_is_no_record_is_an_error_that_names_it(
    item: Any, message: str, tmp_path: Path
) -> None:
    with pytest.raises(EcgStoreError, match=message):
        run([item], tmp_path / "a.h5")
    assert [*tmp_path.iterdir()] == []


def test_records_that_cannot_be_used_are_in_quarantine(tmp_path: Path) -> None:
    endless = noise()
    endless[3, 17] = np.inf
    bad = {
        "a": (noise().T, 500),
        "b": (endless, 500),
        "c": (noise(), "fast"),
        "d": (noise(0, 12, 0), 500),
        "e": ([["x"] * 5000] * 12, 500),
        "f": ([[1.0], [2.0, 3.0]], 500),
        "g": (noise(0, 12, 500), 500),
        "h": (noise(), 1e9),
    }
    given: list[Any] = [(name, *item) for name, item in bad.items()]
    given += [("i", noise(), 500, ["X"] * 12), ("z", noise(), 500)]
    report = run(given, tmp_path / "a.h5")
    assert report.n_selected == 1
    assert {one["detail"].split()[1].rstrip(":") for one in report.left_out} >= {
        *"abdefi"
    }
    with h5py.File(tmp_path / "a.h5") as file:
        names = file["quarantine/record_id"][:].astype(str)
        reasons = file["quarantine/reason"][:].astype(str)
    assert dict(zip(names, reasons, strict=True)) == {
        "a": "wrong_signal_size",
        "b": "not_finite",
        "c": "bad_sampling_rate",
        "d": "wrong_signal_size",
        "e": "unreadable_signal",
        "f": "wrong_signal_size",
        "g": "too_short",
        "h": "bad_sampling_rate",
        "i": "missing_leads",
    }
    with pytest.raises(EcgStoreError, match=r"transpose it\?"):
        run([("a", noise().T, 500)], tmp_path / "b.h5")


def test_no_record_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EcgStoreError, match="no record"):
        run([], tmp_path / "a.h5")
    with pytest.raises(ConfigError, match="source"):
        run([("a", noise(), 500)], tmp_path / "a.h5", source="../x")
    with pytest.raises(ConfigError, match="unit"):
        run([("a", noise(), 500)], tmp_path / "a.h5", unit="volt")


def test_a_killed_build_starts_anew_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def given() -> Iterator[tuple[Any, ...]]:
        for seed in range(40):
            yield f"R{seed}", noise(seed % 39), 500, None, {"patient_id": seed % 5}

    whole = tmp_path / "whole.h5"
    run(given(), whole)

    out = tmp_path / "other.h5"
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", lambda *_, **__: None)  # as a kill would
        patch.setattr(
            "ecgstore.builder.spool.write_spooled",
            lambda path, *rest: (
                write_spooled(path, *rest) if "29" not in path.name else raise_stop()
            ),
        )
        with pytest.raises(Stop):
            run(given(), out)
    assert not out.exists()
    assert out.with_name("other.h5.partial.spool").exists()
    run(given(), out, n_workers=2)
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "other.h5",
        "whole.h5",
    ]


def raise_stop() -> None:
    """Stop."""
    raise Stop


@pytest.mark.parametrize("source", ["georgia", "my clinic"])
def test_of_records_of_one_name_the_first_is_stored(
    tmp_path: Path, source: str
) -> None:
    given = [("a", noise(0), 500), ("a", noise(1), 500), ("b", noise(2), 500)]
    report = run(given, tmp_path / "out.h5", source=source)
    assert report.reasons == {"duplicate_record_id": 1}
    assert report.left_out[0]["detail"].startswith("record a: an earlier record")
    with ecgstore.open(tmp_path / "out.h5") as store:
        assert store.records["source"].to_dict() == {"a": source, "b": source}
        stored = store["a"].signal[0]
        of_first, of_second = (
            np.corrcoef(stored, noise(seed)[0])[0, 1] for seed in (0, 1)
        )
        assert of_first > 0.3 > of_second


def test_a_build_stopped_while_filling_keeps_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [(f"R{seed:02d}", noise(seed), 500) for seed in range(40)]
    whole, out = tmp_path / "whole.h5", tmp_path / "out.h5"
    run(given, whole)
    filled: list[int] = []
    plain = fill.Filler._fill_row

    def counting(self: fill.Filler, position: int, *rest: Any) -> None:
        if len(filled) == 35:
            raise Stop
        filled.append(position)
        plain(self, position, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(fill.Filler, "_fill_row", counting)
        with pytest.raises(Stop):
            run(given, out)
        assert not out.with_name("out.h5.partial.spool").exists()
        filled.clear()
        run(given, out)
    assert len(filled) == 40 - 2 * fill.BLOCK_ROWS
    assert out.read_bytes() == whole.read_bytes()


def test_other_records_do_not_continue_a_stopped_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, out = tmp_path / "whole.h5", tmp_path / "out.h5"
    run([("R0", noise(7), 500)], whole)
    with monkeypatch.context() as patch:
        patch.setattr("ecgstore.builder.one_file.seal", lambda *_, **__: raise_stop())
        with pytest.raises(Stop):
            run([("R0", noise(8), 500)], out)
    run([("R0", noise(7), 500)], out)
    assert out.read_bytes() == whole.read_bytes()


def test_tables_in_files_add_to_the_columns(tmp_path: Path) -> None:
    table = tmp_path / "more.csv"
    table.write_text("record_id,dx,age,site\na,164889003,70,x\nb,164889003,71,y\n")
    config = Config(beats="none", columns=("site",))
    given = [("a", noise(1), 500, None, {"age": 61}), ("b", noise(2), 500)]
    report = run(given, tmp_path / "out.h5", config, labels=table)
    assert [use["n_records_with_row"] for use in report.tables] == [1, 2]
    with ecgstore.open(tmp_path / "out.h5") as store:
        assert store.records["age"].tolist() == [61, 71]
        assert store.records["site"].tolist() == ["x", "y"]
        assert store.labels()[:, store.label_names.index("AF")].tolist() == [1, 1]
    with pytest.raises(ConfigError, match="option columns names the column 'ward'"):
        run(given, tmp_path / "b.h5", Config(columns=("ward",)), labels=table)


def test_columns_that_are_not_read_are_named(tmp_path: Path) -> None:
    given = [
        ("a", noise(1), 500, None, {"dx": "164889003", "patientid": 7, "Age": 70}),
        ("b", noise(2), 500, None, {"dx": "426783006", "age": 700, "patientid": 8}),
    ]
    report = run(given, tmp_path / "out.h5")
    text = "\n".join(report.warnings)
    assert "nothing is read from 'patientid' of 2 records, 'Age' of 1 record" in text
    assert "1 value of age not understood: '700'; expected years" in text


def deep() -> Any:
    """Return a list in a list, and so on."""
    value: Any = []
    for _ in range(100_000):
        value = [value]
    return value


class Odd:
    """A value that cannot be printed or converted."""

    def __repr__(self) -> str:
        raise RuntimeError

    def __float__(self) -> float:
        raise OverflowError


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"device": "\udcff"}, "no valid Unicode in column device"),
        ({"patient_id": "\udcff"}, "no valid Unicode in column patient_id"),
        ({"codes": ["A", "\udcff"]}, "no valid Unicode in column codes"),
        ({"device": "x" * 200_000}, "a text of 200000 characters in column device"),
        ({"ef": 10**400}, "a text of 401 characters in column ef"),
        ({"patient_id": 10**5000}, "a very large number in column patient_id"),
        ({"codes": {"A": 10**5000}}, "a very large number in column codes"),
        ({"codes": {"A": {1}}}, "a value of type set in column codes"),
        ({"codes": {"A": Odd()}}, "a value of type Odd in column codes"),
        ({"codes": [Odd()]}, "a value of type Odd in column codes"),
        ({"codes": deep()}, "a value of type list in column codes"),
        ({"device": Odd()}, "a value of type Odd in column device"),
        ({"device": b"x"}, "a value of type bytes in column device"),
        ({"\udcff": 1}, r"a column '\\udcff'"),
        ({"x" * 300: 1}, "a column 'xxx"),
        ({Odd(): 1}, "a column a Odd"),
        ({"ef": 1e39}, "column ef; expected a number of at most 3.4e.38"),
        ({"ef": -(10**300)}, "column ef; expected a number of at most 3.4e.38"),
        (np.zeros(3), "columns of type ndarray"),
        (Odd(), "columns of type Odd"),
        (5, "columns of type int"),
    ],
)
def test_odd_values_of_columns_are_errors_that_name_the_place(
    tmp_path: Path, columns: Any, what: str
) -> None:
    config = Config(beats="none", select="all", columns=("device",), targets=("ef",))
    others = {"device": "x", "ef": 1}
    given = others | columns if isinstance(columns, dict) else columns
    records = [("z", noise(1), 500, None, others), ("a", noise(), 500, None, given)]
    with pytest.raises(EcgStoreError, match=f"record a has .*{what}") as caught:
        run(records, tmp_path / "out.h5", config)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "leads",
    [
        5,
        {"I": 0},
        {"I", "II"},
        b"I",
        [],
        [1] * 12,
        [Odd()] * 12,
        ["x" * 999] * 12,
        ["I"] * 5000,
    ],
)
def test_odd_leads_are_errors_that_name_the_record(tmp_path: Path, leads: Any) -> None:
    with pytest.raises(EcgStoreError, match="record a has the leads") as caught:
        run([("a", noise(), 500, leads)], tmp_path / "out.h5")
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("fs", [10**400, Odd(), 1j, [1, 2]])
def test_odd_rates_are_in_quarantine(tmp_path: Path, fs: Any) -> None:
    report = run([("a", noise(), fs), ("b", noise(1), 500)], tmp_path / "out.h5")
    assert report.reasons == {"bad_sampling_rate": 1}


@pytest.mark.parametrize("records", [5, None, Odd()])
def test_no_iterable_is_an_error(tmp_path: Path, records: Any) -> None:
    with pytest.raises(EcgStoreError, match="expected an iterable of records"):
        run(records, tmp_path / "out.h5")


@pytest.mark.parametrize(
    "changes",
    [
        {"fs": "fast"},
        {"age": None},
        {"notes": 5},
        {"checksum_differs": np.zeros(2, bool)},
        {"record_id": "a\nb"},
        {"record_id": Odd()},
    ],
)
def test_odd_fields_of_a_record_are_errors(
    dozen_records: Path, tmp_path: Path, changes: Any
) -> None:
    record = replace(next(records_of(dozen_records)), **changes)
    with pytest.raises(EcgStoreError, match="item 0 "):
        run([record], tmp_path / "out.h5")


def test_series_of_codes_are_lists(tmp_path: Path) -> None:
    codes = pd.Series(["164889003", None])
    run([("a", noise(), 500, None, {"dx": codes, "age": pd.NA})], tmp_path / "out.h5")
    with ecgstore.open(tmp_path / "out.h5") as store:
        assert store.records["dx"].tolist() == ["164889003"]


def test_a_negative_number_is_no_diagnosis(tmp_path: Path) -> None:
    given: list[Any] = [-426783006, [-1, 164889003], "164889003"]
    records = [
        (f"r{number}", noise(number), 500, None, {"dx": dx})
        for number, dx in enumerate(given)
    ]
    report = run(records, tmp_path / "a.h5", Config(beats="none", select="all"))
    assert report.unknown_words == {"-1": 1, "-426783006": 1}
    with ecgstore.open(tmp_path / "a.h5") as store:
        assert store.records["dx"].tolist() == ["", "164889003", "164889003"]
