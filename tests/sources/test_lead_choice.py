"""Which channels of a record are read, and the leads that are made of them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from ecgstore.arrays import FloatArray
from ecgstore.errors import RecordError
from ecgstore.lead_names import LeadNames
from ecgstore.reasons import Reason
from ecgstore.record import LEADS
from ecgstore.sources import (
    ecg_channels,
    open_record,
    read_header,
    read_record,
    twelve_leads,
)

WriteRecord = Callable[..., Path]
LUDB = Path(__file__).parent.parent / "data" / "ludb"
FORMULAS: dict[str, Callable[[FloatArray, FloatArray], FloatArray]] = {
    "III": lambda i, ii: ii - i,
    "aVR": lambda i, ii: -(i + ii) / 2,
    "aVL": lambda i, ii: i - ii / 2,
    "aVF": lambda i, ii: ii - i / 2,
}
SPELLINGS = {
    "plain": LEADS,
    "lower": [lead.lower() for lead in LEADS],
    "upper": [lead.upper() for lead in LEADS],
    "blank behind": [f"{lead} " for lead in LEADS],
    "ECG": [f"ECG {lead}" for lead in LEADS],
    "Lead": [f"Lead {lead}" for lead in LEADS],
    "nomenclature": [f"MDC_ECG_LEAD_{lead.upper()}" for lead in LEADS],
    "D": ["DI", "D2", "DIII", *LEADS[3:]],
}


def renamed(folder: Path, names: Sequence[str], units: Sequence[str] = ()) -> Path:
    """Write record 1 of LUDB with other names of its leads, and perhaps units."""
    (folder / "1.dat").write_bytes((LUDB / "1.dat").read_bytes())
    lines = (LUDB / "1.hea").read_text().splitlines()
    first, leads = lines[0], lines[1:13]
    units = units or ["mV"] * 12
    lines = [
        f"{line.rsplit(maxsplit=1)[0]} {name}".replace("/mV", f"/{unit}")
        for line, name, unit in zip(leads, names, units, strict=True)
    ]
    path = folder / "1.hea"
    path.write_text("\n".join([first, *lines]))
    return path


def without(write_record: WriteRecord, *absent: str, n_samples: int = 700) -> Path:
    """Write a record without some leads; its lead I is the same whatever they are."""
    adc = np.random.default_rng(3).integers(-900, 900, (12, n_samples))
    kept = [row for row, lead in enumerate(LEADS) if lead not in absent]
    leads = tuple(LEADS[row] for row in kept)
    return write_record("A0001", adc[kept], leads=leads)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_is_the_same_record(tmp_path: Path, spelling: str) -> None:
    record = read_record(renamed(tmp_path, SPELLINGS[spelling]))
    expected = read_record(LUDB / "1.hea")
    np.testing.assert_array_equal(record.signal, expected.signal)
    assert not record.checksum_differs.any()
    assert (record.derived_leads, record.missing_leads) == ((), ())


def test_an_inverted_lead_needs_a_mapping(tmp_path: Path) -> None:
    path = renamed(tmp_path, [*LEADS[:3], "-aVR", *LEADS[4:]])
    for allow in (False, True):
        with pytest.raises(RecordError, match='"-aVR" = "-aVR"') as caught:
            read_record(path, twelve_leads(allow_missing=allow))
        assert caught.value.reason is Reason.MISSING_LEADS
    plain = read_record(LUDB / "1.hea").signal
    for meaning, expected in (("-aVR", -plain[3]), ("aVR", plain[3])):
        names = LeadNames.of({"-aVR": meaning})
        record = read_record(path, twelve_leads(names))
        np.testing.assert_array_equal(record.signal[3], expected)
        np.testing.assert_array_equal(record.signal[4:], plain[4:])
        assert record.derived_leads == ()
    unused = read_record(path, twelve_leads(LeadNames.of({"-aVR": ""})))
    assert unused.derived_leads == ("aVR",)


@pytest.mark.parametrize(
    "absent",
    [("III",), ("aVR", "aVF"), ("III", "aVR", "aVL", "aVF")],
)
def test_limb_leads_are_derived_where_absent(
    write_record: WriteRecord, absent: tuple[str, ...]
) -> None:
    record = read_record(without(write_record, *absent))
    whole = read_record(without(write_record))
    assert record.derived_leads == absent
    assert record.missing_leads == ()
    for row, lead in enumerate(LEADS):
        expected = whole.signal[row]
        if lead in absent:
            expected = FORMULAS[lead](whole.signal[0], whole.signal[1])
        np.testing.assert_allclose(record.signal[row], expected, rtol=0, atol=1e-12)
    assert record.checksum_differs.shape == record.first_value_differs.shape == (12,)


@pytest.mark.parametrize("inverted", ["I", "II"])
def test_leads_are_derived_from_an_inverted_lead_with_its_sign(
    tmp_path: Path, inverted: str
) -> None:
    names = [f"x{lead}" if lead in FORMULAS else lead for lead in LEADS]
    names[LEADS.index(inverted)] = f"-{inverted}"
    path = renamed(tmp_path, names)
    mapping = LeadNames.of({f"-{inverted}": f"-{inverted}"})
    record = read_record(path, twelve_leads(mapping))
    assert record.derived_leads == tuple(FORMULAS)
    one, two = read_record(LUDB / "1.hea").signal[:2].copy()
    (one if inverted == "I" else two)[:] *= -1
    np.testing.assert_array_equal(record.signal[:2], [one, two])
    for lead, formula in FORMULAS.items():
        derived = record.signal[LEADS.index(lead)]
        np.testing.assert_allclose(derived, formula(one, two), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("lead", "line"), [("V2", 6), ("I", 1)])
def test_flags_of_the_header_stay_with_their_leads(
    write_record: WriteRecord, lead: str, line: int
) -> None:
    """A lead that was derived from others has none."""
    path = without(write_record, "III", "aVR")
    text = path.read_text().splitlines()
    fields = text[line].split()
    assert fields[-1] == lead
    fields[5:7] = "77", "77"
    text[line] = " ".join(fields)
    path.write_text("\n".join(text))
    record = read_record(path)
    for flags in (record.checksum_differs, record.first_value_differs):
        assert np.flatnonzero(flags).tolist() == [LEADS.index(lead)]


@pytest.mark.parametrize("absent", [("II",), ("V6",), ("I", "aVL", "V1"), LEADS[1:]])
def test_other_leads_are_missing_where_that_is_allowed(
    write_record: WriteRecord, absent: tuple[str, ...]
) -> None:
    path = without(write_record, *absent)
    with pytest.raises(RecordError, match="--allow-missing-leads") as caught:
        read_record(path)
    assert caught.value.reason is Reason.MISSING_LEADS
    record = read_record(path, twelve_leads(allow_missing=True))
    assert record.missing_leads == absent
    assert record.derived_leads == ()
    is_nan = [lead in absent for lead in LEADS]
    np.testing.assert_array_equal(np.isnan(record.signal).all(axis=1), is_nan)
    np.testing.assert_array_equal(np.isnan(record.signal).any(axis=1), is_nan)


@pytest.mark.parametrize("only", [("III",), ("aVR", "V2"), ("I", "aVF")])
@pytest.mark.parametrize("absent", [(), ("III", "aVR", "aVL", "aVF")])
def test_leads_that_are_left_out_are_missing_though_others_need_them(
    write_record: WriteRecord, only: tuple[str, ...], absent: tuple[str, ...]
) -> None:
    record = read_record(without(write_record, *absent), twelve_leads(only=only))
    whole = read_record(without(write_record, *absent)).signal
    rows = [LEADS.index(lead) for lead in only]
    others = np.setdiff1d(np.arange(12), rows)
    np.testing.assert_array_equal(record.signal[rows], whole[rows])
    assert np.isnan(record.signal[others]).all()
    assert record.missing_leads == tuple(LEADS[row] for row in others)


def test_a_record_without_any_of_the_leads_is_refused(tmp_path: Path) -> None:
    path = renamed(tmp_path, [f"X{row}" for row in range(12)])
    with pytest.raises(RecordError) as caught:
        read_record(path, twelve_leads(allow_missing=True))
    assert caught.value.reason is Reason.MISSING_LEADS


def segments(folder: Path, second: Sequence[str]) -> Path:
    """Write a record of two segments; the second has some leads only."""
    rng = np.random.default_rng(8)
    for name, leads in (("s1", LEADS), ("s2", second)):
        adc = rng.integers(-900, 900, (500, len(leads))).astype("<i2")
        (folder / f"{name}.dat").write_bytes(adc.tobytes())
        lines = [f"{name}.dat 16 1000(0)/mV 16 0 {adc[0, k]} 0 0 {lead}"
                 for k, lead in enumerate(leads)]  # fmt: skip
        (folder / f"{name}.hea").write_text(
            "\n".join([f"{name} {len(leads)} 500 500", *lines])
        )
    path = folder / "multi.hea"
    path.write_text("multi/3 12 500 1000\nlayout 0\ns1 500\ns2 500\n")
    return path


def test_a_lead_that_a_segment_lacks_is_missing_throughout(tmp_path: Path) -> None:
    path = segments(tmp_path, LEADS[:11])
    with pytest.raises(RecordError, match=r"s2\.hea: has no lead V6"):
        read_record(path)
    record = read_record(path, twelve_leads(allow_missing=True))
    assert record.missing_leads == ("V6",)
    assert np.isnan(record.signal[11]).all()
    assert not np.isnan(record.signal[:11]).any()
    own = read_record(tmp_path / "s1.hea").signal
    np.testing.assert_array_equal(record.signal[:11, :500], own[:11])


def test_a_lead_that_is_derived_in_a_segment_is_flagged(tmp_path: Path) -> None:
    record = read_record(segments(tmp_path, [*LEADS[2:0:-1], "I", *LEADS[4:]]))
    assert record.derived_leads == ("aVR",)
    part = record.signal[:, 500:]
    np.testing.assert_allclose(part[3], -(part[0] + part[1]) / 2, atol=1e-12)


def test_all_channels_of_segments_are_read_where_they_are(tmp_path: Path) -> None:
    _, signal = open_record(segments(tmp_path, ("V6", "CM5")), ecg_channels())
    assert signal.leads.names == (*LEADS, "CM5")
    values = signal.read(400, 600)
    is_real = ~np.isnan(values)
    assert is_real[:12, :100].all()
    assert not is_real[12, :100].any()
    assert is_real[11:, 100:].all()
    assert not is_real[:11, 100:].any()


NAMES = (
    ("ECG1", "mV", True),
    ("ECG1", "uV", True),
    ("MLII", "mV", True),
    ("", "mV", True),
    ("Resp", "mV", False),
    ("RESP impedance", "Ohm", False),
    ("ABP", "mmHg", False),
    ("ECG resp", "mV", False),
    ("EEG Fpz-Cz", "uV", False),
    ("V", "mV", True),
    ("Pleth2", "mV", False),
    ("SpO2", "%", False),
)


def test_channels_that_hold_no_ecg_are_left_out(tmp_path: Path) -> None:
    names, units, holds_ecg = zip(*NAMES, strict=True)
    path = renamed(tmp_path, names, units)
    _, signal = open_record(path, ecg_channels())
    leads = signal.leads
    assert leads.names == ("ECG1", "ECG1 (2)", "MLII", "channel 3", "V")
    assert leads.channels == tuple(np.flatnonzero(holds_ecg))
    assert leads.left_out == (
        "Resp",
        "RESP impedance [Ohm]",
        "ABP [mmHg]",
        "ECG resp",
        "EEG Fpz-Cz",
        "Pleth2",
        "SpO2 [%]",
    )
    plain = read_record(LUDB / "1.hea").signal[:, :100]
    expected = plain[list(leads.channels)]
    expected[1] /= 1000  # its unit is uV
    np.testing.assert_allclose(signal.read(0, 100), expected, rtol=1e-12)
    chosen = ecg_channels(LeadNames.of({"Resp": "V5", "v": "", "mlii": "-II"}))
    _, signal = open_record(path, chosen)
    assert signal.leads.names == ("ECG1", "ECG1 (2)", "MLII", "channel 3", "Resp")
    np.testing.assert_array_equal(signal.read(0, 100)[2], -plain[2])
    with pytest.raises(RecordError, match="has no lead I, II"):
        read_record(path)


def test_a_record_without_an_ecg_is_refused(tmp_path: Path) -> None:
    path = renamed(tmp_path, ["ABP"] * 12, ["mmHg"] * 12)
    with pytest.raises(RecordError, match=r"no channel with an ECG.*ABP \[mmHg\]"):
        open_record(path, ecg_channels())


def test_frank_leads_and_pieces(write_record: WriteRecord) -> None:
    adc = np.random.default_rng(4).integers(-900, 900, (10, 900)).astype(np.int16)
    leads = ("vx", "vy", "vz", "I", "II", *LEADS[6:11])
    path = write_record("A0001", adc, leads=leads)
    _, signal = open_record(path, ecg_channels())
    assert signal.leads.names == leads
    np.testing.assert_array_equal(signal.read(0, 900), adc / 1000)
    whole = read_record(path, twelve_leads(allow_missing=True)).signal
    _, signal = open_record(path, twelve_leads(allow_missing=True))
    pieces = [signal.read(begin, begin + 300) for begin in (0, 300, 600)]
    np.testing.assert_array_equal(np.hstack(pieces), whole)
    assert read_header(path).fs == 500


def test_channels_for_beats_need_no_gain(write_record: WriteRecord) -> None:
    adc = np.random.default_rng(5).integers(-900, 900, (2, 600)).astype(np.int16)
    path = write_record("A0001", adc, leads=("ECG1", "ECG2"), gain="0/mV")
    _, signal = open_record(path, ecg_channels())
    np.testing.assert_array_equal(signal.read(0, 600), adc / 200)
    path = write_record("A0002", gain="0/mV")
    with pytest.raises(RecordError) as caught:
        read_record(path)
    assert caught.value.reason is Reason.BAD_GAIN
