"""Stores of fewer leads than twelve: what they hold, and what they do not depend on."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ecgstore
from ecgstore.arrays import FloatArray
from ecgstore.beats.of_records import beats_of_store
from ecgstore.builder import label_store, write_subset
from ecgstore.config import Config
from ecgstore.errors import ConfigError
from ecgstore.export import export
from ecgstore.features import features_of
from ecgstore.record import LEADS
from ecgstore.sample import sample_folder
from ecgstore.sources import leads_of_build, read_record
from ecgstore.storage.format import schema
from ecgstore.storage.summary import summarise
from ecgstore.storage.verify import verify

WriteRecord = Callable[..., Path]
RECORD = sample_folder() / "ptb-xl" / "g1" / "HR00001.hea"
OTHER = sample_folder() / "ptb-xl" / "g1" / "HR00017.hea"
CHALLENGE_2021 = {
    6: LEADS[:6],
    4: ("I", "II", "III", "V2"),
    3: ("I", "II", "V2"),
    2: ("I", "II"),
    1: ("V5",),
}


def counts(path: Path) -> FloatArray:
    """Return the signal of a record of the sample in microvolts, 12 x 5000."""
    return np.rint(read_record(path).signal[:, :5000] * 1000)


def built(folders: Path | list[Path], out: Path, **options: Any) -> Path:
    config = Config(**{"select": "all", **options})
    ecgstore.build_store(folders, out, config, n_workers=1, overwrite=True, quiet=True)
    return out


@pytest.fixture(scope="module")
def stores(dozen_records: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a store of a dozen records for each number of leads."""
    folder = tmp_path_factory.mktemp("stores")
    for number, leads in (*CHALLENGE_2021.items(), (12, LEADS)):
        built(dozen_records, folder / f"{number}.h5", leads=leads)
    return folder


@pytest.mark.parametrize("number", CHALLENGE_2021)
def test_signals_are_those_of_the_store_of_twelve_leads(
    stores: Path, number: int
) -> None:
    leads = CHALLENGE_2021[number]
    path = stores / f"{number}.h5"
    with ecgstore.open(path) as store, ecgstore.open(stores / "12.h5") as whole:
        assert store.leads == store.config.leads == leads
        assert (store.n_leads, list(store)) == (number, list(whole))
        rows = whole.lead_numbers(leads)
        np.testing.assert_array_equal(
            store.signals(slice(None)), whole.signals(slice(None))[:, rows]
        )
        for name in schema.QUALITY_TABLE:
            if name.per_lead:
                path_of = f"quality/{name.name}"
                np.testing.assert_array_equal(
                    store.table(path_of), whole.table(path_of)[:, rows]
                )
        assert store.fiducials().shape == (len(store), number, 50, 9)
        assert (store.fiducials() >= 0).any(axis=(0, 2)).all()
        per_lead = {name for name in store.feature_names if name.split("_")[0] in LEADS}
        assert {name.split("_")[0] for name in per_lead} == {*leads}
        assert store.feature_names == tuple(
            name
            for name in whole.feature_names
            if name in per_lead or name.split("_")[0] not in LEADS
        )
        spectra = [f"{lead}_spectral_entropy" for lead in leads]
        np.testing.assert_array_equal(
            store.features()[spectra].to_numpy(), whole.features()[spectra].to_numpy()
        )
        columns = [str(name) for name in store.quality]
        assert [name for name in columns if name.startswith("ksqi_")] == [
            f"ksqi_{lead}" for lead in leads
        ]
        assert store.missing_leads is None
        # One lead has most of the beats that twelve leads have.
        n_beats, n_all = ((one.r_peaks() >= 0).sum() for one in (store, whole))
        assert abs(n_beats - n_all) < 0.05 * n_all
        assert store[next(iter(store))].leads == leads
        assert f"{number}-lead ECG" in store[next(iter(store))]._repr_html_()
    assert list(verify(path)) == []
    assert summarise(path)["leads"] == list(leads)


