"""Second phase of a build: lay out the file, now that the number of rows is known."""

import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import IntArray
from ecgstore.beats import BEATS_VERSION, BeatStatus
from ecgstore.builder.journal import Entry, Journal, Status
from ecgstore.builder.shared_files import link_shared_files
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError
from ecgstore.features import FEATURES_VERSION, defined_features
from ecgstore.record import N_LEADS
from ecgstore.signals.same_signal import same_signals
from ecgstore.signals.signature import SIGNATURE, signature_array
from ecgstore.splits import assign_folds, group_records
from ecgstore.storage.format import schema
from ecgstore.storage.format.layout import UNSEALED, create_file, encoded
from ecgstore.system.atomic_files import publish

BLOCK_ENTRIES: Final = 512

_Item = TypeVar("_Item")


def plan(
    journal: Journal, partial: Path, config: Config, patients: Mapping[str, str]
) -> None:
    """Create the partial file with every table that needs no signal.

    Parameters
    ----------
    journal : Journal
        A finished scan.
    partial : Path
        The file to create; it appears under this name only when it is complete.
    config : Config
        Options of the build.
    patients : Mapping
        The patient_id by record_id; the patients of other records are unknown.

    Raises
    ------
    EcgStoreError
        If the disk has no room for the store.
    """
    n_rows = journal.count(Status.SELECTED)
    specs = (
        *schema.row_specs(
            config,
            n_rows,
            _text_widths(journal, patients),
            features=[
                (feature.name, feature.unit)
                for feature in defined_features(config.duration_s, config.fs)
            ],
            beats_status={status.name.lower(): int(status) for status in BeatStatus},
        ),
        *schema.quarantine_specs(
            journal.count(Status.QUARANTINED),
            journal.widths(Status.QUARANTINED, schema.QUARANTINE_TEXTS),
        ),
    )
    _check_room(partial, sum(spec.shape[0] * spec.row_nbytes for spec in specs))
    unfinished = unfinished_plan(partial)
    attributes = schema.file_attributes(
        schema.FORMAT.version, software(), config.to_json(), UNSEALED
    )
    create_file(unfinished, specs, attributes)
    with h5py.File(unfinished, "r+", locking=False) as file:
        _write_tables(file, journal, config, patients)
        folds, same = _folds(journal, config, patients)
        file[schema.FOLDS][...] = folds
        file[schema.SAME_ECG][...] = same
    publish(unfinished, partial)


def unfinished_plan(partial: Path) -> Path:
    """Return the name of a partial file whose tables are not written yet."""
    return partial.with_name(partial.name + ".planning")


def software() -> str:
    """Return the versions of the software that the stored values depend on."""
    own = {"beats": BEATS_VERSION, "features": FEATURES_VERSION}
    others = ("neurokit2", "numpy", "scipy")
    versions = (
        {"ecgstore": version("ecgstore")}
        | own
        | {name: version(name) for name in others}
    )
    return ", ".join(f"{name} {value}" for name, value in versions.items())


def patient_of(entry: Entry, patients: Mapping[str, str]) -> str:
    """Return the patient of a record; empty where unknown."""
    return patients.get(entry.record_id, "")


def _text_widths(journal: Journal, patients: Mapping[str, str]) -> dict[str, int]:
    """Return the bytes of the longest value of each text column."""
    stored = [name for name in schema.RECORD_TEXTS if name != "patient_id"]
    widths = journal.widths(Status.SELECTED, stored)
    widths["patient_id"] = max(
        (
            len(patient_of(entry, patients).encode())
            for entry in journal.entries(Status.SELECTED)
        ),
        default=0,
    )
    return widths


def _check_room(partial: Path, needed: int) -> None:
    """Raise an error if the disk has no room for the store."""
    free = shutil.disk_usage(partial.parent).free
    if needed > free:
        raise EcgStoreError(
            f"{partial.parent}: the store needs {needed / 1e6:,.0f} MB and the disk "
            f"has {free / 1e6:,.0f} MB free; make room or choose another folder"
        )


