"""Reading native WFDB records: every format, many leads, segments, skew."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wfdb

from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.record import LEADS, N_LEADS
from ecgstore.sources import read_header, read_record

RAW_FORMATS = (8, 16, 24, 32, 61, 80, 160, 212, 310, 311)
BYTES_PER_120_SAMPLES = {8: 120, 16: 240, 24: 360, 32: 480, 61: 240, 80: 120}
BYTES_PER_120_SAMPLES |= {160: 240, 212: 180, 310: 160, 311: 160}


def _write(
    folder: Path,
    adc: np.ndarray,
    *,
    names: tuple[str, ...] = LEADS,
    formats: str | list[str] = "16",
    **options: Any,
) -> Path:
    """Write counts, (n_leads, n_samples), with the wfdb library; return the header."""
    n_leads = len(adc)
    fields: dict[str, Any] = {
        "fs": 500,
        "units": ["mV"] * n_leads,
        "adc_gain": [1000.0] * n_leads,
        "baseline": [0] * n_leads,
        "fmt": [formats] * n_leads if isinstance(formats, str) else formats,
    }
    fields |= options
    wfdb.wrsamp(
        "rec", sig_name=list(names), d_signal=adc.T, write_dir=str(folder), **fields
    )
    return folder / "rec.hea"


def _adc(n_samples: int = 500, n_leads: int = N_LEADS, bits: int = 12) -> np.ndarray:
    """Return random counts, none of them the code of a missing sample."""
    limit = 1 << (bits - 1)
    rng = np.random.default_rng(n_samples)
    return rng.integers(1 - limit, limit, (n_leads, n_samples))


def _read_with_wfdb(path: Path, **options: Any) -> np.ndarray:
    """Return the wfdb library's physical signal, (n_leads, n_samples)."""
    signal = wfdb.rdrecord(str(path.with_suffix("")), **options).p_signal
    assert signal is not None
    return np.asarray(signal.T)


def _refused(path: Path, reason: Reason, detail: str = "") -> None:
    """Check that a record is refused with a reason, and check the detail."""
    with pytest.raises(RecordError) as caught:
        read_record(path)
    assert caught.value.reason is reason
    assert detail in caught.value.detail


@pytest.mark.parametrize("format_", RAW_FORMATS)
@pytest.mark.parametrize("byte_offset", [0, 7])
def test_every_format_equals_wfdb(
    tmp_path: Path, format_: int, byte_offset: int
) -> None:
    content = np.random.default_rng(format_).bytes(BYTES_PER_120_SAMPLES[format_] * 30)
    if format_ == 311:  # the library takes the two unused bits of a word for a sample's
        content = (np.frombuffer(content, "<u4") & 0x3FFFFFFF).tobytes()
    (tmp_path / "rec.dat").write_bytes(bytes(byte_offset) + content)
    lines = ["rec 12 500 300"]
    lines += [
        f"rec.dat {format_}+{byte_offset} {200 + k}({k - 5})/mV 12 0 {k} 0 0 {lead}"
        for k, lead in enumerate(LEADS)
    ]
    path = tmp_path / "rec.hea"
    path.write_text("\n".join(lines))
    record = read_record(path)
    np.testing.assert_array_equal(record.signal, _read_with_wfdb(path))
    assert record.n_samples_original == 300
    beginning = read_record(path, max_samples=100)
    np.testing.assert_array_equal(beginning.signal, record.signal[:, :100])
    assert beginning.n_samples_original == 300
    for length in ("", " 0"):
        path.write_text("\n".join(lines).replace("500 300", f"500{length}"))
        unknown = read_record(path)
        np.testing.assert_array_equal(unknown.signal, record.signal)
        assert unknown.n_samples_original == 300


