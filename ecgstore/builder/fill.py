"""Third phase of a build: preprocess records and write their rows, in any order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np

from ecgstore.arrays import FloatArray, UInt8Array
from ecgstore.beats import Beats
from ecgstore.builder.changes import content_checksum, is_unchanged
from ecgstore.builder.entry import Entry
from ecgstore.builder.pieces import OnePass
from ecgstore.builder.rows import Row
from ecgstore.builder.writer import RowWriter
from ecgstore.config import Config
from ecgstore.errors import RecordError, out_of_memory
from ecgstore.features import measure as measure_features
from ecgstore.record import lead_rows
from ecgstore.signals.preprocess import first_seconds
from ecgstore.signals.quality import Quality, measure
from ecgstore.signals.stored_form import (
    StoredForm,
    leads_to_leave_out,
    span_to_store,
    stored_form,
)
from ecgstore.sources import leads_of_build, open_record
from ecgstore.storage.format import schema
from ecgstore.storage.format.hdf5 import read_config
from ecgstore.storage.format.integrity import block_checksums, row_checksum

BLOCK_ROWS: Final = 16
"""Rows per task: a few MB, which are synced to the disk before they are marked done."""


@dataclass(frozen=True, slots=True)
class Block:
    """A task: numbers of consecutive rows, and what the scan found about them."""

    numbers: range
    rows: list[Row]


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
    """The outcome of filling a block of rows.

    Attributes
    ----------
    n_rows, n_bytes : int
        Size of the block.
    failures : list of Failure
        Records that cannot be used.
    changed : list of str
        Paths of records that are no longer what the scan found.
    """

    n_rows: int
    n_bytes: int
    failures: list[Failure] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)


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
    """

    def __init__(self, partial: Path, base: Path) -> None:
        self._base = base
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
        """Close the partial file."""
        self._writer.close()

    def __call__(self, task: Block) -> Filled:
        """Fill consecutive rows and mark them as done."""
        rows = task.numbers
        block = {
            path: np.zeros((len(rows), *shape), dtype)
            for path, (dtype, shape) in self._specs.items()
        }
        failures: list[Failure] = []
        changed: list[str] = []
        of_record = groupby(enumerate(task.rows), lambda item: item[1].entry)
        for entry, group in of_record:
            members = [*group]
            failed: list[Failure] = []
            try:
                is_same = self._fill(entry, members, block, failed)
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
        if not failures and not changed:
            # Rows count as done only when their data cannot be lost any more.
            self._writer.sync()
            state[...] = 1
            self._writer.write(schema.STATE, rows.start, state)
        return Filled(len(rows), block[schema.SIGNALS].nbytes, failures, changed)

    def _fill(
        self,
        entry: Entry,
        members: Sequence[tuple[int, Row]],
        block: dict[str, Any],
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
                self._fill_row(position, samples, span.n_before, fs, block)
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
        measured = measure_features(prepared, config)
        _put_beats(position, measured.beats, block)
        block[schema.FEATURES][position] = measured.row
        window = first_seconds(samples[:, n_before:], fs, config.duration_s)
        quality = measure(window, fs)
        for name, value in self._quality(quality, prepared, measured.beats).items():
            per_lead = np.ndim(value) > 0
            block[f"{schema.QUALITY}/{name}"][position] = (
                value[kept] if per_lead else value
            )

    def _quality(
        self, quality: Quality, prepared: StoredForm, beats: Beats
    ) -> dict[str, Any]:
        """Return the row of every dataset in `/quality` but the header's flags."""
        values = {name: getattr(quality, name) for name in quality.__slots__}
        values["saturated_fraction"] = prepared.saturated
        values[schema.PAD_LENGTH] = self._config.n_samples - prepared.n_real_samples
        values[schema.BEATS_STATUS] = int(beats.status)
        return values


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
    """Set the beats of one row; unused places are -1."""
    n_beats = len(beats.r_peaks)
    block[schema.R_PEAKS][position] = -1
    block[schema.R_PEAKS][position, :n_beats] = beats.r_peaks
    block[schema.FIDUCIALS][position] = -1
    block[schema.FIDUCIALS][position, :, :n_beats] = beats.fiducials