def damaged(write: WriteRecord, way: str) -> Path:
    """Write a record whose leads I, II and V2 are real, with other leads changed."""
    signal, names = counts(RECORD), [*LEADS]
    others = [row for row in range(12) if LEADS[row] not in ("I", "II", "V2")]
    kept = [row for row in range(12) if row not in others]
    if way == "absent":
        signal, names = signal[kept], ["I", "II", "V2"]
    elif way == "reversed":
        signal, names = signal[::-1], names[::-1]
    elif way == "other record":
        signal[others] = counts(OTHER)[others]
    elif way == "missing samples":
        signal[others, 1000:3000] = -32768
    elif way == "all missing":
        signal[others] = -32768
    elif way == "clipped":
        signal[others] = np.clip(signal[others], -50, 50)
    elif way == "flat":
        signal[others] = 0
    elif way == "twice":
        names[others[0]] = names[others[1]]
    elif way == "perhaps inverted":
        names[LEADS.index("aVR")] = "-aVR"
    elif way == "unknown name":
        names[LEADS.index("V6")] = "chest 6"
    header = write("A0001", signal.astype(np.int16), leads=tuple(names), folder="in")
    lines = header.read_text().split("\n")
    for row in others if len(names) == 12 else []:
        if way == "other unit":
            lines[row + 1] = lines[row + 1].replace("/mV", "/mmHg")
        elif way == "no gain":
            lines[row + 1] = lines[row + 1].replace("1000/mV", "nan/mV")
        elif way == "wrong checksum":
            fields = lines[row + 1].split()
            fields[5], fields[6] = "77", "1"
            lines[row + 1] = " ".join(fields)
    header.write_text("\n".join(lines))
    return header.parent


WAYS = (
    "absent",
    "reversed",
    "other record",
    "missing samples",
    "all missing",
    "clipped",
    "flat",
    "twice",
    "perhaps inverted",
    "unknown name",
    "other unit",
    "no gain",
    "wrong checksum",
)


@pytest.mark.parametrize("windows", [None, "every=4s,overlap=2s"])
def test_nothing_of_other_leads_is_in_a_store(
    write_record: WriteRecord, tmp_path: Path, windows: str | None
) -> None:
    """The law of left-out leads: equal in the chosen ones, equal stores, bit by bit."""
    options: dict[str, Any] = {"leads": ["I", "II", "V2"], "reject_flat_leads": True}
    if windows is not None:
        options |= {"windows": windows, "duration_s": 4.0}
    folder = damaged(write_record, "")
    expected = built(folder, tmp_path / "expected.h5", **options).read_bytes()
    for way in WAYS:
        got = built(damaged(write_record, way), tmp_path / "got.h5", **options)
        assert got.read_bytes() == expected, way


@pytest.mark.parametrize("beats", ["ecgstore", "neurokit"])
def test_left_out_leads_are_as_missing_ones(
    write_record: WriteRecord, tmp_path: Path, beats: str
) -> None:
    """The rows are those of a record that lacks the other leads, in the others."""
    leads = ("V1", "V2", "V5")
    rows = [LEADS.index(lead) for lead in leads]
    write_record("A0001", counts(RECORD), folder="whole/in")
    write_record("A0001", counts(RECORD)[rows], leads=leads, folder="part/in")
    few = built(tmp_path / "whole", tmp_path / "few.h5", leads=leads, beats=beats)
    lacking = built(
        tmp_path / "part",
        tmp_path / "lacking.h5",
        allow_missing_leads=True,
        beats=beats,
    )
    with ecgstore.open(few) as store, ecgstore.open(lacking) as peer:
        names = list(store.feature_names)
        np.testing.assert_array_equal(
            store.features().to_numpy(), peer.features()[names].to_numpy()
        )
        assert store.features()["mean_hr"].notna().all()
        np.testing.assert_array_equal(store.r_peaks(), peer.r_peaks())
        np.testing.assert_array_equal(store.fiducials(), peer.fiducials()[:, rows])
        np.testing.assert_array_equal(store.signals([0]), peer.signals([0])[:, rows])
        assert peer["A0001"].missing_leads == tuple(
            lead for lead in LEADS if lead not in leads
        )
        assert store["A0001"].missing_leads == ()


def test_the_law_notices_a_change_of_a_chosen_lead(
    write_record: WriteRecord, tmp_path: Path
) -> None:
    signal = counts(RECORD).astype(np.int16)
    stores = []
    for value in (signal[7, 0], signal[7, 0] + 1):
        signal[7, 0] = value
        folder = write_record("A0001", signal).parent
        out = built(folder, tmp_path / "out.h5", leads=["I", "II", "V2"])
        stores.append(out.read_bytes())
    assert stores[0] != stores[1]


