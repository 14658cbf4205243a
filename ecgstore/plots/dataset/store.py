"""Plots that read their arrays from a store."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from ecgstore.arrays import BoolArray, IntArray
from ecgstore.diagnoses import code_of, diagnoses
from ecgstore.errors import EcgStoreError, counted
from ecgstore.plots.dataset.balance import class_balance
from ecgstore.plots.dataset.worst import (
    Problem,
    mark_problems,
    quality_problems,
    worst_records,
)
from ecgstore.plots.ecg.contact_sheet import SheetPanel, contact_sheet
from ecgstore.plots.ecg.filtering import filter_effect
from ecgstore.plots.ecg.paper import ecg_paper
from ecgstore.record import without_leads
from ecgstore.storage import Store, StoredRecord
from ecgstore.storage.original import original_signal

_QUALITY: Final = (
    "flat_fraction",
    "clipped_fraction",
    "missing_fraction",
    "psqi",
    "bassqi",
)
_ROWS_AT_ONCE: Final = 1024


def plot_record(store: Store, record_id: str) -> Figure:
    """Plot a record on clinical ECG paper, with its marks.

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
    signal = without_leads(
        store.signals([record.row])[0], record.missing_leads, store.leads
    )
    return ecg_paper(
        signal,
        record.fs,
        leads=store.leads,
        title=_title(record),
        subtitle=_subtitle(record),
        filter_text=f"{store.config.low_hz:g}-{store.config.high_hz:g} Hz",
        marks=record.fiducials,
        r_peaks=record.r_peaks,
        n_real_samples=record.signal.shape[1],
        derived_leads=record.derived_leads,
    )


def plot_filter(
    store: Store, record_id: str, folders: str | Path | Iterable[str | Path]
) -> Figure:
    """Plot some leads of a record before and after the band-pass filter.

    Parameters
    ----------
    store : Store
        An open store.
    record_id : str
        The record's name.
    folders : str, Path, or iterable of them
        Folders to search for the original record: those of the build, or folders that
        contain them.

    Raises
    ------
    EcgStoreError
        If the original is in none of the folders, or differs from the stored record.
    """
    record = store[record_id]
    config = store.config
    return filter_effect(
        original_signal(store, record.row, folders),
        without_leads(record.signal, record.missing_leads, store.leads),
        record.fs,
        leads=_shown(store, ("I", "II", "V1", "V5")),
        of=store.leads,
        title=f"{_title(record)}, before and after the filter",
        band=(config.low_hz, config.high_hz),
    )


def plot_classes(store: Store) -> Figure:
    """Plot the number of records per class and source."""
    labels = store.labels(dtype=np.uint8)
    sources = store.column("source")
    return class_balance(
        store.label_names,
        {
            str(source): labels[sources == source].sum(axis=0).tolist()
            for source in sorted(set(sources))
        },
        title=f"{store.file_name}: {counted(len(store), 'record')} by class",
    )


def plot_worst(store: Store, n_records: int, diagnosis: str | None = None) -> Figure:
    """Plot the records with the worst signals and the least agreement of the leads.

    The problems are those of `ecgstore.plots.dataset.worst`: no beats, waves that the
    leads have at different times or that some lack, P waves in about half of the beats,
    flat leads, noise, baseline wander, clipping and gaps. The worst record of each
    problem comes first, then the second worst ones, and so on. Each panel names the
    problem for which it was selected.

    Parameters
    ----------
    store : Store
        An open store.
    n_records : int
        Maximum number of records.
    diagnosis : str, optional
        Select only records of this class of the store, or with this text code, SNOMED
        CT code or abbreviation of the Challenge.

    Raises
    ------
    ConfigError
        If the diagnosis is unknown.
    EcgStoreError
        If no record has a problem or the diagnosis, or if the store has no beats.
    """
    rows = np.arange(len(store))
    which = ""
    if diagnosis is not None:
        has_it, name = _diagnosed(store, diagnosis)
        rows, which = np.flatnonzero(has_it), f" with {name}"
    if store.config.beats == "none":
        raise EcgStoreError(
            f"{store.place}: built without beats, so the agreement of the leads is "
            "unknown; build it with --beats ecgstore"
        )
    selected = worst_records(_problems(store, rows), n_records)
    if not selected:
        raise EcgStoreError(f"{store.place}: no records{which} to plot")
    panels = []
    for position, problem in selected:
        [name] = store.column("record_id", rows[[position]])
        record = store[name]
        panels.append(
            SheetPanel(
                without_leads(record.signal, record.missing_leads, store.leads),
                record.fs,
                f"{record.record_id}: {problem}",
                _subtitle(record),
                record.fiducials,
                record.r_peaks,
                store.leads,
            )
        )
    title = f"{store.file_name}: the worst of {counted(len(rows), 'record')}{which}"
    return contact_sheet(panels, leads=_shown(store, ("II", "V1")), title=title)


def _shown(store: Store, leads: tuple[str, ...]) -> tuple[str, ...]:
    """Return some leads, or as many of a store that has not all of them."""
    if {*leads} <= {*store.leads}:
        return leads
    others = [lead for lead in store.leads if lead not in leads]
    first = [lead for lead in leads if lead in store.leads]
    return tuple((first + others)[: len(leads)])


def _diagnosed(store: Store, diagnosis: str) -> tuple[BoolArray, str]:
    """Return which records have a diagnosis, and what it is called."""
    for place, class_ in enumerate(store.config.classes.classes):
        if class_.name.lower() == diagnosis.strip().lower():
            labels = store.labels()[:, place] > 0
            return labels, class_.description or class_.name
    codes = [of_record.split(",") for of_record in store.column("dx")]
    is_text_code = any(diagnosis in of_record for of_record in codes)
    code = diagnosis if is_text_code else code_of(diagnosis)
    known = diagnoses()
    name = known[code].name if code in known else code
    return np.array([code in of_record for of_record in codes], bool), name


def _problems(store: Store, rows: IntArray) -> list[Problem]:
    """Return the problems of the marks and of the signals of some rows."""
    parts = [
        mark_problems(
            store.fiducials(rows[begin : begin + _ROWS_AT_ONCE]), store.config.fs
        )
        for begin in range(0, max(len(rows), 1), _ROWS_AT_ONCE)
    ]
    of_marks = [
        Problem(same[0].text, np.concatenate([part.severity for part in same]))
        for same in zip(*parts, strict=True)
    ]
    quality = {name: store.table(f"quality/{name}")[rows] for name in _QUALITY}
    return [*of_marks, *quality_problems(quality)]


def _title(record: StoredRecord) -> str:
    """Return the name and the source of a record."""
    return f"{record.record_id} ({record.source})"


def _subtitle(record: StoredRecord) -> str:
    """Return the patient's age and sex, the diagnoses and the number of beats."""
    age = "age unknown" if np.isnan(record.age) else f"{record.age:.0f} years"
    known = diagnoses()
    names = [known[code].abbreviation if code in known else code for code in record.dx]
    beats = len(record.r_peaks)
    return f"{age}, {record.sex}; {', '.join(names) or 'no diagnosis'}; {beats} beats"
