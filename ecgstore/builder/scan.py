"""First phase of a build: read, select and check every record once."""

import json
import math
import os
import re
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final, TypeAlias

from ecgstore.builder.changes import is_unchanged, stamp
from ecgstore.builder.entry import Entry, Status, ecg_key
from ecgstore.builder.journal import Journal
from ecgstore.builder.patient_key import PatientKey, PatientKeyError
from ecgstore.builder.scanned_signal import scanned
from ecgstore.chosen_leads import if_a_lead
from ecgstore.config import Config
from ecgstore.diagnoses import selects
from ecgstore.errors import EcgStoreError, RecordError, out_of_memory, short_repr
from ecgstore.label_tables import RecordTables, header_labels
from ecgstore.reasons import Reason
from ecgstore.sources import (
    OnUnreadable,
    RecordHeader,
    file_of,
    find_headers,
    format_of,
    header_files,
    leads_of_build,
    open_record,
    read_header,
    source_name,
)
from ecgstore.sources.files import check_name, printable

_WRITE_S: Final = 1.0
"""Least time between two writes of the journal, in s.

Each waits for the disk as long as it takes to scan some records. A build that is killed
scans again what was found since the last one.
"""

ScanTask: TypeAlias = Sequence[tuple[int, str]]
"""Headers: for each one the number of its root, and its path below the base."""

TASK_HEADERS: Final = 16
"""Headers per task: tens of ms of work, so that sending a task costs little."""

_MOST_BYTES: Final = 1 << 34
"""Bytes of the files of a record: 16 days of twelve leads at 500 Hz.

All of them are read for the hash, at some 300 MB/s. A sparse file of any size, which
takes no room on the disk, would take any time.
"""

_N_PARTS: Final = 3
"""Parts of a record that are named in its detail."""

_PATH: Final = re.compile(r"(?<![\w./\\])(?:/|[A-Za-z]:\\)[\w.~+-]+[/\\][^\s:'\",;()]*")
"""An absolute path in a message; one with a blank ends there."""

_ADDRESS: Final = re.compile(r"\b0x[0-9a-f]{6,}")


@dataclass(frozen=True, slots=True)
class Folders:
    """The source folders of a build, and the folder that contains them all.

    Attributes
    ----------
    roots : tuple of Path
        Absolute paths of the folders, or of single headers.
    base : Path
        The deepest folder that contains all of them; paths in a store are relative to
        it.
    title : str
        What the roots are called in messages; empty for their paths.
    top : Path or None
        A folder above them whose name, and the names above it, say nothing of the
        records; see `source_name`.
    """

    roots: tuple[Path, ...]
    base: Path
    title: str = ""
    top: Path | None = None

    @classmethod
    def of(cls, sources: str | Path | Sequence[str | Path]) -> "Folders":
        """Return one or more folders as absolute paths.

        Raises
        ------
        EcgStoreError
            If there is none, one does not exist, or one is inside another.
        """
        if isinstance(sources, str | Path):
            sources = [sources]
        if not sources:
            raise EcgStoreError("no source folder given; expected one or more")
        roots = tuple(Path(os.path.abspath(source)) for source in sources)
        for number, root in enumerate(roots):
            if not os.path.exists(root):
                raise EcgStoreError(
                    f"{root}: no such folder; expected a folder with {header_files()} "
                    f"files{if_a_lead(root)}"
                )
            for other in roots[:number]:
                if root.is_relative_to(other) or other.is_relative_to(root):
                    raise EcgStoreError(
                        f"{root} and {other} overlap; give each record once"
                    )
        return cls(roots, Path(os.path.commonpath([root.parent for root in roots])))

    @property
    def names(self) -> list[str]:
        """What the roots are called: what they are where it depends on no cache."""
        return [self.title] if self.title else [*map(str, self.roots)]

    def shorten(self, detail: str) -> str:
        """Return a message as one line that is the same wherever the folders are.

        Paths are relative to `base`; other paths and addresses in memory, which may be
        different the next time, are left out.

        Examples
        --------
        >>> Folders((), Path("/data")).shorten("/data/a/1.hea: see /tmp/x7f/y")
        'a/1.hea: see ...'
        """
        if self.base != self.base.parent:
            detail = detail.replace(f"{self.base}{os.sep}", "")
        for root in self.roots:  # below the root of the file system
            relative = root.relative_to(self.base)
            detail = detail.replace(f"{root}{os.sep}", f"{relative}{os.sep}")
        detail = _PATH.sub("...", detail)
        return " ".join(_ADDRESS.sub("0x...", detail).split())[:500]

    def headers(self, on_unreadable: OnUnreadable) -> Iterator[tuple[int, str]]:
        """Yield the number of the root and the path below `base` of every record.

        Parameters
        ----------
        on_unreadable : callable
            Called with the path below `base` of everything that cannot be read, and the
            problem.
        """

        def note(path: str, problem: str) -> None:
            on_unreadable(Path(path).relative_to(self.base).as_posix(), problem)

        for number, root in enumerate(self.roots):
            for path in find_headers(root, note):
                yield number, path.relative_to(self.base).as_posix()