@pytest.mark.parametrize(
    "format_", ["80", "212", "16", "24", "32", "508", "516", "524"]
)
def test_files_written_by_wfdb_are_read(tmp_path: Path, format_: str) -> None:
    bits = 8 if format_ in ("80", "508") else 12
    adc = _adc(bits=bits)
    path = _write(tmp_path, adc, formats=format_)
    record = read_record(path)
    np.testing.assert_array_equal(record.signal, adc / 1000)
    assert not record.checksum_differs.any()
    assert not record.first_value_differs.any()
    text = path.read_text()
    path.write_text(text.replace("rec 12 500 500", "rec 12 500"))
    assert read_record(path).n_samples_original == 500
    path.write_text(text.replace(f" {adc[1, 0]} ", f" {adc[1, 0] + 1} "))
    record = read_record(path)
    assert np.flatnonzero(record.first_value_differs).tolist() == [1]
    path.write_text(text.replace(" 0 II\n", "7 0 II\n"))
    record = read_record(path)
    assert np.flatnonzero(record.checksum_differs).tolist() == [1]
    assert not read_record(path, max_samples=499).checksum_differs.any()


@pytest.mark.parametrize("format_", ["80", "212", "16", "24", "32", "516"])
def test_missing_samples_of_every_format_are_nan(tmp_path: Path, format_: str) -> None:
    bits = {"80": 8, "516": 16}.get(format_, 12 if format_ == "212" else int(format_))
    adc = _adc(bits=min(bits, 12))
    adc[2, 5:9] = adc[7, -1] = -(1 << (bits - 1))
    path = _write(tmp_path, adc, formats=format_)
    record = read_record(path)
    np.testing.assert_array_equal(np.isnan(record.signal), adc == -(1 << (bits - 1)))
    np.testing.assert_array_equal(record.signal, _read_with_wfdb(path))
    assert not record.checksum_differs.any()
    assert not record.first_value_differs.any()


def test_twelve_of_fifteen_leads_are_read_in_any_order(tmp_path: Path) -> None:
    names = [name.lower() for name in LEADS] + ["vx", "vy", "vz"]
    adc = _adc(n_leads=15)
    order = np.random.default_rng(5).permutation(15)
    gains = 200.0 + np.arange(15)
    baselines = np.arange(15) * 7 - 50
    path = _write(
        tmp_path,
        adc[order],
        names=tuple(names[k] for k in order),
        adc_gain=gains[order].tolist(),
        baseline=baselines[order].tolist(),
    )
    record = read_record(path)
    expected = (adc - baselines[:, None]) / gains[:, None]
    np.testing.assert_array_equal(record.signal, expected[:12])
    assert not record.checksum_differs.any()


def test_leads_in_several_files_and_formats_are_read(tmp_path: Path) -> None:
    adc = _adc(n_leads=15)
    names = ("vx", *LEADS[:6], "vy", *LEADS[6:], "vz")
    formats = ["16"] + ["212"] * 6 + ["16"] + ["24"] * 6 + ["16"]
    path = tmp_path / "rec.hea"
    groups = [(0, 1), (1, 7), (7, 8), (8, 14), (14, 15)]
    lines = ["rec 15 500 500"]
    for number, (start, stop) in enumerate(groups):
        part = tmp_path / str(number)
        part.mkdir()
        _write(
            part, adc[start:stop], names=names[start:stop], formats=formats[start:stop]
        )
        (part / "rec.dat").rename(tmp_path / f"rec_{number}.dat")
        text = (part / "rec.hea").read_text().replace("rec.dat", f"rec_{number}.dat")
        lines += text.splitlines()[1:]
    path.write_text("\n".join(lines))
    wanted = [*range(1, 7), *range(8, 14)]
    np.testing.assert_array_equal(read_record(path).signal, adc[wanted] / 1000)
    np.testing.assert_array_equal(
        read_record(path).signal, _read_with_wfdb(path)[wanted]
    )
    for name in ("rec_0.dat", "rec_2.dat", "rec_4.dat"):  # vx, vy, vz: not wanted
        (tmp_path / name).unlink()
    np.testing.assert_array_equal(read_record(path).signal, adc[wanted] / 1000)
    (tmp_path / "rec_3.dat").unlink()
    _refused(path, Reason.MISSING_SIGNAL_FILE, "rec_3.dat")


