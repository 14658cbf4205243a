"""The plots of a store: take what they show from it, and draw."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from ecgstore.arrays import IntArray
from ecgstore.diagnoses import code_of, diagnoses
from ecgstore.errors import EcgStoreError
from ecgstore.plots.dataset.balance import class_balance
from ecgstore.plots.dataset.worst import (
    Suspicion,
    suspicions_of_marks,
    suspicions_of_quality,
    worst,
)
from ecgstore.plots.ecg.contact_sheet import SheetPanel, contact_sheet
from ecgstore.plots.ecg.filtering import filter_effect
from ecgstore.plots.ecg.paper import ecg_paper
from ecgstore.signals.preprocess import before_filter
from ecgstore.sources import read_record, signal_sha256
from ecgstore.storage import Store, StoredRecord

_QUALITY: Final = (
    "flat_fraction",
    "clipped_fraction",
    "missing_fraction",
    "psqi",
    "bassqi",
)
_ROWS_AT_ONCE: Final = 1024


def plot_record(store: Store, record_id: str) -> Figure:
    """Draw a record on clinical grid paper, with its marks.

    Parameters
    ----------
    store : Store
        An open store.
    record_id : str
        The record's name.

    Raises
    ------
    RecordNotFoundError
        If there is no such record.
    """
    record = store[record_id]
    signal = store.signals([record.row])[0].astype(np.float64)
    return ecg_paper(
        signal,
        record.fs,
        title=_title(record),
        subtitle=_subtitle(store, record),
        filter_text=f"{store.config.low_hz:g}-{store.config.high_hz:g} Hz",
        marks=record.fiducials,
        r_peaks=record.r_peaks,
        n_real_samples=record.signal.shape[1],
    )


def plot_filter(store: Store, record_id: str, folders: Iterable[Path]) -> Figure:
    """Draw some leads of a record before and after the band-pass filter.

    Parameters
    ----------
    store : Store
        An open store.
    record_id : str
        The record's name.
    folders : iterable of Path
        Where the original record may be: a folder given to the build, or one that
        holds it.

    Raises
    ------
    EcgStoreError
        If the original is in none of the folders, or is not the record stored.
    """
    record = store[record_id]
    path = _original(store, record, list(folders))
    original = read_record(path)
    if signal_sha256(original.signal) != store.records["sha256"].iloc[record.row]:
        raise EcgStoreError(
            f"{path}: not the signal that {store.path} was built from; give the folder "
            "of the original with --records"
        )
    config = store.config
    raw = before_filter(
        original.signal,
        original.fs,
        fs_out=config.fs,
        duration_s=config.duration_s,
        margin_s=config.margin_s,
        max_gap_s=config.max_gap_s,
    )
    return filter_effect(
        raw[:, : record.signal.shape[1]],
        record.signal.astype(np.float64),
        record.fs,
        title=f"{_title(record)}, before and after the filter",
        band=(config.low_hz, config.high_hz),
    )


def plot_classes(store: Store) -> Figure:
    """Draw the number of records per class, by source."""
    labels = store.labels()
    sources = store.records["source"].to_numpy()
    return class_balance(
        store.label_names,
        {
            str(source): labels[sources == source].sum(axis=0).tolist()
            for source in sorted(set(sources))
        },
        title=f"{store.path.name}: {len(store)} records by class",
    )


def plot_worst(store: Store, n_records: int, diagnosis: str | None = None) -> Figure:
    """Draw the records with the worst signals and the least agreement of the leads.

    Reasons are listed in `ecgstore.plots.dataset.worst`: missing beats, waves that the
    leads see at different times or not at all, P waves in about half of the beats, flat
    leads, noise, baseline wander, clipping and gaps. The reasons take turns, and each
    panel shows the one for which it was chosen.

    Parameters
    ----------
    store : Store
        An open store.
    n_records : int
        How many to draw; fewer if the store has fewer.
    diagnosis : str, optional
        Draw only records with this SNOMED CT code or abbreviation of the Challenge.

    Raises
    ------
    ConfigError
        If there is no such diagnosis.
    EcgStoreError
        If no record is suspicious or has the diagnosis, or if beats were not computed.
    """
    rows = np.arange(len(store))
    of_what = "records"
    if diagnosis is not None:
        code = code_of(diagnosis)
        known = diagnoses()
        of_what = f"records with {known[code].name if code in known else code}"
        codes = store.records["dx"].str.split(",")
        rows = np.flatnonzero([code in each for each in codes])
    if store.config.beats == "none":
        raise EcgStoreError(
            f"{store.path}: built without beats, so there is no agreement to look at; "
            "build it with --beats ecgstore"
        )
    chosen = worst(_suspicions(store, rows), n_records)
    if not chosen:
        raise EcgStoreError(f"{store.path}: no {of_what} to draw")
    panels = []
    for place, why in chosen:
        record = store[store.records.index[rows[place]]]
        panels.append(
            SheetPanel(
                record.signal.astype(np.float64),
                record.fs,
                f"{record.record_id}: {why}",
                _subtitle(store, record),
                record.fiducials,
                record.r_peaks,
            )
        )
    title = f"{store.path.name}: the worst of {len(rows)} {of_what}"
    return contact_sheet(panels, title=title)


def _suspicions(store: Store, rows: IntArray) -> list[Suspicion]:
    """Return what speaks against rows, marks and signals in turn."""
    parts = [
        suspicions_of_marks(
            store.fiducials(rows[begin : begin + _ROWS_AT_ONCE]), store.config.fs
        )
        for begin in range(0, max(len(rows), 1), _ROWS_AT_ONCE)
    ]
    of_marks = [
        Suspicion(same[0].text, np.concatenate([each.values for each in same]))
        for same in zip(*parts, strict=True)
    ]
    quality = {name: store.table(f"quality/{name}")[rows] for name in _QUALITY}
    return [*of_marks, *suspicions_of_quality(quality)]


def _title(record: StoredRecord) -> str:
    """Return the name of a record and where it is from."""
    return f"{record.record_id} ({record.source})"


def _subtitle(store: Store, record: StoredRecord) -> str:
    """Return what is known of the patient and the diagnoses."""
    row = store.records.iloc[record.row]
    age = "age unknown" if np.isnan(row["age"]) else f"{row['age']:.0f} years"
    codes = [code for code in row["dx"].split(",") if code]
    known = diagnoses()
    names = [known[code].abbreviation if code in known else code for code in codes]
    beats = len(record.r_peaks)
    return f"{age}, {row['sex']}; {', '.join(names) or 'no diagnosis'}; {beats} beats"


def _original(store: Store, record: StoredRecord, folders: list[Path]) -> Path:
    """Return the header file of the record that a row was made from."""
    path = Path(store.records["path"].iloc[record.row])
    tails = [Path(*path.parts[begin:]) for begin in range(len(path.parts))]
    for folder in folders:
        for tail in tails:
            if (folder / tail).is_file():
                return folder / tail
    raise EcgStoreError(
        f"{path}: the original of {record.record_id} is not below "
        f"{', '.join(map(str, folders))}; give the folder it was built from with "
        "--records"
    )