def test_arrays_of_some_leads_need_no_others(tmp_path: Path) -> None:
    signal = read_record(RECORD).signal[:, :5000]
    infinite = signal.copy()
    infinite[2:, 100] = np.inf
    records: list[tuple[Any, ...]] = [("A1", infinite, 500.0, LEADS)]
    stores = []
    for record in (*records, ("A1", signal[[1, 0]], 500.0, ("II", "I"))):
        out = tmp_path / "out.h5"
        ecgstore.build_from(
            [record],
            out,
            Config(select="all", leads=("I", "II")),
            n_workers=1,
            overwrite=True,
            quiet=True,
        )
        stores.append(out.read_bytes())
        with ecgstore.open(out) as store:
            assert list(store) == ["A1"]
    assert stores[0] == stores[1]
    report = ecgstore.build_from(
        [("A1", signal, 500.0), ("A2", np.where(signal > 9, signal, np.inf), 500.0)],
        tmp_path / "all.h5",
        Config(select="all"),
        n_workers=1,
        quiet=True,
    )
    assert report.reasons == {"not_finite": 1}


def test_limb_leads_are_derived_and_missing_ones_marked(
    write_record: WriteRecord, tmp_path: Path
) -> None:
    signal = counts(RECORD).astype(np.int16)
    folder = write_record("A0001", signal[:2], leads=("I", "II")).parent
    write_record("A0002", signal)
    leads = ("III", "aVF", "V1")
    out = tmp_path / "out.h5"
    report = ecgstore.build_store(
        [folder],
        out,
        Config(select="all", leads=leads, allow_missing_leads=True),
        n_workers=1,
        quiet=True,
    )
    assert (report.n_selected, report.n_derived_leads, report.n_missing_leads) == (
        2,
        1,
        1,
    )
    with ecgstore.open(out) as store:
        records = store.records
        assert records["derived_leads"].tolist() == ["III,aVF", ""]
        assert records["missing_leads"].tolist() == ["V1", ""]
        assert store.missing_leads is not None
        assert store.missing_leads.tolist() == [[False, False, True], [False] * 3]
        assert (store.signals([0])[0, 2] == 0).all()
        assert (store.fiducials([0])[0, 2] == -1).all()
        assert np.isnan(store.quality["ksqi_V1"].iloc[0])
    assert list(verify(out)) == []
    report = ecgstore.build_store(
        [folder],
        out,
        Config(select="all", leads=("III", "V1")),
        n_workers=1,
        overwrite=True,
        quiet=True,
    )
    assert report.reasons == {"missing_leads": 1}


def test_records_of_the_leads_of_a_build_name_the_others() -> None:
    record = read_record(RECORD, leads_of_build(Config(leads=("V2", "I"))))
    assert record.missing_leads == tuple(
        lead for lead in LEADS if lead not in ("I", "V2")
    )
    assert np.isnan(record.signal).all(axis=1).tolist() == [
        lead not in ("I", "V2") for lead in LEADS
    ]


@pytest.mark.parametrize(
    "leads", [("V1",), ("III", "V6"), ("II",), ("II", "V1"), ("V1", "V2"), ("I", "II")]
)
def test_copies_of_an_ecg_are_recognised_by_few_leads(
    write_record: WriteRecord, tmp_path: Path, leads: tuple[str, ...]
) -> None:
    signal = counts(RECORD)
    folder = write_record("A0001", signal).parent
    slow = (signal[:, ::2] + signal[:, 1::2]) / 4  # half the rate, half the size
    write_record("A0002", np.rint(slow), fs=250)
    write_record("A0003", counts(OTHER))
    with ecgstore.open(built(folder, tmp_path / "out.h5", leads=leads)) as store:
        assert store.table("records/same_ecg").tolist() == [0, 0, 2]


