"""Build a store in four phases, scan, plan, fill and seal; resume a stopped build."""

import json
import os
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from functools import partial as bind
from itertools import islice
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np

from ecgstore.builder.columns import check_columns
from ecgstore.builder.compilation import compile_kernels
from ecgstore.builder.entry import Status
from ecgstore.builder.fill import Block, Failure, Filler, blocks_to_do
from ecgstore.builder.journal import Journal
from ecgstore.builder.none_selected import check_any_selected
from ecgstore.builder.patient_key import PatientKey, default_key_file
from ecgstore.builder.plan import plan, software, unfinished_plan
from ecgstore.builder.report import ScanReport, make_report
from ecgstore.builder.rows import leave_out, stored_rows
from ecgstore.builder.scan import Folders, scan
from ecgstore.builder.seal import seal
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError, cause_of, require_type
from ecgstore.label_tables import RecordTables, read_tables
from ecgstore.options import to_dict
from ecgstore.reasons import Reason
from ecgstore.storage.format import schema
from ecgstore.system.atomic_files import FULL_DISK, is_same_file
from ecgstore.system.identity import require_same
from ecgstore.system.progress import Progress
from ecgstore.system.workers import number_of_workers, run_tasks

_PRELOAD: Final = ("ecgstore.builder.scan", "ecgstore.builder.fill")
"""Modules that worker processes need for scanning and filling."""

_MOST_CHANGES: Final = 3
"""How often a record may be different from the scan before it is left out."""