def test_frank_leads_in_a_second_file_are_ignored(tmp_path: Path) -> None:
    adc = _adc()
    path = _write(tmp_path, adc, names=tuple(name.lower() for name in LEADS))
    lines = path.read_text().replace("rec 12", "rec 15").splitlines()
    lines += [f"rec.xyz 16 2000 16 0 0 0 0 {lead}" for lead in ("vx", "vy", "vz")]
    path.write_text("\n".join(lines))
    np.testing.assert_array_equal(read_record(path).signal, adc / 1000)
    path.write_text("\n".join([lines[0], *lines[13:], *lines[1:13]]))
    np.testing.assert_array_equal(read_record(path).signal, adc / 1000)


@pytest.mark.parametrize("format_", ["16", "212"])
@pytest.mark.parametrize(
    ("unit", "mv_per_unit"), [("uV", 1e-3), ("mV", 1.0), ("V", 1e3), ("\u00b5V", 1e-3)]
)
def test_every_unit_is_converted_to_mv(
    tmp_path: Path, format_: str, unit: str, mv_per_unit: float
) -> None:
    adc = _adc()
    gain = 200.0 * mv_per_unit
    path = _write(tmp_path, adc, formats=format_, adc_gain=[gain] * 12)
    path.write_text(path.read_text().replace("/mV", f"/{unit}"), encoding="utf-8")
    signal = read_record(path).signal
    np.testing.assert_allclose(signal, adc / 200, rtol=1e-14, atol=0)
    if unit.isascii():
        expected = _read_with_wfdb(path) * mv_per_unit
        np.testing.assert_allclose(signal, expected, rtol=1e-12, atol=1e-15)


def test_a_written_physical_signal_is_read_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    signal = rng.normal(size=(12, 800)).cumsum(axis=1) / 20
    signal[3] = 0.7  # a flat lead gets an odd gain from the library
    wfdb.wrsamp(
        "rec",
        fs=1000,
        units=["mV"] * 12,
        sig_name=list(LEADS),
        p_signal=signal.T,
        fmt=["16"] * 12,
        write_dir=str(tmp_path),
    )
    record = read_record(tmp_path / "rec.hea")
    assert record.fs == 1000.0
    np.testing.assert_array_equal(record.signal, _read_with_wfdb(tmp_path / "rec.hea"))
    np.testing.assert_allclose(record.signal, signal, atol=1e-3)


def test_skewed_leads_are_aligned(tmp_path: Path) -> None:
    adc = _adc()
    path = _write(tmp_path, adc)
    lines = path.read_text().splitlines()
    lines[9] = lines[9].replace(" 16 ", " 16:40 ", 1)
    path.write_text("\n".join(lines))
    expected = adc / 1000
    expected[8] = np.append(expected[8, 40:], [np.nan] * 40)
    np.testing.assert_array_equal(read_record(path).signal, expected)
    np.testing.assert_array_equal(read_record(path).signal, _read_with_wfdb(path))
    lines[2] = lines[2].replace(" 16 ", " 16:3 ", 1)  # the library fails on two skews
    path.write_text("\n".join(lines))
    expected[1] = np.append(expected[1, 3:], [np.nan] * 3)
    record = read_record(path)
    np.testing.assert_array_equal(record.signal, expected)
    assert not record.checksum_differs.any()
    assert not record.first_value_differs.any()
    for n_samples in (1, 455, 470, 499):
        beginning = read_record(path, max_samples=n_samples)
        np.testing.assert_array_equal(beginning.signal, expected[:, :n_samples])
        assert beginning.n_samples_original == 500


def test_a_lead_skewed_beyond_the_record_is_missing(tmp_path: Path) -> None:
    path = _write(tmp_path, _adc())
    path.write_text(path.read_text().replace(" 16 ", " 16:999999999999 ", 1))
    signal = read_record(path).signal
    assert np.isnan(signal).all(axis=1).tolist() == [True] + [False] * 11


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    for format_ in ("16", "212", "24"):
        path = _write(tmp_path, _adc(), formats=format_)
        content = path.with_suffix(".dat").read_bytes()
        path.with_suffix(".dat").write_bytes(content[:-1])
        _refused(path, Reason.TRUNCATED_SIGNAL_FILE, "expected 500")
        path.with_suffix(".dat").write_bytes(content + b"padding")
        assert read_record(path).signal.shape == (12, 500)
        path.with_suffix(".dat").write_bytes(b"")
        path.write_text(path.read_text().replace("500 500", "500"))
        _refused(path, Reason.TRUNCATED_SIGNAL_FILE, "expected one or more")