def _write_tables(
    file: h5py.File, journal: Journal, config: Config, patients: Mapping[str, str]
) -> None:
    """Write labels, record columns, header flags and the quarantine."""
    begin = 0
    for block in _blocks(journal.entries(Status.SELECTED)):
        rows = slice(begin, begin + len(block))
        begin += len(block)
        file[schema.LABELS][rows] = config.classes.labels(_codes(block))
        records = file[schema.RECORDS]
        for name in schema.RECORD_TEXTS:
            values = (
                [patient_of(entry, patients) for entry in block]
                if name == "patient_id"
                else [getattr(entry, name) for entry in block]
            )
            _put_texts(records[name], rows, values)
        records["age"][rows] = [
            np.nan if entry.age is None else entry.age for entry in block
        ]
        records["fs_original"][rows] = [entry.fs for entry in block]
        records["n_samples_original"][rows] = [entry.n_samples for entry in block]
        for name in schema.HEADER_FLAGS:
            bits = np.array([getattr(entry, name) for entry in block])
            flags = bits[:, np.newaxis] >> np.arange(N_LEADS) & 1
            file[f"{schema.QUALITY}/{name}"][rows] = flags
    begin = 0
    for block in _blocks(journal.entries(Status.QUARANTINED)):
        rows = slice(begin, begin + len(block))
        begin += len(block)
        for name in schema.QUARANTINE_TEXTS:
            values = [getattr(entry, name) for entry in block]
            _put_texts(file[schema.QUARANTINE][name], rows, values)


def _put_texts(column: h5py.Dataset, rows: slice, values: list[str]) -> None:
    """Write texts into a column of fixed width."""
    column[rows] = encoded(values, column.dtype.itemsize)


def _folds(
    journal: Journal, config: Config, patients: Mapping[str, str]
) -> tuple[NDArray[np.int8], IntArray]:
    """Return the fold of every row, and the first row that holds the same ECG.

    No patient, no ECG and no signal file is in two folds. The journal notes which
    records hold the same ECG, or parts of it.
    """
    n_rows = journal.count(Status.SELECTED)
    # Repeated names share one string, so that a row takes no more than 100 bytes, and
    # 1.1 kB for its signature.
    source, patient = np.empty(n_rows, object), np.empty(n_rows, object)
    sha256 = np.empty(n_rows, "S64")
    signatures = np.empty(n_rows, SIGNATURE)
    labels = np.zeros((n_rows, len(config.classes.classes)), np.uint8)
    begin = 0
    for block in _blocks(journal.entries(Status.SELECTED)):
        rows = slice(begin, begin + len(block))
        begin += len(block)
        source[rows] = [sys.intern(entry.source) for entry in block]
        patient[rows] = [patient_of(entry, patients) for entry in block]
        sha256[rows] = [entry.sha256 for entry in block]
        signatures[rows] = signature_array([entry.signature for entry in block])
        labels[rows] = config.classes.labels(_codes(block))
    same = link_shared_files(journal.entries(Status.SELECTED), same_signals(signatures))
    _note_same_ecg(journal, sha256, same)
    groups = group_records(source, patient, sha256, same)
    return assign_folds(labels, groups, strata=source), same


def _note_same_ecg(
    journal: Journal, sha256: NDArray[np.bytes_], same: IntArray
) -> None:
    """Write into the journal which records hold the same ECG."""
    unknown = np.full(len(same), "")
    groups = group_records(unknown, unknown, sha256, same)
    is_shared = np.bincount(groups)[groups] > 1
    paths: dict[int, list[str]] = {}
    for row, entry in enumerate(journal.entries(Status.SELECTED)):
        if is_shared[row]:
            paths.setdefault(int(groups[row]), []).append(entry.path)
    journal.set_same_ecg(paths.values())


def _codes(block: Iterable[Entry]) -> list[list[str]]:
    """Return the codes of every entry."""
    return [entry.dx.split(",") if entry.dx else [] for entry in block]


def _blocks(items: Iterator[_Item]) -> Iterator[list[_Item]]:
    """Yield the items in lists of `BLOCK_ENTRIES`."""
    while block := list(islice(items, BLOCK_ENTRIES)):
        yield block
