"""Build a store in four phases, scan, plan, fill and seal; resume a stopped build."""

import json
import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial as bind
from pathlib import Path
from typing import Any, Final

from ecgstore.builder.columns import check_columns
from ecgstore.builder.compilation import compile_kernels
from ecgstore.builder.destination import Destination
from ecgstore.builder.entry import Status
from ecgstore.builder.estimate import announce
from ecgstore.builder.fetched_folders import opened_folders
from ecgstore.builder.fill import PRELOAD
from ecgstore.builder.journal import Journal
from ecgstore.builder.named_destination import destination_of
from ecgstore.builder.none_selected import check_any_selected
from ecgstore.builder.old_rows import OldRows
from ecgstore.builder.one_file import OneFile
from ecgstore.builder.output import Output
from ecgstore.builder.patient_key import PatientKey, default_key_file
from ecgstore.builder.plan import software
from ecgstore.builder.report import ScanReport, make_report
from ecgstore.builder.rows import leave_out
from ecgstore.builder.scan import TASK_HEADERS, Folders, RunScans, scan
from ecgstore.builder.shards.output import Shards
from ecgstore.builder.shards.planning import SHARD_ROWS
from ecgstore.builder.shards.segments import (
    SEGMENT_HEADERS,
    leftover_entries,
    run_scans,
    segments_folder,
)
from ecgstore.builder.totals import Totals
from ecgstore.config import Config
from ecgstore.errors import ConfigError, EcgStoreError, cause_of, require_type
from ecgstore.label_tables import RecordTables, read_tables
from ecgstore.options import to_dict
from ecgstore.reasons import Reason
from ecgstore.storage.format import schema
from ecgstore.system.atomic_files import FULL_DISK
from ecgstore.system.executors import SharedExecutor
from ecgstore.system.identity import require_same
from ecgstore.system.progress import Progress
from ecgstore.system.workers import Workers, number_of_workers, run_tasks

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
    reuse: str | Path | None = None,
    n_workers: int | None = None,
    executor: Executor | None = None,
    shard_rows: int | None = None,
    scratch: str | Path | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> ScanReport:
    """Build a store from folders of records.

    The store gets the name `out` when it is complete. If the build is stopped at any
    time, even killed, the same call resumes it, with the records that the folders hold
    then. The same records and options give the same bytes, for any number of processes
    and on any executor.

    Parameters
    ----------
    sources : str, Path, or sequence of them
        One or more folders with ``.hea`` files and their signals, at any depth; or URLs
        of such folders, or of records: see docs/remote.md.
    out : str or Path
        The store to create, usually ``*.h5``; or its URL in a bucket (s3, gs, az), see
        docs/remote.md.
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
    reuse : str or Path, optional
        An older store, or a collection, with the same options of signals and beats:
        beats and features of records whose signal is in it are copied, not computed,
        which would take most of the time. The new store has the same bytes as without.
        It may be `out` itself, with `overwrite`.
    n_workers : int, optional
        Number of processes; the number of CPU cores if left out. Scripts that use
        more than one must be guarded by ``if __name__ == "__main__":``, as always with
        `multiprocessing`.
    executor : concurrent.futures.Executor, optional
        Where the work is done in place of processes of this machine, such as
        ``client.get_executor()`` of a Dask client. All workers must see the folders and
        the folder of `out` under the same paths, and have the same software. The store
        is then a collection of shards; see docs/scale.md.
    shard_rows : int, optional
        Write a collection of stores with at most so many rows each, in the folder `out`
        with ``.parts``, in place of one file. 8192 if an executor is given.
    scratch : str or Path, optional
        Folder on each machine for one unfinished shard per worker. The system's folder
        for temporary files if left out.
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
        If a folder does not exist, a URL cannot be read, no record is selected, the
        store exists, memory or the disk do not suffice, the partial file of a stopped
        build was made with other options or sources, or `reuse` with other options or
        software.
    SchemaError
        If the store `reuse` is damaged.
    """
    config = Config() if config is None else config
    require_type("config", config, Config, "options, such as ecgstore.Config(fs=250)")
    key = PatientKey(
        Path(os.path.abspath(patient_key or default_key_file())), keep_patient_ids
    )

    @contextmanager
    def open_inputs(final: Path) -> Iterator[Inputs]:
        with opened_folders(sources, quiet=quiet) as folders:
            tables = _tables(folders, config, labels, patients)
            digests = tables.digests()
            # Other machines may have another file of that name, or none.
            of_workers = key if executor is None else key.pinned()
            yield Inputs(
                folders,
                tables,
                {
                    "sources": folders.names,
                    "patients": None if patients is None else digests.pop(0),
                    "labels": digests,
                    "patient_key": key.identity(),
                },
                of_workers,
            )

    destination = destination_of(out)
    return run_build(
        config,
        open_inputs,
        _output(destination, executor, shard_rows, scratch),
        _workers(destination.local, executor, n_workers),
        overwrite=overwrite,
        quiet=quiet,
        reuse=reuse,
    )


