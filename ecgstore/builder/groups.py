"""Deal the rows of a build over folds, and find those that hold the same ECG."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import IntArray, UInt8Array
from ecgstore.builder.blocks import in_blocks
from ecgstore.builder.entry import Found
from ecgstore.builder.journal import Journal
from ecgstore.builder.shared_files import SharedFiles
from ecgstore.config import Config
from ecgstore.label_tables import RecordTables
from ecgstore.signals.same_signal import least_similarity, same_signals
from ecgstore.signals.signature import SIGNATURE, signature_array
from ecgstore.splits import assign_folds, group_records, keep_folds
from ecgstore.storage.format.stored_values import encoded
from ecgstore.system.spilled import spilled

_SHA256_DIGITS: Final = 64


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """What depends on all rows of a build.

    Attributes
    ----------
    folds : ndarray of shape (n_rows,)
        Fold of every row.
    same : ndarray of shape (n_rows,)
        The first row that holds the same ECG.
    signatures : ndarray of shape (n_records,)
        Signature of every record, of `SIGNATURE`.
    """

    folds: NDArray[np.int8]
    same: IntArray
    signatures: NDArray[Any]

    def part(self, rows: slice, records: slice) -> "Groups":
        """Return those of some rows, and of their records, as if there were no more."""
        _, first, number = np.unique(
            self.same[rows], return_index=True, return_inverse=True
        )
        return Groups(self.folds[rows], first[number], self.signatures[records])


def deal(journal: Journal, config: Config, tables: RecordTables) -> Groups:
    """Return fold and ECG of every row.

    No patient, no ECG and no signal file is in two folds, whatever a table says. The
    journal notes which records hold the same ECG, or parts of it, and how many have
    another fold than in the table. All windows of a record are in its fold.

    Parameters
    ----------
    journal : Journal
        A finished scan.
    config : Config
        Options of the build.
    tables : RecordTables
        What is known of the records besides their headers.
    """
    journal.number_entries()
    found, files = _gathered(journal, config, tables)
    signatures = _signatures(journal, len(found.n_rows))
    alike = same_signals(signatures, least_similarity(config.leads))
    same = files.link(alike)
    _note_same_ecg(journal, found.sha256, same)
    groups = group_records(found.source, found.patient, found.sha256, same)
    source, labels, given = found.source, found.labels, found.given
    if found.n_rows.max(initial=0) > 1:
        n_rows = found.n_rows
        first_rows = np.cumsum(n_rows) - n_rows
        same = np.repeat(first_rows[same], n_rows)
        groups, source = np.repeat(groups, n_rows), np.repeat(source, n_rows)
        labels, given = np.repeat(labels, n_rows, axis=0), np.repeat(given, n_rows)
    if config.folds_from is None:
        return Groups(assign_folds(labels, groups, strata=source), same, signatures)
    folds = keep_folds(given, labels, groups, source)
    journal.set_moved_folds(int(((given >= 0) & (folds != given)).sum()))
    return Groups(folds, same, signatures)


@dataclass(frozen=True, slots=True, eq=False)
class _Records:
    """Columns of the selected records: about 250 bytes each, and no Python object."""

    source: NDArray[np.bytes_]
    patient: NDArray[np.bytes_]
    sha256: NDArray[np.bytes_]
    labels: UInt8Array
    given: NDArray[np.int8]
    n_rows: IntArray


def _gathered(
    journal: Journal, config: Config, tables: RecordTables
) -> tuple[_Records, SharedFiles]:
    """Read what folds depend on."""
    files = SharedFiles()
    columns = [_columns([], config, tables)]
    for block in in_blocks(journal.found()):
        files.add(block)
        columns.append(_columns(block, config, tables))
    return _Records(*map(np.concatenate, zip(*columns, strict=True))), files


def _columns(
    records: Sequence[Found], config: Config, tables: RecordTables
) -> tuple[NDArray[Any], ...]:
    """Return the columns of some records."""
    known = [tables.describe(one) for one in records]
    return (
        encoded([one.source for one in records]),
        encoded([one.patient_id for one in known]),
        encoded([one.sha256 for one in records], _SHA256_DIGITS),
        config.classes.labels([one.dx for one in known]),
        np.array([-1 if one.fold is None else one.fold for one in known], np.int8),
        np.array([one.n_rows for one in records], np.int64),
    )


def _signatures(journal: Journal, n_records: int) -> NDArray[Any]:
    """Return the signatures of the selected records, in a file if there are many."""
    signatures = spilled(n_records, SIGNATURE)
    begin = 0
    for block in in_blocks(journal.signatures()):
        signatures[begin : begin + len(block)] = signature_array(block)
        begin += len(block)
    return signatures


def _note_same_ecg(
    journal: Journal, sha256: NDArray[np.bytes_], same: IntArray
) -> None:
    """Write into the journal which records hold the same ECG."""
    unknown = np.full(len(same), b"")
    groups = group_records(unknown, unknown, sha256, same)
    is_shared = np.bincount(groups)[groups] > 1
    paths: dict[int, list[str]] = {}
    if is_shared.any():
        for row, found in enumerate(journal.found()):
            if is_shared[row]:
                paths.setdefault(int(groups[row]), []).append(found.path)
    journal.set_same_ecg(paths.values())
