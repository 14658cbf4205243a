"""What the page shows of a record equals what the store and plain NumPy say."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import ecgstore
from ecgstore.config import Config
from ecgstore.diagnoses import class_set
from ecgstore.errors import EcgStoreError
from ecgstore.features.normal_ranges import NORMAL_RANGES
from ecgstore.record import LEADS, MARKS
from ecgstore.sample import sample_folder
from ecgstore.storage import Store
from ecgstore.storage.columns import Columns
from ecgstore.storage.original import original_signal
from ecgstore.view.record.details import other_rows, record_details
from ecgstore.view.record.median_beat import AFTER_MS, BEFORE_MS, median_beat
from ecgstore.view.record.signal import marks_in, stored_window
from ecgstore.view.record.source_signal import SourceSignals

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="module")
def sample(sample_store: Path) -> Iterator[Store]:
    with ecgstore.open(sample_store) as store:
        yield store


def build(folder: Path, out: Path, **options: object) -> Path:
    config = Config(select="all", **options)  # type: ignore[arg-type]
    ecgstore.build_store(folder, out, config, n_workers=1, quiet=True)
    return out


@pytest.fixture
def incomplete(tmp_path: Path, write_record: Callable[..., Path]) -> Path:
    """Return a store of a record that lacks V1 and was recorded without aVR."""
    kept = tuple(lead for lead in LEADS if lead not in ("V1", "aVR"))
    folder = write_record("A1", leads=kept).parent
    return build(folder, tmp_path / "out.h5", allow_missing_leads=True)


def padded_row(store: Store) -> int:
    padding = store.table("quality/pad_length")
    return int(np.flatnonzero(padding)[0])


# -- windows of the signal


def test_every_row_is_shown_as_stored_and_padding_is_not(sample: Store) -> None:
    padding = sample.table("quality/pad_length")
    for row in range(len(sample)):
        window = stored_window(sample, row, 0, sample.n_samples)
        n_real = sample.n_samples - int(padding[row])
        stored = sample.signals([row])[0]
        np.testing.assert_array_equal(window[:, :n_real], stored[:, :n_real])
        assert np.isnan(window[:, n_real:]).all()
        assert window.shape == stored.shape


@given(st.integers(0, 5000), st.integers(0, 5000))
def test_a_window_is_a_part_of_the_whole(sample: Store, start: int, stop: int) -> None:
    row = padded_row(sample)
    start, stop = sorted((start, stop))
    window = stored_window(sample, row, start, stop)
    whole = stored_window(sample, row, 0, sample.n_samples)
    np.testing.assert_array_equal(window, whole[:, start:stop])


def test_a_store_of_float32_with_two_leads(tmp_path: Path) -> None:
    out = build(
        sample_folder() / "ptb",
        tmp_path / "out.h5",
        leads=("II", "V5"),
        dtype="float32",
    )
    with ecgstore.open(out) as store:
        assert store.dtype == "float32"
        window = stored_window(store, 0, 100, 900)
        stored = store.signals([0])[0, :, 100:900]
        np.testing.assert_array_equal(window, stored)
        assert record_details(store, 0)["leads"] == ["II", "V5"]
        assert len(median_beat(store, 0)["curves"]) == 2
        assert marks_in(store, 0, 0, 5000).shape[0] == 2


def test_missing_leads_are_no_flat_lines(incomplete: Path) -> None:
    with ecgstore.open(incomplete) as store:
        window = stored_window(store, 0, 0, store.n_samples)
        details, median = record_details(store, 0), median_beat(store, 0)
    v1 = LEADS.index("V1")
    assert np.isnan(window[v1]).all()
    assert np.isfinite(np.delete(window, v1, axis=0)).all()
    assert details["missing_leads"] == ["V1"]
    assert details["derived_leads"] == ["aVR"]
    if median["curves"]:
        assert np.isnan(median["curves"][v1]).all()


# -- marks


def test_marks_of_all_windows_are_all_marks(sample: Store) -> None:
    fs = round(sample.fs)
    for row in range(0, len(sample), 5):
        all_marks = marks_in(sample, row, 0, sample.n_samples)
        stored = sample.fiducials([row])[0]
        assert {*all_marks[all_marks >= 0].tolist()} == {*stored[stored >= 0].tolist()}
        found = set()
        for start in range(0, sample.n_samples, 3 * fs):
            part = marks_in(sample, row, start, start + 3 * fs)
            inside = part[(part >= start) & (part < start + 3 * fs)]
            found |= {*inside.tolist()}
        assert found == {*all_marks[all_marks >= 0].tolist()}


# -- median beat


def test_the_median_beat_is_the_median_of_whole_beats(sample: Store) -> None:
    fs = sample.fs
    before, after = round(BEFORE_MS * fs / 1000), round(AFTER_MS * fs / 1000)
    for row in range(0, len(sample), 3):
        name = sample.column("record_id", [row])[0]
        record = sample[name]
        n_real = record.signal.shape[1]
        cut = [
            record.signal[:, peak - before : peak + after + 1]
            for peak in record.r_peaks.tolist()
            if peak >= before and peak + after < n_real
        ]
        shown = median_beat(sample, row)
        assert shown["n_used"] == len(cut)
        assert shown["n_beats"] == len(record.r_peaks)
        if cut:
            expected = np.median(np.stack(cut), axis=0)
            np.testing.assert_array_equal(np.array(shown["curves"]), expected)


def test_marks_of_the_median_beat_lie_in_order_around_the_r_peak(sample: Store) -> None:
    shown = median_beat(sample, sample.row("HR00001"))
    for of_lead in shown["marks"]:
        times = np.array([of_lead[mark] for mark in MARKS])
        times = times[np.isfinite(times)]
        assert len(times) > 3
        assert (np.diff(times) >= 0).all()
        assert -BEFORE_MS < times[0] < 0 < times[-1] < AFTER_MS


def test_a_record_without_beats(tmp_path: Path) -> None:
    out = build(sample_folder() / "ptb", tmp_path / "out.h5", beats="none")
    with ecgstore.open(out) as store:
        median, details = median_beat(store, 0), record_details(store, 0)
    assert (median["n_beats"], median["curves"]) == (0, [])
    assert details["r_peaks"] == []
    texts = [one["text"] for one in details["quality"] if one["is_problem"]]
    assert "built without beats" in texts


# -- details


def test_details_are_those_of_the_store(sample: Store) -> None:
    for row in range(len(sample)):
        shown = record_details(sample, row)
        record = sample[shown["record_id"]]
        assert [one["name"] for one in shown["classes"]] == record.classes
        assert tuple(one["code"] for one in shown["codes"]) == record.dx
        assert all(one["name"] for one in shown["codes"])
        assert shown["r_peaks"] == record.r_peaks.tolist()
        assert shown["n_real_samples"] == record.signal.shape[1]
        np.testing.assert_equal(
            {one["name"]: one["value"] for one in shown["features"]}, record.features
        )


def test_arrows_say_on_which_side_of_the_normal_range(sample: Store) -> None:
    sides = set()
    for row in range(len(sample)):
        for one in record_details(sample, row)["features"]:
            assert ("normal" in one) == (one["name"] in NORMAL_RANGES)
            if "normal" not in one or np.isnan(one["value"]):
                continue
            low, high = one["low"], one["high"]
            below = low is not None and one["value"] < low
            above = high is not None and one["value"] > high
            assert one["side"] == int(above) - int(below)
            sides.add(one["side"])
    assert sides == {-1, 0, 1}


def test_other_records_of_the_patient_are_those_of_the_group(sample: Store) -> None:
    patients = sample.column("patient_id")
    sources = sample.column("source")
    n_found = 0
    for row in range(len(sample)):
        others = other_rows(sample, row)
        known = patients[row] != ""
        same = (patients == patients[row]) & (sources == sources[row]) & known
        ecgs = sample.table("records/same_ecg")
        same |= ecgs == ecgs[row]
        same[row] = False
        assert [one["row"] for one in others] == np.flatnonzero(same)[:20].tolist()
        n_found += len(others)
    assert n_found > 0


def test_opening_a_record_reads_no_whole_columns(
    sample: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a store at a URL, they would be fetched."""
    read, table = Columns._read, Store.table
    whole = []

    def noted(columns: Columns, place: Any, rows: Any) -> Any:
        if rows is None:
            whole.append(place.path)
        return read(columns, place, rows)

    def noted_table(store: Store, name: str) -> Any:
        if name.startswith("records/"):
            whole.append(name)
        return table(store, name)

    monkeypatch.setattr(Columns, "_read", noted)
    monkeypatch.setattr(Store, "table", noted_table)
    record_details(sample, 5)
    original_signal(sample, 5, sample_folder())
    assert whole == []
    other_rows(sample, 5)
    assert "records/patient_id" in whole