class Scanner:
    """Scan headers: turn a list of them into a list of entries.

    Parameters
    ----------
    config : Config
        Options of the build.
    folders : Folders
        The source folders of the records.
    tables : RecordTables
        The tables of the build.
    with_signals : bool
        Read and check the signals too; else headers only.
    patient_key : PatientKey, optional
        Makes patient_ids of the numbers that patients have in hospitals; if left out,
        these patients are unknown.
    """

    def __init__(
        self,
        config: Config,
        folders: Folders,
        tables: RecordTables,
        with_signals: bool,
        patient_key: PatientKey | None = None,
    ) -> None:
        self._config = config
        self._folders = folders
        self._tables = tables
        self._with_signals = with_signals
        self._patient_key = patient_key
        self._leads = leads_of_build(config)

    def __call__(self, task: ScanTask) -> list[Entry]:
        """Return the entry of every (root's number, path)."""
        return [self._scan(*header) for header in task]

    def _scan(self, root: int, path: str) -> Entry:
        """Return the entry of one header; never fails, whatever the files hold."""
        storable = printable(path)
        header_path = self._folders.base / storable  # the path, once it is checked
        folders = self._folders
        source = source_name(folders.base / path, folders.roots[root], folders.top)
        entry = Entry(
            path=storable,
            status=Status.NOT_SELECTED,
            source=printable(source),
            record_id=header_path.stem,
        )
        entry = _stamped(
            entry, header_path, [os.path.basename(file_of(str(header_path)))]
        )
        if entry.source in self._config.exclude_sources:
            return entry
        try:
            check_name(path)
            header = read_header(header_path)
            files = header.files(header_path)
            entry = _stamped(entry, header_path, files)
            entry = _described(entry, header, self._config)
            if self._patient_key is not None:
                patient_id = self._patient_key(header.hospital_id)
                entry = replace(entry, patient_id=patient_id)
            known = self._tables.describe(entry)
            rule, class_set = self._config.select, self._config.classes
            if not selects(known.dx, class_set, rule, denied=known.denied):
                return entry
            entry = replace(entry, status=Status.SELECTED)
            return self._checked(entry, header_path) if self._with_signals else entry
        except MemoryError as error:
            raise out_of_memory(path) from error
        except PatientKeyError:
            raise
        except Exception as error:  # a defect of ecgstore must not stop a build
            failure = RecordError.of(error)
        detail = self._folders.shorten(failure.detail)
        return replace(
            entry,
            status=Status.QUARANTINED,
            reason=failure.reason,
            detail=detail + _with_parts(self._folders.base / path),
        )

    def _checked(self, entry: Entry, header_path: Path) -> Entry:
        """Return the entry completed from the signal; raise if that is unusable."""
        if entry.n_bytes > _MOST_BYTES:
            raise RecordError(
                Reason.TOO_LARGE,
                f"{entry.path}: its files have {entry.n_bytes} bytes; expected at most "
                f"{_MOST_BYTES}, as they are read as a whole: divide the record",
            )
        header, signal = open_record(header_path, self._leads)
        return scanned(entry, header, signal, self._config)


def _with_parts(path: Path) -> str:
    """Return the end of the detail of a record that takes its parts with it.

    `find_headers` leaves out the parts of every record, whether it can be used or not.
    """
    parts = sorted(format_of(str(path)).parts(str(path)) - {path.stem})
    if not parts:
        return ""
    named = ", ".join(map(short_repr, parts[:_N_PARTS]))
    more = ", ..." if len(parts) > _N_PARTS else ""
    return f"; its {len(parts)} parts are not stored on their own ({named}{more})"