def _output(
    destination: Destination,
    executor: Executor | None,
    shard_rows: int | None,
    scratch: str | Path | None,
) -> Output:
    """Return what a build writes: one file, or shards."""
    if shard_rows is None and executor is not None:
        shard_rows = SHARD_ROWS
    if shard_rows is None:
        if scratch is not None:
            raise ConfigError(
                "a scratch folder is for unfinished shards; expected shard_rows "
                "(--shard-rows) or an executor (--dask) beside it"
            )
        return OneFile(destination)
    require_type("shard_rows", shard_rows, int, "a number of rows, such as 8192")
    if shard_rows < 1:
        raise ConfigError(f"shard_rows is {shard_rows}; expected 1 or more")
    folder = None if scratch is None else Path(os.path.abspath(scratch))
    return Shards(destination, shard_rows, folder)


def _workers(final: Path, executor: Executor | None, n_workers: int | None) -> Workers:
    """Return where the work is done."""
    if executor is None:
        return number_of_workers(n_workers)
    if n_workers is not None:
        raise ConfigError(
            "n_workers and executor are given; expected one of them: an executor has "
            "workers of its own"
        )
    return SharedExecutor(executor, _tasks_folder(final))


def _tasks_folder(final: Path) -> Path:
    """Return the folder that workers of an executor share, beside the store."""
    return final.with_name(final.name + ".partial.tasks")


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
    config: Config,
    open_inputs: Callable[[Path], AbstractContextManager[Inputs]],
    output: Output,
    workers: Workers,
    *,
    overwrite: bool,
    quiet: bool,
    reuse: str | Path | None = None,
) -> ScanReport:
    """Build a store; see `build_store`.

    Parameters
    ----------
    config : Config
        Options.
    open_inputs : callable
        Returns a context with the records, once no other build writes the store; its
        argument is the path beside which unfinished files lie.
    output : Output
        What is written.
    workers : int or SharedExecutor
        Where the work is done.
    overwrite, quiet, reuse
        As in `build_store`.
    """
    destination = output.destination
    final = destination.local
    journal_path = final.with_name(final.name + ".partial.scan")
    destination.check()
    output.check_place()
    if not journal_path.exists():
        _check_absent(destination, overwrite)
    destination.prepare(quiet)
    with Journal(journal_path) as journal, _readable_errors(final):
        is_complete = False
        try:
            _remove_leftovers(journal, output)
            # Another build may have ended since this one was called.
            _check_absent(destination, overwrite)
            with (
                OldRows(reuse, config, software()) as old,
                open_inputs(final) as inputs,
            ):
                _claim(journal, output, _identity(config, inputs, output))
                n_processes = number_of_workers(
                    workers if isinstance(workers, int) else None
                )
                compile_kernels(config, n_processes, PRELOAD, quiet)
                report = _run(journal, output, inputs, config, workers, quiet, old)
            _finish(journal, output, overwrite)
            is_complete = True
        finally:
            any_selected = journal.count(Status.SELECTED) > 0
            if is_complete or not (any_selected or output.unfinished.exists()):
                journal.close(remove=True)
                shutil.rmtree(_tasks_folder(final), ignore_errors=True)
                destination.clean()
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
    with opened_folders(sources, quiet=quiet) as folders:
        tables = _tables(folders, config, labels, patients)
        total = _n_headers(folders, config)
        with (
            Journal(None) as journal,
            Progress("select", total, quiet=quiet) as progress,
        ):
            scan(
                journal,
                folders,
                config,
                tables,
                with_signals=False,
                run=bind(
                    run_tasks, workers=number_of_workers(n_workers), preload=PRELOAD
                ),
                on_progress=Totals(progress).add,
            )
            return make_report(journal, config, tables)