def build_store(
    sources: str | Path | Sequence[str | Path],
    out: str | Path,
    config: Config | None = None,
    *,
    labels: str | Path | Iterable[str | Path] = (),
    patients: str | Path | None = None,
    patient_key: str | Path | None = None,
    keep_patient_ids: bool = False,
    n_workers: int | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> ScanReport:
    """Build a store from folders of records.

    The store gets the name `out` when it is complete. If the build is stopped at any
    time, even killed, the same call resumes it, with the records that the folders hold
    then. The same records and options give the same bytes, for any number of processes.

    Parameters
    ----------
    sources : str, Path, or sequence of them
        One or more folders with ``.hea`` files and their signals, at any depth.
    out : str or Path
        The store to create, usually ``*.h5``.
    config : Config, optional
        Options; the defaults if left out.
    labels : str, Path, or iterable of them
        Tables of labels, patients, folds and other columns: see docs/labels.md.
    patients : str or Path, optional
        A table from which only patients are read: the columns ``record_id`` or
        ``ecg_id``, and ``patient_id``.
    patient_key : str or Path, optional
        File with the key that makes patient_ids of the numbers that patients have in
        hospitals; created if it does not exist. Left out: the user's own.
    keep_patient_ids : bool
        Store these numbers as they are.
    n_workers : int, optional
        Number of processes; the number of CPU cores if left out. Scripts that use
        more than one must be guarded by ``if __name__ == "__main__":``, as always with
        `multiprocessing`.
    overwrite : bool
        Replace an existing store when the new one is complete.
    quiet : bool
        Show no progress.

    Returns
    -------
    ScanReport
        Numbers of the records found, selected and left out.

    Raises
    ------
    EcgStoreError
        If a folder does not exist, no record is selected, the store exists, memory or
        the disk do not suffice, or the partial file of a stopped build was made with
        other options or sources.
    """
    config = Config() if config is None else config
    require_type("config", config, Config, "options, such as ecgstore.Config(fs=250)")
    folders = Folders.of(sources)
    key = PatientKey(
        Path(os.path.abspath(patient_key or default_key_file())), keep_patient_ids
    )

    @contextmanager
    def open_inputs(final: Path) -> Iterator[Inputs]:
        tables = _tables(folders, config, labels, patients)
        digests = tables.digests()
        yield Inputs(
            folders,
            tables,
            {
                "sources": [str(root) for root in folders.roots],
                "patients": None if patients is None else digests.pop(0),
                "labels": digests,
                "patient_key": key.identity(),
            },
            key,
        )

    return run_build(
        out, config, open_inputs, n_workers=n_workers, overwrite=overwrite, quiet=quiet
    )


@dataclass(frozen=True, slots=True)
class Inputs:
    """The records of a build.

    Attributes
    ----------
    folders : Folders
        Where they are.
    tables : RecordTables
        What is known of them besides their headers.
    identity : Mapping
        What must be equal to resume a stopped build, besides options and software.
    patient_key : PatientKey, optional
        Makes patient_ids of the numbers of hospitals.
    """

    folders: Folders
    tables: RecordTables
    identity: Mapping[str, Any]
    patient_key: PatientKey | None = None


def run_build(
    out: str | Path,
    config: Config,
    open_inputs: Callable[[Path], AbstractContextManager[Inputs]],
    *,
    n_workers: int | None,
    overwrite: bool,
    quiet: bool,
) -> ScanReport:
    """Build a store; see `build_store`.

    Parameters
    ----------
    out : str or Path
        The store to create.
    config : Config
        Options.
    open_inputs : callable
        Returns a context with the records, once no other build writes the store; its
        argument is the store's absolute path.
    n_workers : int or None
        Number of processes.
    overwrite, quiet : bool
        As in `build_store`.
    """
    final = Path(os.path.abspath(out))
    partial = final.with_name(final.name + ".partial")
    journal_path = final.with_name(final.name + ".partial.scan")
    _check_place(final)
    if not journal_path.exists():
        _check_absent(final, overwrite)
    with Journal(journal_path) as journal, _readable_errors(final):
        is_complete = False
        try:
            _remove_leftovers(journal, partial, final)
            # Another build may have ended since this one was called.
            _check_absent(final, overwrite)
            with open_inputs(final) as inputs:
                _claim(journal, partial, _identity(config, inputs))
                n_processes = number_of_workers(n_workers)
                compile_kernels(config, n_processes, _PRELOAD, quiet)
                report = _run(journal, partial, inputs, config, n_processes, quiet)
            _seal(journal, partial, final, overwrite)
            is_complete = True
        finally:
            any_selected = journal.count(Status.SELECTED) > 0
            if is_complete or not (any_selected or partial.exists()):
                journal.close(remove=True)
    return report


def spool_folder(final: Path) -> Path:
    """Return the folder for records that a program gives, beside the store."""
    return final.with_name(final.name + ".partial.spool")


@contextmanager
def _readable_errors(final: Path) -> Iterator[None]:
    """Convert errors of a full disk or a damaged file to errors with advice."""
    try:
        yield
    except MemoryError as error:
        raise EcgStoreError(
            f"{final}: memory ran out; run the same command again with fewer workers "
            "to resume"
        ) from error
    except (OSError, sqlite3.Error) as error:
        number = getattr(error, "errno", None)
        # SQLite does not tell a quota or a limit of size from a disk that fails.
        is_unclear = getattr(error, "sqlite_errorname", "") == "SQLITE_IOERR_WRITE"
        if number in FULL_DISK or is_unclear or "disk is full" in str(error):
            problem = "is full or fails" if is_unclear else "is full"
            raise EcgStoreError(
                f"{final.parent}: the disk {problem}; make room and run the same "
                "command again to resume"
            ) from error
        if number is not None:
            raise
        # Errors of HDF5 and SQLite, which have no number, do not name the file.
        raise EcgStoreError(
            f"{final.name}.partial: cannot be used ({cause_of(error)}); delete "
            f"{final}.partial* to start again"
        ) from error


def survey(
    sources: str | Path | Sequence[str | Path],
    config: Config | None = None,
    *,
    labels: str | Path | Iterable[str | Path] = (),
    patients: str | Path | None = None,
    n_workers: int | None = None,
    quiet: bool = False,
) -> ScanReport:
    """Count the records that a build would select, from the headers alone.

    Writes nothing.

    Parameters are those of `build_store`.
    """
    config = Config() if config is None else config
    require_type("config", config, Config, "options, such as ecgstore.Config(fs=250)")
    folders = Folders.of(sources)
    tables = _tables(folders, config, labels, patients)
    total = _n_headers(folders, config)
    with Journal(None) as journal, Progress("select", total, quiet=quiet) as progress:
        scan(
            journal,
            folders,
            config,
            tables,
            with_signals=False,
            n_workers=number_of_workers(n_workers),
            preload=_PRELOAD,
            on_progress=_totals(progress),
        )
        return make_report(journal, config, tables)


def _run(
    journal: Journal,
    partial: Path,
    inputs: Inputs,
    config: Config,
    n_workers: int,
    quiet: bool,
) -> ScanReport:
    """Scan, plan and fill, until the partial file is what the folders hold.

    A scan keeps what an earlier one found about files that are unchanged, and so does a
    plan what was filled, unless something is different from what it was planned for.
    """
    folders, tables = inputs.folders, inputs.tables
    times_changed: Counter[str] = Counter()
    journal.forget_failures()
    while True:
        with Progress("scan", _n_headers(folders, config), quiet=quiet) as progress:
            scan(
                journal,
                folders,
                config,
                tables,
                with_signals=True,
                patient_key=inputs.patient_key,
                n_workers=n_workers,
                preload=_PRELOAD,
                on_progress=_totals(progress),
            )
        for path, count in times_changed.items():
            if count >= _MOST_CHANGES:
                journal.quarantine(path, *_unstable(path))
        check_any_selected(journal, folders, config, tables)
        digest = journal.digest()
        if digest != journal.planned or not partial.exists():
            partial.unlink(missing_ok=True)
            journal.begin_plan(digest)
            plan(journal, partial, config, tables)
        failures, changed = _fill(journal, partial, folders, n_workers, quiet)
        if not failures and not changed:
            return make_report(journal, config, tables)
        for failure in failures:
            detail = folders.shorten(failure.detail)
            if failure.begin is None:
                journal.quarantine(failure.path, failure.reason, detail)
            else:
                leave_out(journal, failure.path, failure.begin, failure.reason, detail)
        journal.forget(changed)
        times_changed.update(changed)


def _unstable(path: str) -> tuple[Reason, str]:
    """Return reason and detail of a record that does not stay the same."""
    return (
        Reason.CHANGED_DURING_BUILD,
        f"{path}: was not what the scan had found, {_MOST_CHANGES} times",
    )


def _n_headers(folders: Folders, config: Config) -> int | None:
    """Return the number of headers to scan; None if a limit ends the scan."""
    if config.limit:
        return None
    return sum(1 for _ in folders.headers(lambda path, problem: None))


def _fill(
    journal: Journal, partial: Path, folders: Folders, n_workers: int, quiet: bool
) -> tuple[list[Failure], list[str]]:
    """Fill the rows that are not done, up to the first record that has changed.

    Returns
    -------
    failures : list of Failure
        The records that failed.
    changed : list of str
        Paths of records that are not what the scan found.
    """
    with h5py.File(partial, "r", locking=False) as file:
        state = file[schema.STATE][...]
    failures: list[Failure] = []
    done = int(np.count_nonzero(state))
    make_worker: Callable[[], Filler] = bind(Filler, partial, folders.base)
    blocks = _with_records(journal, blocks_to_do(state))
    results = run_tasks(make_worker, blocks, n_workers, _PRELOAD)
    with (
        Progress("fill", len(state), done=done, quiet=quiet) as progress,
        closing(results),
    ):
        on_progress = _totals(progress)
        for filled in results:
            failures += filled.failures
            on_progress(filled.n_rows, filled.n_bytes, len(filled.failures))
            if filled.changed:
                return failures, filled.changed
    return failures, []


def _with_records(journal: Journal, blocks: Iterable[range]) -> Iterator[Block]:
    """Yield blocks of rows with what was found about their records."""
    rows_of_store = stored_rows(journal)
    position = 0
    for numbers in blocks:
        n_done = numbers.start - position
        yield Block(numbers, [*islice(rows_of_store, n_done, n_done + len(numbers))])
        position = numbers.stop


def _seal(journal: Journal, partial: Path, final: Path, overwrite: bool) -> None:
    """Complete the partial file, and give it its final name."""
    journal.begin_seal()
    try:
        seal(partial, final, overwrite=overwrite)
    except FileExistsError as error:
        raise EcgStoreError(
            f"{final}: was made by another program during this build, whose result is "
            f"{partial.name}; to replace the store by it, run the same command again "
            "with --overwrite"
        ) from error


def _totals(progress: Progress) -> Callable[[int, int, int], None]:
    """Return a callback that shows finished records, their bytes and the quarantine."""
    began = time.monotonic()
    n_bytes = n_quarantined = 0

    def on_progress(n_records: int, new_bytes: int, newly_quarantined: int) -> None:
        nonlocal n_bytes, n_quarantined
        n_bytes += new_bytes
        n_quarantined += newly_quarantined
        megabytes_per_second = n_bytes / 1e6 / max(time.monotonic() - began, 1e-9)
        progress.update(
            n_records,
            f"{n_quarantined} quarantined, {megabytes_per_second:.1f} MB/s",
        )

    return on_progress


def _check_place(final: Path) -> None:
    """Check that there can be a file of that name."""
    if not final.parent.is_dir():
        raise EcgStoreError(
            f"{final.parent}: no such folder; create it, or choose another output"
        )
    if final.is_dir():
        raise EcgStoreError(f"{final}: is a folder; expected the name of a file")


def _check_absent(final: Path, overwrite: bool) -> None:
    """Check that no store would be lost."""
    if os.path.lexists(final) and not overwrite:
        raise EcgStoreError(
            f"{final}: exists already; choose another output, or replace it with "
            "--overwrite"
        )


def _remove_leftovers(journal: Journal, partial: Path, final: Path) -> None:
    """Remove what a build left that was killed before it could clean up."""
    unfinished_plan(partial).unlink(missing_ok=True)
    shutil.rmtree(spool_folder(final), ignore_errors=True)
    if is_same_file(partial, final):  # it has both names: the store is complete
        partial.unlink()
    if journal.is_sealed and final.exists() and not partial.exists():
        journal.begin("")


def _tables(
    folders: Folders,
    config: Config,
    labels: str | Path | Iterable[str | Path],
    patients: str | Path | None,
) -> RecordTables:
    """Read the tables of a build, and check that a store can have their columns."""
    check_columns(config)
    return read_tables(config, labels=labels, patients=patients, base=str(folders.base))


def _identity(config: Config, inputs: Inputs) -> str:
    """Return, as JSON, the settings that must be equal to resume a stopped build."""
    return json.dumps(
        {
            **inputs.identity,
            "options": to_dict(config),
            "format_version": schema.FORMAT.version,
            "software": software(),
        },
        sort_keys=True,
    )


def _claim(journal: Journal, partial: Path, identity: str) -> None:
    """Begin a build, or check that the stopped build had the same settings."""
    before = journal.identity
    if before == identity:
        return
    if not partial.exists():  # nothing is written yet, so nothing can be mixed
        journal.begin(identity)
    elif before is None:
        raise EcgStoreError(
            f"{partial}: left by an unfinished build whose journal "
            f"({journal.path}) is gone; delete it to start again"
        )
    else:
        require_same(
            f"{partial}, an unfinished build",
            _parsed(before),
            json.loads(identity),
            "repeat its command to resume it, or delete it to start again",
        )


def _parsed(identity: str) -> dict[str, Any]:
    """Return the settings in an identity; none if it is unreadable."""
    try:
        return dict(json.loads(identity))
    except (TypeError, ValueError):
        return {}