def test_a_header_that_claims_more_is_refused_at_once(tmp_path: Path) -> None:
    for format_ in ("16", "212", "516"):
        path = _write(tmp_path, _adc(), formats=format_)
        text = path.read_text()
        for old, new, detail in (
            ("500 500", f"500 {10**12}", " 500 samples"),
            (f" {format_} ", f" {format_}x999999999 ", " 0 samples"),
            (f" {format_} ", f" {format_}+{10**17} ", " 0 samples"),
        ):
            changed = text.replace(old, new)
            if "x" in new:  # a rate that is possible, with so many samples in a frame
                changed = changed.replace(" 500 ", " 1e-6 ", 1)
            path.write_text(changed)
            tracemalloc.start()
            _refused(path, Reason.TRUNCATED_SIGNAL_FILE, detail)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert peak < 2_000_000


def test_files_that_the_format_does_not_allow_are_refused(tmp_path: Path) -> None:
    path = _write(tmp_path, _adc())
    text = path.read_text()
    path.write_text(
        text.replace("rec.dat", "two.dat", 7).replace("two.dat", "rec.dat", 6)
    )
    _refused(path, Reason.UNREADABLE_HEADER, "'rec.dat' are not together")
    path.write_text(text.replace(" 16 ", " 212 ", 1))
    _refused(path, Reason.UNREADABLE_HEADER, "two formats or byte offsets")
    path.write_text(text.replace(" 16 ", " 16+2 ", 1))
    _refused(path, Reason.UNREADABLE_HEADER, "two formats or byte offsets")
    path.write_text(text.replace(" 16 ", " 17 "))
    _refused(path, Reason.UNREADABLE_HEADER, "is in format 17; expected one of [8, 16")


def test_a_file_that_is_not_flac_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path, _adc(), formats="516")  # eight leads a file at most
    (tmp_path / "rec_2.dat").write_bytes(b"fLaC but not really" * 10)
    _refused(path, Reason.UNREADABLE_SIGNAL, "rec_2.dat: not a FLAC file")
    (tmp_path / "rec_2.dat").unlink()
    _refused(path, Reason.MISSING_SIGNAL_FILE, "rec_2.dat")


def test_a_flac_file_with_other_leads_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path, _adc(), formats="516")
    lines = path.read_text().splitlines()
    lines.insert(13, "rec_2.dat 516 200 16 0 0 0 0 vx")
    path.write_text("\n".join(lines).replace("rec 12", "rec 13"))
    _refused(path, Reason.UNREADABLE_SIGNAL, "holds 4 leads of 16 bits; expected 5")


# Records of several segments.


def _write_segments(folder: Path, layout: str, parts: dict[str, np.ndarray]) -> Path:
    """Write segments and a header that names them in a layout; return the header."""
    for name, adc in parts.items():
        part = folder / name
        part.mkdir()
        _write(part, adc)
        (part / "rec.dat").rename(folder / f"{name}.dat")
        text = (part / "rec.hea").read_text()
        text = text.replace("rec.dat", f"{name}.dat").replace("rec ", f"{name} ", 1)
        (folder / f"{name}.hea").write_text(text)
    path = folder / "multi.hea"
    path.write_text(layout)
    return path


def test_segments_are_concatenated(tmp_path: Path) -> None:
    adc = _adc(500)
    path = _write_segments(
        tmp_path,
        "multi/2 12 500 500\np1 200\np2 300\n#Age: 61\n#Dx: 426783006\n",
        {"p1": adc[:, :200], "p2": adc[:, 200:]},
    )
    record = read_record(path)
    np.testing.assert_array_equal(record.signal, adc / 1000)
    np.testing.assert_array_equal(record.signal, _read_with_wfdb(path))
    assert (record.age, record.dx) == (61.0, ("426783006",))
    assert record.n_samples_original == 500
    for n_samples in (1, 200, 201, 499):
        beginning = read_record(path, max_samples=n_samples)
        np.testing.assert_array_equal(beginning.signal, record.signal[:, :n_samples])
        assert beginning.n_samples_original == 500


