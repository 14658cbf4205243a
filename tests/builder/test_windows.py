"""Long records in windows: a row for each, all of a record together."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, strategies as st

import ecgstore
from ecgstore.arrays import FloatArray, Int16Array
from ecgstore.builder import fill as fill_module
from ecgstore.builder.pieces import OnePass
from ecgstore.cli import cli
from ecgstore.config import Config
from ecgstore.errors import ConfigError
from ecgstore.record import LEADS
from ecgstore.sources import SignalHash, signal_sha256, twelve_leads
from ecgstore.windows import Windows

WINDOWS = Config(beats="none", windows="every=10s")
FS = 257

Build = Callable[..., Path]


def waves(seconds: float, seed: int = 0, fs: float = FS) -> Int16Array:
    """Return counts of 1 uV with a spectrum like that of an ECG."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * fs)) / fs
    hz = rng.uniform(0.7, 30, (12, 9, 1))
    phase = rng.uniform(0, 6, (12, 9, 1))
    counts: FloatArray = (120 * np.sin(2 * np.pi * hz * time + phase)).sum(axis=1)
    return counts.astype(np.int16)


@pytest.fixture
def long_records(write_record: Callable[..., Path]) -> Path:
    """Return a folder with records of 64 s, 25 s and 10 s, the last at 500 Hz."""
    folder = write_record("L01", waves(64), fs=FS).parent
    write_record("L02", waves(25, seed=1), fs=FS)
    write_record("L03", waves(10, seed=2, fs=500), fs=500)
    return folder


class Array:
    """A signal that counts what is read of it."""

    def __init__(self, samples: FloatArray) -> None:
        self.samples = samples
        self.n_samples = samples.shape[1]
        self.leads = twelve_leads()([Named(name) for name in LEADS], "")
        self.checksum_differs = self.first_value_differs = np.zeros(12, np.bool_)
        self.n_read = 0

    def read(self, begin: int, end: int) -> FloatArray:
        assert 0 <= begin < end <= self.n_samples
        self.n_read += end - begin
        return self.samples[:, begin:end]


class Named:
    """A channel."""

    unit = "mV"

    def __init__(self, name: str) -> None:
        self.name = name


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 300)), min_size=1),
    st.integers(1, 200),
)
def test_ranges_of_one_pass_are_those_of_the_signal(
    steps: list[tuple[int, int]], piece: int
) -> None:
    n = 1 + sum(step for step, _ in steps) + 300
    signal = Array(np.random.default_rng(0).normal(size=(12, n)))
    signal_hash = SignalHash()
    one_pass = OnePass(signal, 0, n, signal_hash)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ecgstore.builder.pieces._PIECE", piece)
        begin = 0
        for step, length in steps:
            begin += step
            end = min(begin + length, n)
            np.testing.assert_array_equal(
                one_pass.read(begin, end), signal.samples[:, begin:end]
            )
        one_pass.read_rest()
    assert signal.n_read == n  # each sample once
    assert signal_hash.hexdigest() == signal_sha256(signal.samples)


@given(
    st.integers(1, 100_000),
    st.sampled_from([50.0, 257.0, 360.5, 1000.0]),
    st.sampled_from([0.0, 2.5, 5.0, 9.0]),
)
def test_windows_leave_out_less_than_the_shortest_window(
    n_samples: int, fs: float, overlap: float
) -> None:
    begins = Windows(10.0, overlap).begins(n_samples, fs, 2.0)
    assert begins[0] == 0
    assert begins == sorted(set(begins))
    assert all(begin < n_samples for begin in begins)
    end = begins[-1] + 10.0 * fs
    assert n_samples - end <= 2.0 * fs  # not stored at the end
    if len(begins) > 1:  # the last window has something of its own
        assert begins[-2] + 10.0 * fs < n_samples + 1
        assert n_samples - begins[-1] >= 2.0 * fs
    steps = np.diff(begins)
    assert np.abs(steps - (10.0 - overlap) * fs).max(initial=0) <= 1


def test_exactly_the_shortest_duration_is_one_more_window() -> None:
    assert Windows(10.0).begins(2199, 100.0, 2.0) == [0, 1000]
    assert Windows(10.0).begins(2200, 100.0, 2.0) == [0, 1000, 2000]
    # All of a window that would be left is in the one before.
    assert Windows(10.0, 5.0).begins(2000, 100.0, 2.0) == [0, 500, 1000]
    assert Windows(10.0, 5.0).begins(2001, 100.0, 2.0) == [0, 500, 1000, 1500]