def _run(
    journal: Journal,
    output: Output,
    inputs: Inputs,
    config: Config,
    workers: Workers,
    quiet: bool,
    old: OldRows,
) -> ScanReport:
    """Scan, plan and fill, until the output is what the folders hold.

    A scan keeps what an earlier one found about files that are unchanged, and so does a
    plan what was filled, unless something is different from what it was planned for.
    """
    folders, tables = inputs.folders, inputs.tables
    times_changed: Counter[str] = Counter()
    journal.forget_failures()
    is_first = not quiet
    while True:
        n_headers = _n_headers(folders, config)
        if is_first:
            n_workers = workers if isinstance(workers, int) else None
            announce(n_headers, output.room, config, n_workers)
            is_first = False
        _scan(journal, inputs, config, workers, n_headers, quiet)
        for path, count in times_changed.items():
            if count >= _MOST_CHANGES:
                journal.quarantine(path, *_unstable(path))
        check_any_selected(journal, folders, config, tables)
        digest = journal.digest()
        if digest != journal.planned or not output.unfinished.exists():
            output.discard()
            journal.begin_plan(digest)
            output.plan(journal, config, tables)
            old.forget_counts()
        filled = output.fill(journal, folders, config, tables, workers, quiet, old)
        old.count(filled.n_reused, filled.n_damaged)
        if not filled.failures and not filled.changed:
            return make_report(journal, config, tables, old.n_reused, old.warnings())
        for failure in filled.failures:
            detail = folders.shorten(failure.detail)
            if failure.begin is None:
                journal.quarantine(failure.path, failure.reason, detail)
            else:
                leave_out(journal, failure.path, failure.begin, failure.reason, detail)
        journal.forget(filled.changed)
        times_changed.update(filled.changed)


def _scan(
    journal: Journal,
    inputs: Inputs,
    config: Config,
    workers: Workers,
    n_headers: int | None,
    quiet: bool,
) -> None:
    """Bring the journal up to date with the folders."""
    folders = inputs.folders
    run: RunScans = bind(run_tasks, workers=workers, preload=PRELOAD)
    task_headers = TASK_HEADERS
    if isinstance(workers, SharedExecutor):
        segments = segments_folder(workers, journal.identity or "")
        run = bind(run_scans, segments, workers, config, folders)
        task_headers = SEGMENT_HEADERS
        for entries in leftover_entries(segments):
            journal.add(entries)
    with Progress("scan", n_headers, quiet=quiet) as progress:
        scan(
            journal,
            folders,
            config,
            inputs.tables,
            with_signals=True,
            patient_key=inputs.patient_key,
            run=run,
            task_headers=task_headers,
            on_progress=Totals(progress).add,
        )


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


def _finish(journal: Journal, output: Output, overwrite: bool) -> None:
    """Complete the output, and give it its final name."""
    journal.begin_seal()
    try:
        output.finish(journal, overwrite)
    except FileExistsError as error:
        raise EcgStoreError(
            f"{output.destination}: was made by another program during this build, "
            f"whose result is {output.unfinished.name}; to replace the store by it, "
            "run the same command again with --overwrite"
        ) from error


def _check_absent(destination: Destination, overwrite: bool) -> None:
    """Check that no store would be lost."""
    if not overwrite and destination.exists():
        raise EcgStoreError(
            f"{destination}: exists already; choose another output, or replace it with "
            "--overwrite"
        )


def _remove_leftovers(journal: Journal, output: Output) -> None:
    """Remove what a build left that was killed before it could clean up."""
    destination = output.destination
    shutil.rmtree(spool_folder(destination.local), ignore_errors=True)
    output.remove_leftovers(journal)
    is_over = journal.is_sealed and not output.unfinished.exists()
    if is_over and destination.exists():
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


def _identity(config: Config, inputs: Inputs, output: Output) -> str:
    """Return, as JSON, the settings that must be equal to resume a stopped build."""
    return json.dumps(
        {
            **inputs.identity,
            **output.identity,
            "options": to_dict(config),
            "format_version": schema.FORMAT.version,
            "software": software(),
        },
        sort_keys=True,
    )


def _claim(journal: Journal, output: Output, identity: str) -> None:
    """Begin a build, or check that the stopped build had the same settings."""
    before = journal.identity
    if before == identity:
        return
    unfinished = _unfinished(output.destination)
    if unfinished is None:  # nothing is written yet, so nothing can be mixed
        journal.begin(identity)
    elif before is None:
        raise EcgStoreError(
            f"{unfinished}: left by an unfinished build whose journal "
            f"({journal.path}) is gone; delete it to start again"
        )
    else:
        require_same(
            f"{unfinished}, an unfinished build",
            _parsed(before),
            json.loads(identity),
            "repeat its command to resume it, or delete it to start again",
        )


def _unfinished(destination: Destination) -> Path | None:
    """Return what a stopped build left, of one file or of shards."""
    outputs: tuple[Output, ...] = (
        OneFile(destination),
        Shards(destination, SHARD_ROWS, None),
    )
    for output in outputs:
        if output.unfinished.exists():
            return output.unfinished
    return None


def _parsed(identity: str) -> dict[str, Any]:
    """Return the settings in an identity; none if it is unreadable."""
    try:
        return dict(json.loads(identity))
    except (TypeError, ValueError):
        return {}