def test_a_gap_between_segments_is_missing(tmp_path: Path) -> None:
    adc = _adc(500)
    path = _write_segments(
        tmp_path,
        "multi/4 12 500 540\nlayout 0\np1 200\n~ 40\np2 300\n",
        {"p1": adc[:, :200], "p2": adc[:, 200:]},
    )
    lines = ["layout 12 500 0", *(f"~ 0 200 12 0 0 0 0 {lead}" for lead in LEADS)]
    (tmp_path / "layout.hea").write_text("\n".join(lines))
    signal = read_record(path).signal
    expected = np.hstack([adc[:, :200], np.full((12, 40), np.nan), adc[:, 200:]])
    np.testing.assert_array_equal(signal, expected / 1000)
    np.testing.assert_array_equal(signal, _read_with_wfdb(path))


def test_flags_of_segments_are_flags_of_the_record(tmp_path: Path) -> None:
    adc = _adc(500)
    path = _write_segments(
        tmp_path,
        "multi/2 12 500 500\np1 200\np2 300\n",
        {"p1": adc[:, :200], "p2": adc[:, 200:]},
    )
    assert not read_record(path).checksum_differs.any()
    for name, lead in (("p1", "V1"), ("p2", "V2")):
        part = tmp_path / f"{name}.hea"
        text = part.read_text()
        fields = next(line for line in text.splitlines() if line.endswith(lead)).split()
        changed = [*fields[:5], "31", "77", *fields[7:]]
        part.write_text(text.replace(" ".join(fields), " ".join(changed)))
    record = read_record(path)
    expected = [LEADS.index("V1"), LEADS.index("V2")]
    assert np.flatnonzero(record.checksum_differs).tolist() == expected
    assert np.flatnonzero(record.first_value_differs).tolist() == expected


@pytest.mark.parametrize(
    ("layout", "reason"),
    [
        ("multi/2 12 500 999\np1 200\np2 300\n", Reason.UNREADABLE_HEADER),
        ("multi/2 12 500 500\np1 100\np2 400\n", Reason.UNREADABLE_HEADER),
        ("multi/2 12 250 500\np1 200\np2 300\n", Reason.UNREADABLE_HEADER),
        ("multi/2 12 500\np1 200\nmulti 300\n", Reason.UNREADABLE_HEADER),
        ("multi/1 12 500 300\nmulti 300\n", Reason.UNREADABLE_HEADER),
        ("multi/2 12 500\np1 200\ngone 300\n", Reason.UNREADABLE_HEADER),
        (f"multi/2 12 500\np1 200\n~ {10**15}\n", Reason.GAP_TOO_LONG),
        (
            f"multi/3 12 500\n~ {10**14}\np1 200\np2 {10**15}\n",
            Reason.UNREADABLE_HEADER,
        ),
        ("multi/1 12 500\nlayout 0\n", Reason.TRUNCATED_SIGNAL_FILE),
        ("multi/0 12 500\n", Reason.MISSING_LEADS),
        ("multi/2 12 0 500\np1 200\np2 300\n", Reason.BAD_SAMPLING_RATE),
    ],
)
def test_impossible_segments_are_refused(
    tmp_path: Path, layout: str, reason: Reason
) -> None:
    adc = _adc(500)
    path = _write_segments(tmp_path, layout, {"p1": adc[:, :200], "p2": adc[:, 200:]})
    tracemalloc.start()
    _refused(path, reason)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


def test_a_segment_without_a_lead_is_refused(tmp_path: Path) -> None:
    path = _write_segments(tmp_path, "multi/1 12 500 500\np1 500\n", {"p1": _adc(500)})
    part = tmp_path / "p1.hea"
    part.write_text(part.read_text().replace(" V6\n", " VX\n"))
    _refused(path, Reason.MISSING_LEADS, "p1.hea: has no lead V6")


def test_a_record_name_that_wfdb_cannot_parse_is_read(tmp_path: Path) -> None:
    path = _write(tmp_path, _adc(), formats="212")
    path.write_text(path.read_text().replace("rec 12", "\u00fc.v2.dat 12"))
    assert read_header(path).record_id == "\u00fc.v2"
    np.testing.assert_array_equal(read_record(path).signal, _adc() / 1000)
