"""Third phase of a build: preprocess records and write their rows, in any order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np

from ecgstore.arrays import FloatArray, IntArray, UInt8Array
from ecgstore.beats import Beats
from ecgstore.builder.changes import content_checksum, is_unchanged
from ecgstore.builder.entry import Entry
from ecgstore.builder.old_values import OldBlock, OldStore, OldValues
from ecgstore.builder.pieces import OnePass
from ecgstore.builder.rows import Row
from ecgstore.builder.writer import RowWriter
from ecgstore.config import Config
from ecgstore.errors import RecordError, out_of_memory
from ecgstore.features import measure as measure_features
from ecgstore.record import lead_rows
from ecgstore.signals.preprocess import first_seconds
from ecgstore.signals.quality import measure
from ecgstore.signals.stored_form import (
    leads_to_leave_out,
    span_to_store,
    stored_form,
)
from ecgstore.sources import leads_of_build, open_record
from ecgstore.storage.format import schema
from ecgstore.storage.format.hdf5 import read_config
from ecgstore.storage.format.integrity import block_checksums, row_checksum

PRELOAD: Final = ("ecgstore.builder.scan", "ecgstore.builder.fill")
"""Modules that worker processes need for scanning and filling."""

BLOCK_ROWS: Final = 16
"""Rows per task: a few MB, which are synced to the disk before they are marked done."""


@dataclass(frozen=True, slots=True)
class Block:
    """A task: numbers of consecutive rows, and what the scan found about them.

    Attributes
    ----------
    numbers : range
        Numbers of the rows.
    rows : list of Row
        The rows.
    old : ndarray of shape (n_rows,)
        For each a row of the older store that is copied from, or -1.
    """

    numbers: range
    rows: list[Row]
    old: IntArray


@dataclass(frozen=True, slots=True)
class Failure:
    """A record that passed the scan and failed afterwards.

    If only one of its windows did, `begin` is its first sample.
    """

    path: str
    reason: str
    detail: str
    begin: int | None = None


@dataclass(frozen=True, slots=True)
class Filled:
    """The outcome of filling rows.

    Attributes
    ----------
    n_rows, n_bytes : int
        Number of the rows, and bytes of their signals.
    failures : list of Failure
        Records that cannot be used.
    changed : list of str
        Paths of records that are no longer what the scan found.
    n_reused, n_damaged : int
        As in `OldBlock`; 0 if the block is not done.
    """

    n_rows: int
    n_bytes: int
    failures: list[Failure] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    n_reused: int = 0
    n_damaged: int = 0

    def __add__(self, other: "Filled") -> "Filled":
        """Return the outcome of filling both."""
        return Filled(
            self.n_rows + other.n_rows,
            self.n_bytes + other.n_bytes,
            self.failures + other.failures,
            self.changed + other.changed,
            self.n_reused + other.n_reused,
            self.n_damaged + other.n_damaged,
        )


class Filler:
    """Fill blocks of rows of a partial file.

    The bytes written depend on the partial file, the block and the records alone, so
    any process on any machine that can read both can fill a block, also repeatedly. A
    block counts as done only if all its records are still the ones that were scanned.

    Parameters
    ----------
    partial : Path
        The planned file.
    base : Path
        The folder below which the paths in `/records/path` begin.
    old : OldStore, optional
        An older store from which beats and features are copied; the bytes written are
        the same without it.
    can_resume : bool
        Wait for the disk after each block, so that a later build can go on from it.
    """

    def __init__(
        self,
        partial: Path,
        base: Path,
        old: OldStore | None = None,
        *,
        can_resume: bool = True,
    ) -> None:
        self._base = base
        self._old = None if old is None else OldValues(old)
        self._can_resume = can_resume
        with h5py.File(partial, "r", locking=False) as file:
            self._config = read_config(file, partial)
            self._leads = leads_of_build(self._config)
            self._rows_of_leads = lead_rows(self._config.leads)
            self._specs = {
                path: (file[path].dtype, file[path].shape[1:])
                for path in written_by_fill(self._config)
            }
            self._writer = RowWriter(partial, file, self._specs)

    def close(self) -> None:
        """Close the partial file and the older store."""
        self._writer.close()
        if self._old is not None:
            self._old.close()

    def __call__(self, task: Block) -> Filled:
        """Fill consecutive rows and mark them as done."""
        rows = task.numbers
        block = {
            path: np.zeros((len(rows), *shape), dtype)
            for path, (dtype, shape) in self._specs.items()
        }
        # Read here: a problem of the older store is none of a record.
        old = None if self._old is None else self._old.of_block(task.old)
        failures: list[Failure] = []
        changed: list[str] = []
        of_record = groupby(enumerate(task.rows), lambda item: item[1].entry)
        for entry, group in of_record:
            members = [*group]
            failed: list[Failure] = []
            try:
                is_same = self._fill(entry, members, block, old, failed)
            except MemoryError as error:
                raise out_of_memory(entry.path) from error
            except Exception as error:  # a defect of ecgstore must not stop a build
                failure = RecordError.of(error)
                failed = [Failure(entry.path, failure.reason, failure.detail)]
                is_same = True
            # Looked at last: what is the same now was the same while it was read.
            if not (is_same and is_unchanged(self._base, entry)):
                changed.append(entry.path)
            else:
                failures += failed
        state = block.pop(schema.STATE)
        for path, values in block.items():
            self._writer.write(path, rows.start, values)
        filled = Filled(len(rows), block[schema.SIGNALS].nbytes, failures, changed)
        if failures or changed:
            return filled
        # Rows count as done only when their data cannot be lost any more.
        if self._can_resume:
            self._writer.sync()
        state[...] = 1
        self._writer.write(schema.STATE, rows.start, state)
        if old is None:
            return filled
        return replace(filled, n_reused=old.n_reused, n_damaged=old.n_damaged)

    def _fill(
        self,
        entry: Entry,
        members: Sequence[tuple[int, Row]],
        block: dict[str, Any],
        old: OldBlock | None,
        failures: list[Failure],
    ) -> bool:
        """Compute the rows of one record, which is read once.

        Parameters
        ----------
        entry : Entry
            The record.
        members : sequence of (int, Row)
            Position in the block, and row, in the order of time.
        block : dict
            The rows of every dataset.
        old : OldBlock or None
            Rows of an older store.
        failures : list
            Gets windows that fail; the others are filled.

        Returns
        -------
        bool
            False if the record has changed.
        """
        header, signal = open_record(self._base / entry.path, self._leads)
        n_samples, fs = signal.n_samples, header.fs
        spans = [
            span_to_store(row.window.begin, n_samples, fs, self._config)
            for _, row in members
        ]
        one_pass = OnePass(signal, spans[0].first, max(span.end for span in spans))
        for (position, row), span in zip(members, spans, strict=True):
            samples = one_pass.read(span.first, span.end)
            content = content_checksum(header, n_samples, samples)
            if content != row.window.content:
                return False
            try:
                self._fill_row(position, samples, span.n_before, fs, block, old)
            except MemoryError:
                raise
            except Exception as error:
                if self._config.windows is None:
                    raise
                failure = RecordError.of(error)
                failures.append(
                    Failure(entry.path, failure.reason, failure.detail, span.begin)
                )
        return True

    def _fill_row(
        self,
        position: int,
        samples: FloatArray,
        n_before: int,
        fs: float,
        block: dict[str, Any],
        old: OldBlock | None,
    ) -> None:
        """Compute one row of every dataset from the samples that it is made of."""
        config = self._config
        missing = leads_to_leave_out(samples[:, n_before:], fs, config)
        prepared = stored_form(
            samples, fs, config, missing_leads=missing, n_before=n_before
        )
        kept = self._rows_of_leads
        block[schema.SIGNALS][position] = prepared.values[kept]
        stored = block[schema.SIGNALS][position]
        block[schema.CHECKSUMS][position] = row_checksum(stored)
        block[schema.BLOCK_CHECKSUMS][position] = block_checksums(stored)
        padding = config.n_samples - prepared.n_real_samples
        if old is None or not old.copy(position, stored, padding, missing, block):
            measured = measure_features(prepared, config)
            _put_beats(position, measured.beats, block)
            block[schema.FEATURES][position] = measured.row
        window = first_seconds(samples[:, n_before:], fs, config.duration_s)
        quality = measure(window, fs)
        values = {name: getattr(quality, name) for name in quality.__slots__}
        values["saturated_fraction"] = prepared.saturated
        values[schema.PAD_LENGTH] = padding
        for name, value in values.items():
            per_lead = np.ndim(value) > 0
            block[f"{schema.QUALITY}/{name}"][position] = (
                value[kept] if per_lead else value
            )


def written_by_fill(config: Config) -> list[str]:
    """Return the paths of the datasets whose rows are written by filling."""
    specs = schema.row_specs(
        config,
        0,
        dict.fromkeys(schema.RECORD_TEXTS, 0),
        features=[],
        beats_status={},
    )
    return [spec.path for spec in specs if spec.by_fill]


def blocks_to_do(state: UInt8Array) -> Iterator[range]:
    """Yield blocks of consecutive rows that are not filled yet.

    Examples
    --------
    >>> [*blocks_to_do(np.array([0, 1, 0, 0], np.uint8))]
    [range(0, 1), range(2, 4)]
    """
    rows = np.flatnonzero(state == 0)
    for run in np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1):
        for begin in range(0, len(run), BLOCK_ROWS):
            block = run[begin : begin + BLOCK_ROWS]
            yield range(int(block[0]), int(block[-1]) + 1)


def _put_beats(position: int, beats: Beats, block: dict[str, Any]) -> None:
    """Set the beats of one row and their status; unused places are -1."""
    block[f"{schema.QUALITY}/{schema.BEATS_STATUS}"][position] = int(beats.status)
    n_beats = len(beats.r_peaks)
    block[schema.R_PEAKS][position] = -1
    block[schema.R_PEAKS][position, :n_beats] = beats.r_peaks
    block[schema.FIDUCIALS][position] = -1
    block[schema.FIDUCIALS][position, :, :n_beats] = beats.fiducials