def test_problems_name_their_leads(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(12, 5000))
    signal[3] = 0.0
    out = tmp_path / "out.h5"
    config = Config(beats="none", select="all", reject_flat_leads=False)
    ecgstore.build_from([("a", signal, 500)], out, config, n_workers=1, quiet=True)
    with ecgstore.open(out) as store:
        problems = record_details(store, 0)["quality"]
    of_text = {one["text"]: one for one in problems}
    assert of_text["1 lead is flat"]["leads"] == ["aVR"]
    [noise] = [one for text, one in of_text.items() if text.startswith("noise")]
    assert noise["is_problem"]
    assert "aVR" not in noise["leads"]
    assert len(noise["leads"]) == 11


def test_codes_of_a_vocabulary_in_words(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("record_id,scp_codes\n00841_hr,\"{'ASMI': 100}\"\n02132_hr,NORM\n")
    out = tmp_path / "out.h5"
    config = Config(classes=class_set("ptbxl-super"), select="all")
    ecgstore.build_store(
        DATA / "ptb-xl", out, config, labels=table, n_workers=1, quiet=True
    )
    with ecgstore.open(out) as store:
        shown = record_details(store, store.row("00841_hr"))["codes"]
    assert shown[0] == {
        "code": "ASMI",
        "name": "anteroseptal myocardial infarction",
        "abbreviation": "ASMI",
        "vocabulary": "SCP-ECG",
    }


# -- the signal before the filter


def test_the_raw_signal_filtered_is_the_stored_one(sample: Store) -> None:
    from ecgstore.signals.preprocess import bandpass

    config = sample.config
    sources = SourceSignals(sample, [sample_folder()])
    row = sample.row("HR00001")
    raw = sources.window(row, 0, sample.n_samples)
    stored = stored_window(sample, row, 0, sample.n_samples)
    filtered = bandpass(
        raw.astype(np.float64),
        sample.fs,
        config.low_hz,
        config.high_hz,
        config.filter_order,
    )
    middle = slice(1000, 4000)  # the ends differ, since the build filters a margin
    assert np.abs(filtered[:, middle] - stored[:, middle]).max() < 0.01
    assert np.abs(raw - stored).max() > 0.01


def test_raw_windows_fit_those_of_the_store(sample: Store) -> None:
    row = padded_row(sample)
    window = SourceSignals(sample, [sample_folder()]).window(row, 1000, 5000)
    stored = stored_window(sample, row, 1000, 5000)
    assert window.shape == stored.shape
    np.testing.assert_array_equal(np.isnan(window), np.isnan(stored))


def test_a_raw_record_is_read_once(
    sample: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ecgstore.view.record import source_signal

    n_read = 0

    def counted(*arguments: object) -> object:
        nonlocal n_read
        n_read += 1
        return original_signal(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(source_signal, "original_signal", counted)
    sources = SourceSignals(sample, [sample_folder()])
    for _ in range(2):
        for row in range(4):
            sources.window(row, 0, 10)
    assert n_read == 4
    sources.window(4, 0, 10)
    sources.window(0, 0, 10)
    assert n_read == 6


def test_sources_that_are_not_there(sample: Store, tmp_path: Path) -> None:
    with pytest.raises(EcgStoreError, match="is not in"):
        SourceSignals(sample, [tmp_path]).window(0, 0, 10)


def test_only_what_is_far_from_usual_is_a_problem(sample: Store) -> None:
    n_measures = n_problems = 0
    for row in range(len(sample)):
        for one in record_details(sample, row)["quality"]:
            name, _, value = one["text"].partition(": ")
            if name == "baseline wander":
                percent = int(value.partition("%")[0])
                assert one["is_problem"] == (percent > 54) or percent == 54
            n_measures += 1
            n_problems += one["is_problem"]
    assert 0 < n_problems < n_measures / 10