def _stamped(entry: Entry, header_path: Path, files: list[str]) -> Entry:
    """Return the entry with the record's files, their size and their stamp."""
    n_bytes, now = stamp(header_path, files)
    # A header that changed after it was read must be scanned again.
    now = now if now.startswith(entry.stamp) else ""
    names = json.dumps([*map(printable, files)])
    return replace(entry, files=names, n_bytes=n_bytes, stamp=now)


def _described(entry: Entry, header: RecordHeader, config: Config) -> Entry:
    """Return the entry completed from the header."""
    labels = header_labels(header.notes, config.label_key)
    return replace(
        entry,
        record_id=header.record_id,
        dx=",".join(dict.fromkeys((*header.dx, *labels.codes))),
        denied=",".join(labels.denied),
        dx_unknown="\n".join((*header.dx_unknown, *labels.unknown)),
        age=None if math.isnan(header.age) else header.age,
        sex=header.sex,
        fs=header.fs,
    )


RunScans: TypeAlias = Callable[
    [Callable[[], Scanner], Iterable[ScanTask]], Generator[list[Entry], None, None]
]
"""How tasks are scanned, such as `run_tasks` with a number of processes."""


def scan(
    journal: Journal,
    folders: Folders,
    config: Config,
    tables: RecordTables,
    *,
    with_signals: bool,
    patient_key: PatientKey | None = None,
    run: RunScans,
    task_headers: int = TASK_HEADERS,
    on_progress: Callable[[int, int, int], object],
) -> None:
    """Bring a journal up to date with the files on disk.

    Entries whose files are unchanged since an earlier scan are kept.

    Parameters
    ----------
    journal : Journal
        The journal to update.
    folders : Folders
        The source folders of the records.
    config : Config
        Options of the build; its limit ends the scan early.
    tables : RecordTables
        The tables of the build.
    with_signals : bool
        Read and check the signals too; else headers only.
    patient_key : PatientKey, optional
        As for `Scanner`.
    run : callable
        Makes scanners by its first argument, and yields what they return for the tasks
        of its second one, in their order.
    task_headers : int
        Headers of a task.
    on_progress : callable
        Called after each task with its number of headers, the bytes of their files, and
        the number of records quarantined.
    """
    waiting: deque[list[tuple[str, Entry | None]]] = deque()
    codes = tables.for_selection()
    make_worker = partial(Scanner, config, folders, codes, with_signals, patient_key)
    journal.begin_scan()
    chosen: set[str] = set()  # the selected ECGs, if their number is limited
    is_full = False
    found: list[Entry] = []
    kept: list[str] = []
    written_at = time.monotonic()
    tasks = _tasks(journal, folders, waiting, task_headers)
    for entries in run(make_worker, tasks):
        scanned = {entry.path: entry for entry in entries}
        group = []
        for path, known in waiting.popleft():
            entry = known or scanned[path]
            group.append(entry)
            if config.limit and entry.status == Status.SELECTED:
                chosen.add(
                    ecg_key(entry.source, entry.record_id, entry.sha256, entry.path)
                )
                is_full = len(chosen) == config.limit
            if is_full:
                break
        found += (entry for entry in group if entry.path in scanned)
        kept += (entry.path for entry in group if entry.path not in scanned)
        if time.monotonic() - written_at >= _WRITE_S:
            journal.add(found)
            journal.keep(kept)
            found, kept, written_at = [], [], time.monotonic()
        on_progress(
            len(group),
            sum(entry.n_bytes for entry in group),
            sum(entry.status == Status.QUARANTINED for entry in group),
        )
        if is_full:
            break
    journal.add(found)
    journal.keep(kept)
    journal.end_scan(config.fs)


def _tasks(
    journal: Journal,
    folders: Folders,
    waiting: deque[list[tuple[str, Entry | None]]],
    task_headers: int,
) -> Iterator[ScanTask]:
    """Yield the headers that need scanning; append all headers to `waiting`.

    There, the path of a header is paired with its entry of an earlier scan if its files
    are unchanged, else with None.
    """

    def note(path: str, problem: str) -> None:
        journal.add_unreadable(printable(path), problem)

    headers = folders.headers(note)
    while group := list(islice(headers, task_headers)):
        known_entries, task = [], []
        for root, path in group:
            known = journal.entry(printable(path))
            if known is not None and not is_unchanged(folders.base, known):
                known = None
            known_entries.append((printable(path), known))
            if known is None:
                task.append((root, path))
        waiting.append(known_entries)
        yield task
