"""Stores of records with other leads than the twelve: derived, renamed, missing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ecgstore
from ecgstore.config import Config
from ecgstore.features import measure
from ecgstore.lead_names import LeadNames
from ecgstore.record import LEADS
from ecgstore.sample import sample_folder
from ecgstore.signals.stored_form import StoredForm
from ecgstore.sources import read_record
from ecgstore.storage.summary import summarise
from ecgstore.storage.verify import verify

WriteRecord = Callable[..., Path]
RECORD = sample_folder() / "ptb-xl" / "g1" / "HR00001.hea"
EIGHT = ("I", "II", *LEADS[6:])
ALL = Config(select="all")
ALLOW = Config(select="all", allow_missing_leads=True)


@pytest.fixture
def write(write_record: WriteRecord) -> Callable[..., Path]:
    """Return a function that writes a real record with some of its leads only."""

    def run(record_id: str, *leads: str, names: tuple[str, ...] = ()) -> Path:
        signal = np.rint(read_record(RECORD).signal * 1000)
        rows = [LEADS.index(lead) for lead in leads]
        return write_record(record_id, signal[rows], leads=names or leads)

    return run


def built(folder: Path, config: Config) -> tuple[ecgstore.ScanReport, Path]:
    out = folder.parent / "out.h5"
    options: dict[str, Any] = {"n_workers": 1, "overwrite": True, "quiet": True}
    return ecgstore.build_store([folder], out, config, **options), out


def test_derived_leads_are_stored_and_flagged(write: Callable[..., Path]) -> None:
    folder = write("A0001", *EIGHT).parent
    write("A0002", *LEADS)
    report, out = built(folder, ALL)
    assert (report.n_selected, report.n_derived_leads, report.n_missing_leads) == (
        2,
        1,
        0,
    )
    with ecgstore.open(out) as store:
        eight, whole = store["A0001"], store["A0002"]
        assert eight.derived_leads == ("III", "aVR", "aVL", "aVF")
        assert whole.derived_leads == eight.missing_leads == ()
        assert store.records["derived_leads"].tolist() == ["III,aVR,aVL,aVF", ""]
        assert store.missing_leads is None
        flags = summarise(out)["flags"]
    assert flags["a lead is derived from I and II"] == 1
    i, ii, iii, avr, avl, avf = eight.signal[:6]
    for lead, expected in (
        (iii, ii - i),
        (avr, -(i + ii) / 2),
        (avl, i - ii / 2),
        (avf, ii - i / 2),
    ):
        assert np.abs(lead - expected).max() < 0.002  # rounding to 1 uV
    # The recorder derived them too, from counts of its own.
    assert np.abs(eight.signal - whole.signal).max() < 0.01
    n_beats = len(whole.r_peaks)
    assert np.abs(eight.r_peaks - whole.r_peaks)[:n_beats].max() <= 1
    assert list(verify(out)) == []


def test_a_mapping_of_names_is_stored_with_the_store(
    write: Callable[..., Path],
) -> None:
    names = (*LEADS[:3], "-aVR", *LEADS[4:11], "chest 6")
    folder = write("A0001", *LEADS, names=names).parent
    write("A0002", *LEADS)
    report, _ = built(folder, ALL)
    assert report.reasons == {"missing_leads": 1}
    mapping = LeadNames.of({"-aVR": "-aVR", "Chest 6": "V6"})
    config = Config(select="all", lead_names=mapping)
    report, out = built(folder, config)
    assert report.n_selected == 2
    with ecgstore.open(out) as store:
        assert store.config == config
        mapped, plain = store["A0001"].signal, store["A0002"].signal
    np.testing.assert_array_equal(mapped[3], -plain[3])
    np.testing.assert_array_equal(np.delete(mapped, 3, 0), np.delete(plain, 3, 0))


def test_missing_leads_are_quarantined_by_default(write: Callable[..., Path]) -> None:
    folder = write("A0001", *LEADS[:11]).parent
    write("A0002", *LEADS)
    report, _ = built(folder, ALL)
    assert report.reasons == {"missing_leads": 1}


@pytest.mark.parametrize("beats", ["ecgstore", "neurokit", "none"])
def test_missing_leads_are_honoured_everywhere(
    write: Callable[..., Path], beats: str
) -> None:
    absent = ("II", "V2", "V6") if beats == "ecgstore" else ("V6",)
    kept = tuple(lead for lead in LEADS if lead not in absent)
    folder = write("A0001", *kept).parent
    write("A0002", *LEADS)
    config = Config(select="all", allow_missing_leads=True, beats=beats)
    report, out = built(folder, config)
    assert (report.n_selected, report.n_missing_leads) == (2, 1)
    with ecgstore.open(out) as store:
        some, whole = store["A0001"], store["A0002"]
        assert some.missing_leads == absent
        assert store.records["missing_leads"].tolist() == [",".join(absent), ""]
        mask = [lead in absent for lead in LEADS]
        assert store.missing_leads is not None
        np.testing.assert_array_equal(store.missing_leads, [mask, [False] * 12])
        np.testing.assert_array_equal(some.signal[mask], 0)
        np.testing.assert_array_equal(
            some.signal[np.logical_not(mask)], whole.signal[np.logical_not(mask)]
        )
        assert (some.fiducials[mask] == -1).all()
        quality = store.quality
        flags = summarise(out)["flags"]
    if beats != "none":
        assert (some.fiducials[np.logical_not(mask)] >= 0).any(axis=(1, 2)).all()
        assert len(some.r_peaks) == len(whole.r_peaks)
        assert np.abs(some.r_peaks - whole.r_peaks).max() <= 5
    for name, value in some.features.items():
        lead, _, feature = name.partition("_")
        if lead in absent:
            assert np.isnan(value), name
        elif lead in LEADS and feature.startswith("power"):
            assert value == whole.features[name], name
    for lead in LEADS:
        assert np.isnan(quality[f"ksqi_{lead}"].iloc[0]) == (lead in absent)
    assert flags == {"a lead is missing, stored as zeros": 1}
    assert list(verify(out)) == []


def test_features_follow_from_the_store_alone(write: Callable[..., Path]) -> None:
    _, out = built(write("A0001", *LEADS[:9]).parent, ALLOW)
    with ecgstore.open(out) as store:
        record = store["A0001"]
        counts = store.signals([0], dtype="int16")[0]
        form = StoredForm(counts, 5000, np.zeros(12, np.float32), record.missing_leads)
        again = measure(form, store.config)
        assert again.units.keys() == record.features.keys()
        np.testing.assert_array_equal(
            again.row, store.features().to_numpy()[0].astype(np.float32)
        )


def test_a_segment_without_a_lead_makes_it_missing(
    write: Callable[..., Path],
) -> None:
    folder = write("s1", *LEADS).parent
    write("s2", *LEADS[:11])
    lines = ["long/2 12 500 10000", "s1 5000", "s2 5000", "# Dx: 426783006"]
    (folder / "long.hea").write_text("\n".join(lines))
    config: dict[str, Any] = {"duration_s": 20.0}
    write("A0001", *LEADS)
    report, _ = built(folder, Config(**config))
    assert report.reasons == {"missing_leads": 1}
    report, out = built(folder, Config(allow_missing_leads=True, **config))
    assert report.reasons == {}
    with ecgstore.open(out) as store:
        record = store["long"]
        assert record.missing_leads == ("V6",)
        assert not record.signal[11].any()
        assert (record.fiducials[11] == -1).all()
        assert (record.fiducials[:11] >= 0).any(axis=(1, 2)).all()


def test_copies_with_a_missing_lead_share_a_fold(
    write: Callable[..., Path], write_record: WriteRecord
) -> None:
    """Also at another scale, where only one of the signature's leads is there."""
    absent = ("I", "II", "V4")
    kept = tuple(lead for lead in LEADS if lead not in absent)
    folder = write("A0001", *kept).parent
    signal = np.rint(read_record(RECORD).signal * 800)
    rows = [LEADS.index(lead) for lead in kept]
    write_record("A0002", signal[rows], leads=kept)
    report, out = built(folder, ALLOW)
    assert report.same_ecg == [["A0001", "A0002"]]
    with ecgstore.open(out) as store:
        assert store.records["fold"].nunique() == 1


@pytest.mark.parametrize("lead", ["I", "V3"])
def test_a_lead_without_a_valid_sample_is_missing(
    write_record: WriteRecord, lead: str
) -> None:
    adc = np.rint(read_record(RECORD).signal * 1000)
    adc[LEADS.index(lead)] = -32768
    folder = write_record("A0001", adc).parent
    write_record("A0002", np.full((12, 5000), -32768))
    write_record("A0003", adc[[0, 1, 6, 7, 8, 9, 10, 11]], leads=EIGHT)
    write_record("A0004")
    report, _ = built(folder, ALL)
    assert report.reasons == {"all_samples_missing": 1, "gap_too_long": 2}
    report, out = built(folder, ALLOW)
    assert report.reasons == {"all_samples_missing": 1}
    limb = ("III", "aVR", "aVL", "aVF")
    with ecgstore.open(out) as store:
        assert store["A0001"].missing_leads == (lead,)
        assert store["A0001"].derived_leads == ()
        eight = store["A0003"]
    if lead == "I":  # nothing can be derived from a lead without samples
        assert (eight.missing_leads, eight.derived_leads) == ((lead, *limb), ())
    else:
        assert (eight.missing_leads, eight.derived_leads) == ((lead,), limb)