@pytest.mark.parametrize(
    "text",
    [
        "10s",
        "every=5s",
        "every=10s,overlap=10s",
        "every=20s,overlap=5s",
        "",
        "every=0s",
        f"every={'9' * 400}s",
    ],
)
def test_windows_that_do_not_fit_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="option windows"):
        Config(windows=text)


@pytest.mark.parametrize(
    ("duration_s", "text"),
    [
        (8.192, "every=8.192s"),
        (8.19200001, "every=8.19200001s,overlap=0.1234567s"),
        (10.0, "every=1234567.5s"),
        (10.0, "every=10000000s"),
    ],
)
def test_lengths_of_windows_are_exact(duration_s: float, text: str) -> None:
    config = Config(duration_s=duration_s, windows=text)
    assert config.windows == text
    assert Config.from_json(config.to_json()) == config


def test_rows_are_windows_in_the_order_of_time(
    long_records: Path, tmp_path: Path, build: Build
) -> None:
    out = build(long_records, tmp_path / "out.h5", WINDOWS)
    with ecgstore.open(out) as store:
        records = store.records
        assert records.index.tolist() == [
            *(f"L01@{start}" for start in range(0, 70, 10)),
            *("L02@0", "L02@10", "L02@20", "L03@0"),
        ]
        assert records["start_s"].tolist() == [*range(0, 70, 10), 0, 10, 20, 0]
        n_padded = store.quality["pad_length"].to_numpy()
        assert (np.flatnonzero(n_padded) == [6, 9]).all()
        np.testing.assert_allclose(n_padded[[6, 9]], [3000, 2500], atol=1)
        for _, one in records.groupby(lambda name: name.partition("@")[0]):
            assert one["fold"].nunique() == 1
            assert one["sha256"].nunique() == one["n_samples_original"].nunique() == 1
        np.testing.assert_array_equal(store.groups()[:7], store.groups()[0])
        assert len(set(store.groups())) == 3
        assert store["L01@20"].record_id == "L01@20"
    with h5py.File(out) as file:
        np.testing.assert_array_equal(
            file["records/same_ecg"][:], [0] * 7 + [7] * 3 + [10]
        )


def test_the_first_window_is_the_row_of_a_build_without_windows(
    long_records: Path, tmp_path: Path, build: Build
) -> None:
    windows = build(long_records, tmp_path / "windows.h5", WINDOWS)
    plain = build(long_records, tmp_path / "plain.h5")
    with h5py.File(windows) as one, h5py.File(plain) as other:
        rows = [0, 7, 10]
        for name in ("signals", "features", "quality/pad_length", "records/sha256"):
            np.testing.assert_array_equal(one[name][rows], other[name][:])


@pytest.mark.parametrize("fs", [FS, 500, 360.5])
def test_windows_have_no_edges(
    fs: float, write_record: Callable[..., Path], tmp_path: Path, build: Build
) -> None:
    folder = write_record("L01", waves(60, fs=fs), fs=fs).parent
    config = Config(beats="none", windows="every=10s,overlap=5s")
    out = build(folder, tmp_path / "windows.h5", config)
    whole = build(folder, tmp_path / "whole.h5", Config(beats="none", duration_s=60))
    with ecgstore.open(out) as store, ecgstore.open(whole) as other:
        signal = other.signals([0])[0] * 1000
        starts = store.records["start_s"].to_numpy()
        assert len(starts) == 11
        for row in range(1, 10):  # not those at the ends of the record
            np.testing.assert_allclose(starts[row] * fs, round(starts[row] * fs))
            at = round(starts[row] * 500)
            if abs(at - starts[row] * 500) > 1e-6:
                continue  # of 360.5 Hz, every other window begins between two samples
            stored = store.signals([row])[0] * 1000
            difference = np.abs(stored - signal[:, at : at + 5000])
            assert difference.max() <= 4


def test_windows_give_the_same_bytes_in_any_build(
    long_records: Path,
    tmp_path: Path,
    build: Build,
    stopped_build: Callable[..., None],
) -> None:
    config = Config(beats="none", windows="every=10s,overlap=7.5s")
    one = build(long_records, tmp_path / "one.h5", config)
    two = build(long_records, tmp_path / "two.h5", config, n_workers=2)
    three = tmp_path / "three.h5"
    filler = fill_module.Filler
    stopped_build(filler, "_fill_row", long_records, three, config, calls=20)
    assert not three.exists()
    build(long_records, three, config)
    assert one.read_bytes() == two.read_bytes() == three.read_bytes()
    with ecgstore.open(one) as store:
        assert store.records["start_s"].iloc[1] * FS == round(2.5 * FS)
        assert store.records.index[1] == "L01@2.5"


