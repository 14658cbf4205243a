"""Reading records of the Challenges: 16-bit counts in MATLAB 4 files."""

import io
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wfdb
from scipy.io import savemat

from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.record import LEADS, N_LEADS
from ecgstore.sources import read_record, signal_sha256

WriteRecord = Callable[..., Path]


def _adc(n_samples: int = 600, seed: int = 0) -> np.ndarray:
    """Return random counts, (12, n_samples)."""
    rng = np.random.default_rng(seed)
    return rng.integers(-32767, 32768, (N_LEADS, n_samples)).astype(np.int16)


def _edit(path: Path, old: str, new: str, count: int = -1) -> None:
    """Replace text in a header."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))


def _refused(path: Path, reason: Reason, detail: str = "", **options: Any) -> None:
    """Check that a record is refused with a reason, and check the detail."""
    with pytest.raises(RecordError) as caught:
        read_record(path, **options)
    assert caught.value.reason is reason
    assert detail in caught.value.detail
    assert path.stem in caught.value.detail


def test_a_record_is_what_was_written(write_record: WriteRecord) -> None:
    adc = _adc()
    record = read_record(write_record("A0001", adc, fs=257, dx="1,2"))
    np.testing.assert_array_equal(record.signal, adc / 1000)
    assert record.signal.dtype == np.float64
    assert record.signal.flags.c_contiguous
    assert (record.record_id, record.fs, record.n_samples_original) == (
        "A0001",
        257.0,
        600,
    )
    assert (record.age, record.sex, record.dx) == (50.0, "female", ("1", "2"))
    assert not record.checksum_differs.any()
    assert not record.first_value_differs.any()


@pytest.mark.parametrize("n_samples", [1, 2, 511, 512, 513, 1025, 5000])
def test_records_of_every_length_are_read(
    write_record: WriteRecord, n_samples: int
) -> None:
    adc = _adc(n_samples, seed=n_samples)
    record = read_record(write_record("A0001", adc))
    np.testing.assert_array_equal(record.signal, adc / 1000)
    assert not record.checksum_differs.any()


def test_missing_samples_are_nan_as_in_wfdb(write_record: WriteRecord) -> None:
    adc = _adc(1100)
    adc[0, 0] = adc[3, 511:514] = adc[11, -1] = -32768
    adc[5] = -32768
    path = write_record("A0001", adc)
    signal = read_record(path).signal
    np.testing.assert_array_equal(np.isnan(signal), adc == -32768)
    expected = wfdb.rdrecord(str(path.with_suffix(""))).p_signal.T
    np.testing.assert_array_equal(signal, expected)


def test_gain_baseline_and_unit_come_from_the_header(write_record: WriteRecord) -> None:
    adc = _adc()
    path = write_record("E00001", adc, gain="4880(-12)/mv")
    np.testing.assert_array_equal(read_record(path).signal, (adc + 12.0) / 4880)


@pytest.mark.parametrize(
    ("unit", "mv_per_unit"),
    [
        ("mV", 1.0),
        ("mv", 1.0),
        ("uV", 1e-3),
        ("\u00b5V", 1e-3),
        ("\u03bcV", 1e-3),
        ("V", 1e3),
    ],
)
def test_every_unit_is_converted_to_mv(
    write_record: WriteRecord, unit: str, mv_per_unit: float
) -> None:
    adc = _adc()
    gain = 2.5 / 1e3 * 1e3 * mv_per_unit  # 2.5 counts a mV
    path = write_record("A0001", adc, gain=f"{gain:g}/{unit}")
    signal = read_record(path).signal
    np.testing.assert_allclose(signal, adc / 2.5, rtol=1e-14, atol=0)


@pytest.mark.parametrize("n_others", [0, 1, 3, 4])
def test_leads_are_put_in_order_and_others_left_out(
    write_record: WriteRecord, n_others: int
) -> None:
    others = ["VX", "resp", "VZ", "pleth"][:n_others]
    names = [lead.lower() for lead in LEADS] + others
    order = np.random.default_rng(1).permutation(len(names))
    adc = np.random.default_rng(2).integers(-900, 900, (len(names), 700))
    leads = tuple(names[k] for k in order)
    record = read_record(write_record("A0001", adc[order], leads=leads))
    np.testing.assert_array_equal(record.signal, adc[:N_LEADS] / 1000)
    assert not record.checksum_differs.any()


def test_max_samples_reads_the_beginning(write_record: WriteRecord) -> None:
    adc = _adc(1000)
    path = write_record("A0001", adc)
    _edit(path, " 0 II\n", "9 0 II\n")  # another checksum
    for n_samples in (1, 700, 999):
        record = read_record(path, max_samples=n_samples)
        np.testing.assert_array_equal(record.signal, adc[:, :n_samples] / 1000)
        assert record.n_samples_original == 1000
        assert not record.checksum_differs.any()
    for more in (1000, 5000):
        record = read_record(path, max_samples=more)
        assert record.signal.shape == (12, 1000)
        assert record.checksum_differs.tolist() == [k == 1 for k in range(12)]


def test_reading_the_beginning_needs_little_memory(
    write_record: WriteRecord,
) -> None:
    path = write_record("I0001", _adc(400_000))
    read_record(path, max_samples=10)  # imports and compiles
    tracemalloc.start()
    read_record(path, max_samples=10)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200_000


@pytest.mark.parametrize("max_samples", [0, -1])
def test_max_samples_must_be_positive(
    write_record: WriteRecord, max_samples: int
) -> None:
    with pytest.raises(ValueError, match="expected 1 or more"):
        read_record(write_record("A0001"), max_samples=max_samples)


def test_checksum_and_first_value_are_flagged_per_lead(
    write_record: WriteRecord,
) -> None:
    adc = _adc()
    path = write_record("A0001", adc)
    content = bytearray(path.with_suffix(".mat").read_bytes())
    content[24 : 24 + 2] = struct.pack("<h", adc[0, 0] ^ 1)  # lead I, first sample
    content[24 + 24 + 4] ^= 1  # lead III, second sample
    path.with_suffix(".mat").write_bytes(content)
    record = read_record(path)
    assert np.flatnonzero(record.checksum_differs).tolist() == [0, 2]
    assert np.flatnonzero(record.first_value_differs).tolist() == [0]


def test_checksums_are_16_bit_numbers_of_either_sign(write_record: WriteRecord) -> None:
    adc = np.full((12, 50), -1000)
    path = write_record("A0001", adc)
    total = -50_000 + 65_536
    _edit(path, f" {total} 0 ", f" {total - 65_536} 0 ", 1)
    assert not read_record(path).checksum_differs.any()


def test_a_header_without_length_has_no_checksum_flags(
    write_record: WriteRecord,
) -> None:
    adc = _adc()
    path = write_record("A0001", adc)
    lines = path.read_text().splitlines()
    lines[0] = "A0001 12 500"  # leaves the length open, so the sums mean nothing
    path.write_text("\n".join(lines).replace(" 0 II", "9 0 II"))
    record = read_record(path)
    np.testing.assert_array_equal(record.signal, adc / 1000)
    assert record.n_samples_original == 600
    assert not record.checksum_differs.any()


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("A0001 12", "A0001.mat 12", 1),
        lambda text: text.replace("16+24 1000/mV", "16x1+24 1000.0(0)/mV"),
        lambda text: text.replace("#", "# "),
        lambda text: text.replace("\n", "\r\n"),
    ],
    ids=["name with .mat", "second dialect", "blank in comments", "line ends"],
)
def test_the_dialect_does_not_matter(
    write_record: WriteRecord, change: Callable[[str], str]
) -> None:
    path = write_record("A0001")
    record = read_record(path)
    path.write_text(change(path.read_text()))
    again = read_record(path)
    np.testing.assert_array_equal(again.signal, record.signal)
    assert (again.record_id, again.dx) == (record.record_id, record.dx)


# What is refused, and why.


@pytest.mark.parametrize("fs", ["0", "-500", "nan", "inf", "49.9", "20001"])
def test_a_bad_sampling_rate_is_refused(write_record: WriteRecord, fs: str) -> None:
    path = write_record("A0001")
    _edit(path, " 500 ", f" {fs} ", 1)
    _refused(path, Reason.BAD_SAMPLING_RATE, "expected 50 to 20000 Hz")


def test_a_missing_sampling_rate_is_refused(write_record: WriteRecord) -> None:
    path = write_record("A0001")
    _edit(path, "A0001 12 500 5000", "A0001 12")
    _refused(path, Reason.BAD_SAMPLING_RATE)


@pytest.mark.parametrize(
    "gain", ["0/mV", "-1000/mV", "nan/mV", "inf/mV", "0.001/mV", "1e13/mV", "1e16/V"]
)
def test_a_bad_gain_is_refused(write_record: WriteRecord, gain: str) -> None:
    path = write_record("A0001", gain=gain)
    _refused(path, Reason.BAD_GAIN, "lead I has")


def test_an_uncalibrated_lead_is_refused(write_record: WriteRecord) -> None:
    path = write_record("A0001")
    lines = path.read_text().splitlines()
    lines[2] = "A0001.mat 16+24"
    path.write_text("\n".join(lines))
    _refused(path, Reason.MISSING_LEADS, "has no lead II; found I, no name, III")


@pytest.mark.parametrize("unit", ["mmHg", "MV", "nV", "adu", "mV/s", "kV"])
def test_an_unknown_unit_is_refused(write_record: WriteRecord, unit: str) -> None:
    path = write_record("A0001", gain=f"1000/{unit}")
    _refused(path, Reason.UNKNOWN_UNIT, repr(unit))


def test_units_and_gains_of_other_leads_are_ignored(
    write_record: WriteRecord,
) -> None:
    adc = np.vstack([_adc(), _adc()[:1]])
    path = write_record("A0001", adc, leads=(*LEADS, "resp"))
    lines = path.read_text().splitlines()
    lines[13] = lines[13].replace("1000/mV", "0/Ohm")
    path.write_text("\n".join(lines))
    np.testing.assert_array_equal(read_record(path).signal, adc[:12] / 1000)


def test_missing_leads_are_refused(write_record: WriteRecord) -> None:
    path = write_record("A0001", _adc()[:8], leads=LEADS[:8])
    _refused(path, Reason.MISSING_LEADS, "has no lead V3, V4, V5, V6; found I")


def test_a_repeated_lead_is_refused(write_record: WriteRecord) -> None:
    path = write_record("A0001", np.zeros((13, 9)), leads=(*LEADS, "v6"))
    _refused(path, Reason.MISSING_LEADS, "two leads V6")


def test_a_header_without_leads_is_refused(write_record: WriteRecord) -> None:
    path = write_record("A0001")
    _edit(path, "A0001 12", "A0001 0")
    _refused(path, Reason.MISSING_LEADS)


def test_a_missing_signal_file_is_refused(write_record: WriteRecord) -> None:
    path = write_record("A0001")
    path.with_suffix(".mat").unlink()
    _refused(path, Reason.MISSING_SIGNAL_FILE, "no such file")
    path.with_suffix(".mat").mkdir()
    _refused(path, Reason.MISSING_SIGNAL_FILE, "not a regular file")


@pytest.mark.parametrize("name", ["../A0001.mat", "/etc/passwd", "a\\b.mat"])
def test_signal_files_are_in_the_folder_of_the_header(
    write_record: WriteRecord, name: str
) -> None:
    path = write_record("A0001")
    _edit(path, "A0001.mat", name)
    _refused(path, Reason.UNREADABLE_HEADER, "no file beside the header")


@pytest.mark.parametrize("size", [0, 10, 24, 30, 24 + 24 * 599, 24 + 24 * 600 - 1])
@pytest.mark.parametrize("options", [{}, {"max_samples": 1}])
def test_a_truncated_signal_file_is_refused(
    write_record: WriteRecord, size: int, options: dict[str, int]
) -> None:
    path = write_record("A0001", _adc(600))
    content = path.with_suffix(".mat").read_bytes()
    path.with_suffix(".mat").write_bytes(content[:size])
    _refused(path, Reason.TRUNCATED_SIGNAL_FILE, "expected 600", **options)


def test_a_record_without_samples_is_refused(write_record: WriteRecord) -> None:
    path = write_record("A0001", np.zeros((12, 1)))
    path.with_suffix(".mat").write_bytes(struct.pack("<5i4s", 30, 12, 0, 0, 4, b"val"))
    _edit(path, "500 1\n", "500 0\n")
    _refused(path, Reason.TRUNCATED_SIGNAL_FILE, "expected one or more")


@pytest.mark.parametrize("options", [{}, {"max_samples": 1}])
def test_bytes_after_the_signal_are_refused(
    write_record: WriteRecord, options: dict[str, int]
) -> None:
    path = write_record("A0001")
    with path.with_suffix(".mat").open("ab") as file:
        file.write(b"\0")
    _refused(path, Reason.WRONG_SIGNAL_SIZE, "has 120025 bytes", **options)


@pytest.mark.parametrize(("n_rows", "n_columns"), [(11, 600), (12, 599), (12, 601)])
def test_a_signal_size_that_differs_from_the_header_is_refused(
    write_record: WriteRecord, n_rows: int, n_columns: int
) -> None:
    path = write_record("A0001", _adc(600))
    head = struct.pack("<5i4s", 30, n_rows, n_columns, 0, 4, b"val")
    content = head + bytes(2 * n_rows * n_columns)
    path.with_suffix(".mat").write_bytes(content)
    _refused(path, Reason.WRONG_SIGNAL_SIZE, f"({n_rows}, {n_columns})")


def test_a_header_that_claims_more_is_refused_at_once(
    write_record: WriteRecord,
) -> None:
    for n_samples in (10**12, 10**17):
        path = write_record("A0001", _adc(600))
        _edit(path, "500 600\n", f"500 {n_samples}\n")
        tracemalloc.start()
        _refused(path, Reason.WRONG_SIGNAL_SIZE)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2_000_000


# Files that were saved again by MATLAB or SciPy.


def _save(path: Path, content: bytes) -> Path:
    """Replace the signal file of a record."""
    path.with_suffix(".mat").write_bytes(content)
    return path


def _saved(variables: dict[str, np.ndarray]) -> bytes:
    """Return what SciPy writes."""
    buffer = io.BytesIO()
    savemat(buffer, variables, format="4")  # type: ignore[arg-type]
    return buffer.getvalue()


@pytest.mark.parametrize("dtype", ["<i2", "<i4", "<f4", "<f8"])
@pytest.mark.parametrize("name", ["val", "ecg_signal"])
def test_other_numbers_and_names_in_a_matlab_file_are_read(
    write_record: WriteRecord, dtype: str, name: str
) -> None:
    adc = _adc()
    adc[4, 7] = -32768
    path = write_record("A0001", adc)
    expected = read_record(path)
    _save(path, _saved({"fs": np.zeros((2, 2)), name: adc.astype(dtype)}))
    record = read_record(path)
    np.testing.assert_array_equal(record.signal, expected.signal)
    assert not record.checksum_differs.any()
    beginning = read_record(path, max_samples=100)
    np.testing.assert_array_equal(beginning.signal, expected.signal[:, :100])
    assert beginning.n_samples_original == 600
    _edit(path, "500 600\n", "500\n")
    assert read_record(path).n_samples_original == 600


def test_a_big_endian_matlab_file_is_read(write_record: WriteRecord) -> None:
    adc = _adc()
    path = write_record("A0001", adc)
    head = struct.pack(">5i4s", 1030, 12, 600, 0, 4, b"val")
    _save(path, head + adc.T.astype(">i2").tobytes())
    np.testing.assert_array_equal(read_record(path).signal, adc / 1000)


def test_nan_in_a_matlab_file_is_a_missing_sample(write_record: WriteRecord) -> None:
    adc = _adc().astype(np.float64)
    adc[2, 3] = np.nan
    path = _save(write_record("A0001", _adc()), _saved({"val": adc}))
    np.testing.assert_array_equal(read_record(path).signal, adc / 1000)


@pytest.mark.parametrize(
    "values",
    [np.full((12, 600), 0.5), np.full((12, 600), 32768.0), np.full((12, 600), 1j)],
    ids=["already in mV", "more than 16 bits", "complex"],
)
def test_matlab_numbers_that_are_no_counts_are_refused(
    write_record: WriteRecord, values: np.ndarray
) -> None:
    path = _save(write_record("A0001", _adc()), _saved({"val": values}))
    _refused(path, Reason.UNREADABLE_SIGNAL)


def test_a_wrong_size_under_another_name_is_refused(write_record: WriteRecord) -> None:
    path = _save(write_record("A0001", _adc()), _saved({"ecg": np.zeros((600, 12))}))
    _refused(path, Reason.WRONG_SIGNAL_SIZE, "{'ecg': (600, 12)}")


def test_a_size_that_the_file_cannot_hold_is_refused(write_record: WriteRecord) -> None:
    path = write_record("A0001", _adc())
    _edit(path, "500 600\n", "500 2000000000\n")
    content = _saved({"other": _adc()})
    content = struct.pack("<5i", 10, 12, 2_000_000_000, 0, 6) + content[20:]
    _save(path, content)
    _refused(path, Reason.TRUNCATED_SIGNAL_FILE, "expected 96000000026 for the")


def test_a_file_that_is_not_matlab_is_refused(write_record: WriteRecord) -> None:
    path = _save(write_record("A0001", _adc()), b"<html>not found</html>" * 1000)
    _refused(path, Reason.UNREADABLE_SIGNAL, "found no MATLAB file")


def test_later_versions_are_refused_with_what_to_do(write_record: WriteRecord) -> None:
    content = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(1000)
    path = _save(write_record("A0001", _adc()), content)
    _refused(
        path, Reason.UNREADABLE_SIGNAL, "later version; save it again as version 4"
    )


# Fingerprints.


def test_the_fingerprint_equals_its_definition() -> None:
    import hashlib

    rng = np.random.default_rng(3)
    for n_samples in (1, 63, 64, 65, 1000, 2048, 5000):
        signal = rng.normal(size=(12, n_samples)) * 3
        signal[rng.random(signal.shape) < 0.05] = np.nan
        signal[0, 0] = 1e9
        signal[1, 0] = -1e9
        signal[2, 0] = 0.0025  # half a microvolt: to the even one
        microvolts = np.clip(np.rint(signal * 1000), -(2**31) + 1, 2**31 - 1)
        microvolts[np.isnan(signal)] = -(2**31)
        expected = hashlib.sha256(microvolts.T.astype("<i4").tobytes()).hexdigest()
        assert signal_sha256(signal) == expected


def test_fingerprint_does_not_depend_on_the_layout_in_memory() -> None:
    signal = np.random.default_rng(4).normal(size=(12, 100))
    assert signal_sha256(np.asfortranarray(signal)) == signal_sha256(signal)
    assert signal_sha256(signal[:, ::2]) == signal_sha256(signal[:, ::2].copy())


def test_one_microvolt_in_one_sample_changes_the_fingerprint() -> None:
    signal = np.zeros((12, 100))
    other = signal.copy()
    other[11, 99] = 0.001
    assert signal_sha256(signal) != signal_sha256(other)
    assert signal_sha256(signal) != signal_sha256(signal[:, :99])


def test_the_same_ecg_in_another_format_has_the_same_fingerprint(
    write_record: WriteRecord, tmp_path: Path
) -> None:
    adc = _adc()
    adc[3, 3] = -32768
    challenge = read_record(write_record("A0001", adc))
    order = np.arange(12)[::-1]
    signal = adc.astype(np.int64)
    signal[3, 3] = -(2**31)
    wfdb.wrsamp(
        "native",
        fs=500,
        units=["uV"] * 12,
        sig_name=[LEADS[k].lower() for k in order],
        d_signal=signal[order].T,
        fmt=["32"] * 12,
        adc_gain=[1.0] * 12,
        baseline=[0] * 12,
        write_dir=str(tmp_path),
    )
    native = read_record(tmp_path / "native.hea")
    assert signal_sha256(native.signal) == signal_sha256(challenge.signal)