def test_one_lead_links_no_other_records_than_twelve(
    shared_data: Path, tmp_path: Path
) -> None:
    """With the threshold of twelve leads, each of these links two strangers."""
    folder, links = shared_data / "challenge-2020" / "training", []
    for leads in (LEADS, ("II",), ("III",), ("V1",)):
        out = built(folder, tmp_path / "out.h5", leads=leads, beats="none")
        with ecgstore.open(out) as store:
            links.append(store.table("records/same_ecg").tolist())
    assert links[1:] == [links[0]] * 3


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_small_rows_are_read_in_place(
    dozen_records: Path, tmp_path: Path, dtype: str
) -> None:
    options: dict[str, Any] = {
        "fs": 100.0, "duration_s": 1.0, "min_duration_s": 1.0, "dtype": dtype,
        "windows": "every=1s",
    }  # fmt: skip
    few = built(dozen_records, tmp_path / "few.h5", leads=("V1",), **options)
    whole = built(dozen_records, tmp_path / "whole.h5", **options)
    with (
        ecgstore.open(few, verify="first-touch") as store,
        ecgstore.open(whole) as all_,
    ):
        assert len(store) == len(all_) > 100
        np.testing.assert_array_equal(
            store.signals(slice(None)), all_.signals(slice(None))[:, [6]]
        )
    assert list(verify(few)) == []


def test_features_of_an_array_are_those_of_the_store(stores: Path) -> None:
    with ecgstore.open(stores / "3.h5") as store:
        row, name = 0, next(iter(store))
        record = store[name]
        path = sample_folder().rglob(f"{name}.hea")
        raw = read_record(next(iter(path)))
        rows = [LEADS.index(lead) for lead in ("V2", "I", "II")]
        measured = features_of(raw.signal[rows], raw.fs, leads=("V2", "I", "II"))
        expected = store.features().to_numpy()[row].astype(np.float32)
        np.testing.assert_array_equal(measured.row, expected)
        assert tuple(measured) == store.feature_names
        assert measured.leads == store.leads
        assert measured.beats.fiducials.shape == record.fiducials.shape
        np.testing.assert_array_equal(measured.beats.fiducials, record.fiducials)
        np.testing.assert_array_equal(
            measured.signal, record.signal[:, : measured.signal.shape[1]]
        )
        # Of more leads, those of the options.
        whole = features_of(raw.signal, raw.fs, config=store.config)
        np.testing.assert_array_equal(whole.row, expected)


def test_beats_of_a_store_are_found_in_its_leads(stores: Path) -> None:
    with ecgstore.open(stores / "2.h5") as store:
        for row, found in enumerate(beats_of_store(store)):
            assert found.leads == ("I", "II")
            expected = store.r_peaks([row])[0]
            np.testing.assert_array_equal(found.beats.r_peaks, expected[expected >= 0])
        with pytest.raises(ConfigError, match=r"2\.h5: leads are .*some of I, II,"):
            next(iter(beats_of_store(store, leads=["V1"])))


def test_exports_subsets_and_labels_keep_the_leads(
    stores: Path, tmp_path: Path
) -> None:
    part = tmp_path / "part.h5"
    with ecgstore.open(stores / "3.h5") as store:
        [peaks] = export(store, tmp_path, "peaks")
        content = json.loads(peaks.read_text())
        assert [*content["records"][0]["leads"]] == ["I", "II", "V2"]
        write_subset(store.select(rows=[2, 3]), part)
        expected = store.signals([2, 3])
    label_store(part, classes="cinc2020")
    with ecgstore.open(part) as store:
        assert store.leads == ("I", "II", "V2")
        assert store.has_labels_beside
        np.testing.assert_array_equal(store.signals([0, 1]), expected)
    assert list(verify(part)) == []


def test_twelve_leads_are_no_option_of_the_file() -> None:
    assert "leads" not in json.loads(Config().to_json())
    few = Config(leads=("v2", "II"))
    assert json.loads(few.to_json())["leads"] == ["II", "V2"]
    assert Config.from_json(few.to_json()) == few
    assert Config.from_json(Config().to_json()).leads == LEADS


@pytest.mark.parametrize(
    ("leads", "message"),
    [
        ([], "leads are"),
        (["I", "I"], "each once"),
        (["V7"], "expected some of I, II"),
        ("I", "a list of names"),
    ],
)
def test_wrong_leads_are_refused(leads: Sequence[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Config(leads=leads)  # type: ignore[arg-type]