def test_single_windows_go_into_quarantine(
    write_record: Callable[..., Path], tmp_path: Path
) -> None:
    signal = waves(45)
    signal[3, 12 * FS : 14 * FS] = -32768  # missing
    folder = write_record("L01", signal, fs=FS).parent
    broken = waves(20, seed=3)
    broken[:, :: FS // 20] = -32768
    broken[5] = -32768
    write_record("L02", broken, fs=FS)
    report = ecgstore.build_store(
        folder, tmp_path / "out.h5", WINDOWS, n_workers=1, quiet=True
    )
    assert (report.n_selected, report.n_rows, report.n_windows_left_out) == (1, 4, 1)
    assert report.n_quarantined == 1
    with ecgstore.open(tmp_path / "out.h5") as store:
        assert store.records.index.tolist() == ["L01@0", "L01@20", "L01@30", "L01@40"]
        quarantine = store.quarantine
        assert quarantine["record_id"].tolist() == ["L01@10", "L02"]
        assert quarantine["reason"].iloc[0] == "gap_too_long"
        # What is missing before a window does not enter it.
        assert np.isfinite(store.signals([1])).all()


def test_a_window_that_fails_later_leaves_the_others(
    long_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = fill_module.Filler._fill_row
    calls = iter([True])

    def once(self: Any, position: int, *rest: Any) -> None:
        if position == 2 and next(calls, False):
            raise ZeroDivisionError
        plain(self, position, *rest)

    monkeypatch.setattr(fill_module.Filler, "_fill_row", once)
    report = ecgstore.build_store(
        long_records, tmp_path / "out.h5", WINDOWS, n_workers=1, quiet=True
    )
    assert (report.n_selected, report.n_rows) == (3, 10)
    [left_out] = report.left_out
    assert left_out["reason"] == "unexpected_error"
    with ecgstore.open(tmp_path / "out.h5") as store:
        assert "L01@20" not in store
        assert store.quarantine["record_id"].tolist() == ["L01@20"]


def test_the_summary_says_what_was_cut(long_records: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    out = str(tmp_path / "out.h5")
    command = ["build", str(long_records), "-o", out, "--beats", "none", "--quiet"]
    done = runner.invoke(cli, command)
    assert done.exit_code == 0, done.output
    assert (
        "longer than what is stored of them: 2 records, of which 69.0 s" in done.output
    )
    done = runner.invoke(cli, [*command, "--overwrite", "--windows", "every=10s"])
    assert done.exit_code == 0, done.output
    assert "longer" not in done.output
    assert "11 windows of these records stored, 0 in quarantine" in done.output
    for check in (["verify", out], ["info", out]):
        done = runner.invoke(cli, check)
        assert done.exit_code == 0, done.output


def test_tables_are_about_records(
    long_records: Path, tmp_path: Path, build: Build
) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("record_id,AF,patient_id\nL01,1,7\nL02,0,7\nL03,0,8\n")
    out = build(long_records, tmp_path / "out.h5", WINDOWS, labels=table)
    with ecgstore.open(out) as store:
        at = store.label_names.index("AF")
        np.testing.assert_array_equal(store.labels()[:, at], [1] * 7 + [0] * 4)
        assert store.records["patient_id"].tolist() == ["7"] * 10 + ["8"]
        assert store.records["fold"].iloc[:10].nunique() == 1
    table.write_text("record_id,AF\nL01,0\nL02,1\nL03,0\n")
    ecgstore.label_store(out, table)
    with ecgstore.open(out) as store:
        np.testing.assert_array_equal(store.labels()[:, at], [0] * 7 + [1] * 3 + [0])


def test_a_subset_keeps_the_place_of_its_windows(
    long_records: Path, tmp_path: Path, build: Build
) -> None:
    out = build(long_records, tmp_path / "out.h5", WINDOWS)
    with ecgstore.open(out) as store:
        ecgstore.write_subset(store.select(query="start_s >= 20"), tmp_path / "late.h5")
    with ecgstore.open(tmp_path / "late.h5") as late:
        assert late.records["start_s"].tolist() == [20, 30, 40, 50, 60, 20]


def test_windows_of_arrays(tmp_path: Path) -> None:
    signal = waves(35).astype(np.float32) / 1000
    ecgstore.build_from(
        [("a", signal, FS, None, {"dx": "426783006"})],
        tmp_path / "out.h5",
        WINDOWS,
        n_workers=1,
        quiet=True,
    )
    with ecgstore.open(tmp_path / "out.h5") as store:
        assert store.records.index.tolist() == ["a@0", "a@10", "a@20", "a@30"]
