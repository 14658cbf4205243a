"""Build a store in four phases, scan, plan, fill and seal; resume a stopped build."""

import errno
import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial as bind
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np

from ecgstore.builder.fill import Failure, Filler, blocks_to_do
from ecgstore.builder.journal import Journal, Status, remove
from ecgstore.builder.plan import plan, software
from ecgstore.builder.report import ScanReport, make_report
from ecgstore.builder.scan import Folders, scan, unchanged
from ecgstore.builder.seal import seal
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError
from ecgstore.sources import HEADER_FILES, describe_unreadable
from ecgstore.splits import read_patients
from ecgstore.storage.format import schema
from ecgstore.system.identity import require_same
from ecgstore.system.progress import Progress
from ecgstore.system.workers import run_tasks

_PRELOAD: Final = ("ecgstore.builder.scan", "ecgstore.builder.fill")
"""Modules that worker processes need for scanning and filling."""


def build_store(
    sources: Sequence[str | Path],
    out: str | Path,
    config: Config | None = None,
    *,
    patients: str | Path | None = None,
    n_workers: int | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> ScanReport:
    """Build a store from folders of records.

    The store gets the name `out` when it is complete. If the build is stopped at any
    time, even killed, the same call resumes it. The same records and options give the
    same bytes, for any number of processes.

    Parameters
    ----------
    sources : sequence of str or Path
        Folders with ``.hea`` files and their signals, at any depth.
    out : str or Path
        The store to create, usually ``*.h5``.
    config : Config, optional
        Options; the defaults if left out.
    patients : str or Path, optional
        CSV file with the columns ``record_id`` or ``ecg_id``, and ``patient_id``.
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
        If a folder does not exist, no record is selected, the store exists, or the
        partial file of a stopped build was made with other options or sources.
    """
    config = config or Config()
    folders = Folders.of(sources)
    final = Path(os.path.abspath(out))
    _check_out(final, overwrite)
    patient_ids = {} if patients is None else read_patients(patients)
    partial = final.with_name(final.name + ".partial")
    journal_path = final.with_name(final.name + ".partial.scan")
    is_resumable = True
    try:
        with Journal(journal_path) as journal, _readable_errors(final):
            _claim(journal, partial, _identity(folders, config, patient_ids))
            try:
                n_workers = n_workers or os.cpu_count() or 1
                report = _run(
                    journal,
                    partial,
                    final,
                    folders,
                    config,
                    patient_ids,
                    n_workers,
                    quiet,
                )
                is_resumable = False
            finally:
                any_selected = journal.count(Status.SELECTED) > 0
                is_resumable = is_resumable and (any_selected or partial.exists())
    finally:
        if not is_resumable:
            remove(journal_path)
    return report


@contextmanager
def _readable_errors(final: Path) -> Iterator[None]:
    """Convert errors of a full disk or a damaged file to errors with advice."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        number = getattr(error, "errno", None)
        full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        if number in full or "disk is full" in str(error):
            raise EcgStoreError(
                f"{final.parent}: the disk is full; make room and run the same command "
                "again to resume"
            ) from error
        if number is not None:
            raise
        # Errors of HDF5 and SQLite, which have no number, do not name the file.
        raise EcgStoreError(
            f"{final.name}.partial: cannot be used ({error}); delete {final}.partial* "
            "to start again"
        ) from error


def survey(
    sources: Sequence[str | Path],
    config: Config | None = None,
    *,
    patients: str | Path | None = None,
    n_workers: int | None = None,
    quiet: bool = False,
) -> ScanReport:
    """Count the records that a build would select, from the headers alone.

    Writes nothing.

    Parameters are those of `build_store`.
    """
    config = config or Config()
    folders = Folders.of(sources)
    patient_ids = {} if patients is None else read_patients(patients)
    total = _n_headers(folders, config)
    with Journal(None) as journal, Progress("select", total, quiet=quiet) as progress:
        scan(
            journal,
            folders,
            config,
            with_signals=False,
            n_workers=n_workers or os.cpu_count() or 1,
            preload=_PRELOAD,
            on_progress=_totals(progress),
        )
        return make_report(journal, config, patient_ids)


def _run(
    journal: Journal,
    partial: Path,
    final: Path,
    folders: Folders,
    config: Config,
    patients: Mapping[str, str],
    n_workers: int,
    quiet: bool,
) -> ScanReport:
    """Run the phases of a build that are not done yet."""
    while True:
        if partial.exists():
            _check_unchanged(journal, partial, folders)
        else:
            with Progress("scan", _n_headers(folders, config), quiet=quiet) as progress:
                scan(
                    journal,
                    folders,
                    config,
                    with_signals=True,
                    n_workers=n_workers,
                    preload=_PRELOAD,
                    on_progress=_totals(progress),
                )
            _check_any_selected(journal, folders, config)
            plan(journal, partial, config, patients)
        failures = _fill(partial, folders, n_workers, quiet)
        if not failures:
            break
        # The number of rows is fixed, so records that fail now require a new plan. The
        # old one is deleted first: if the build stops in between, the journal must not
        # quarantine records that the old plan can still store.
        partial.unlink()
        for failure in failures:
            detail = folders.shorten(failure.detail)
            journal.quarantine(failure.path, failure.reason, detail)
    report = make_report(journal, config, patients)
    seal(partial, final)
    return report


def _n_headers(folders: Folders, config: Config) -> int | None:
    """Return the number of headers to scan; None if a limit ends the scan."""
    if config.limit:
        return None
    return sum(1 for _ in folders.headers(lambda path, problem: None))


def _fill(
    partial: Path, folders: Folders, n_workers: int, quiet: bool
) -> list[Failure]:
    """Fill the rows that are not done; return the records that failed."""
    with h5py.File(partial, "r", locking=False) as file:
        state = file[schema.STATE][...]
    failures: list[Failure] = []
    done = int(np.count_nonzero(state))
    make_worker: Callable[[], Filler] = bind(Filler, partial, folders.base)
    with Progress("fill", len(state), done=done, quiet=quiet) as progress:
        on_progress, blocks = _totals(progress), blocks_to_do(state)
        for filled in run_tasks(make_worker, blocks, n_workers, _PRELOAD):
            failures += filled.failures
            on_progress(filled.n_rows, filled.n_bytes, len(filled.failures))
    return failures


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


def _check_out(final: Path, overwrite: bool) -> None:
    """Check that the store can get its final name."""
    if not final.parent.is_dir():
        raise EcgStoreError(
            f"{final.parent}: no such folder; create it, or choose another output"
        )
    if final.is_dir():
        raise EcgStoreError(f"{final}: is a folder; expected the name of a file")
    if final.exists() and not overwrite:
        raise EcgStoreError(
            f"{final}: exists already; choose another output, or replace it with "
            "--overwrite"
        )


def _identity(folders: Folders, config: Config, patients: Mapping[str, str]) -> str:
    """Return, as JSON, the settings that must be equal to resume a stopped build."""
    patients_json = json.dumps(sorted(patients.items())).encode()
    return json.dumps(
        {
            "options": json.loads(config.to_json()),
            "sources": [str(root) for root in folders.roots],
            "patients": hashlib.sha256(patients_json).hexdigest() if patients else None,
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


def _check_unchanged(journal: Journal, partial: Path, folders: Folders) -> None:
    """Check that no record has changed since it was scanned."""
    for entry in journal.entries(Status.SELECTED):
        if not unchanged(folders, entry):
            raise EcgStoreError(
                f"{folders.base / entry.path}: changed since the unfinished build "
                f"{partial.name} scanned it; delete {partial.name} to scan again"
            )


def _check_any_selected(journal: Journal, folders: Folders, config: Config) -> None:
    """Raise an error if no record is selected."""
    if journal.count(Status.SELECTED):
        return
    where = ", ".join(map(str, folders.roots))
    if not journal.count():
        raise EcgStoreError(
            f"{where}: no {HEADER_FILES} files below; expected records as header and "
            "signal files, at any depth" + _unreadable(journal)
        )
    reasons = journal.count_by("reason", Status.QUARANTINED)
    entry = next(journal.entries(Status.QUARANTINED), None)
    if entry is not None:
        advice = f"such as {entry.path}: {entry.detail}"
    elif journal.any_dx():
        advice = "choose other --classes, or --select all"
    elif set(journal.count_by("source", Status.NOT_SELECTED)) <= {
        *config.exclude_sources
    }:
        advice = "all are of excluded sources; choose other --exclude-sources"
    else:
        advice = (
            "no header has a diagnosis code; expected a line such as '#Dx: 426783006', "
            "or --select all to store the records without labels"
        )
    raise EcgStoreError(
        f"{where}: none of {journal.count()} records can be stored: "
        f"{journal.count(Status.NOT_SELECTED)} are not selected"
        + "".join(f", {count} {reason}" for reason, count in reasons.items())
        + f"; {advice}"
        + _unreadable(journal)
    )


def _unreadable(journal: Journal) -> str:
    """Return the end of a sentence about folders that cannot be read; "" if all can."""
    if not journal.count(Status.UNREADABLE):
        return ""
    return f"; {describe_unreadable(journal.unreadable())}"
