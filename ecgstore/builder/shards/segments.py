"""Scan on an executor: each task leaves its entries in a file, a segment."""

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from functools import partial as bind
from pathlib import Path
from typing import Final

from ecgstore.builder.entry import Entry
from ecgstore.builder.journal import Journal
from ecgstore.builder.parts_folder import PartsFolder
from ecgstore.builder.scan import Folders, Scanner, ScanTask
from ecgstore.builder.shards.machine import OnMachine
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError
from ecgstore.system.atomic_files import make_folder
from ecgstore.system.executors import SharedExecutor
from ecgstore.system.scratch import scratch_folder
from ecgstore.system.workers import run_tasks

SEGMENT_HEADERS: Final = 512
"""Headers per task: about a second of work, beside which a scheduler costs little."""

_SUFFIX: Final = ".segment"
_N_DIGITS: Final = 16


class SegmentScanner:
    """Scan headers, and commit their entries to a folder that all machines share.

    Parameters
    ----------
    make_scanner : callable
        Makes what scans the headers of a task.
    folder : Path
        The folder.
    """

    def __init__(
        self,
        make_scanner: Callable[[], Scanner],
        folder: Path,
    ) -> None:
        self._scan = make_scanner()
        self._segments = PartsFolder(folder)

    def __call__(self, task: ScanTask) -> str:
        """Scan the headers of a task; return the name of the segment."""
        name = hashlib.sha256(repr(task).encode()).hexdigest()[:32] + _SUFFIX
        entries = self._scan(task)
        with scratch_folder(None) as scratch:
            file = scratch / name
            with Journal(file) as segment:
                segment.add(entries)
            if not self._segments.path.exists():
                raise EcgStoreError(
                    f"{self._segments.path}: is gone; the scan that needed this "
                    "segment has ended"
                )
            self._segments.commit(file, name)
        return name


def run_scans(
    segments: Path,
    shared: SharedExecutor,
    config: Config,
    folders: Folders,
    make_scanner: Callable[[], Scanner],
    tasks: Iterable[ScanTask],
) -> Generator[list[Entry], None, None]:
    """Yield the entries of every task, in the order of the tasks.

    Parameters
    ----------
    segments : Path
        Where they are left; see `segments_folder`.
    shared : SharedExecutor
        Where they are scanned.
    config : Config
        Options of the build.
    folders : Folders
        The source folders, which every worker must see.
    make_scanner : callable
        Makes what scans the headers of a task.
    tasks : iterable
        The headers of each task.
    """
    make_folder(segments)
    worker = bind(SegmentScanner, make_scanner, segments)
    make_worker: OnMachine = OnMachine.of(worker, config, folders.roots)
    names = run_tasks(make_worker, tasks, shared)
    with closing(names):
        for name in names:
            yield _taken(segments / name)


def leftover_entries(segments: Path) -> Iterator[list[Entry]]:
    """Yield the entries of segments that a stopped build did not take."""
    for path in sorted(segments.glob(f"*{_SUFFIX}")):
        yield _taken(path)


def segments_folder(shared: SharedExecutor, identity: str) -> Path:
    """Return the folder of the segments of a build.

    Entries depend on the settings of a build, and the worker of an earlier one may
    still run, so that builds with other settings have other folders.

    Parameters
    ----------
    shared : SharedExecutor
        Where headers are scanned.
    identity : str
        The settings.
    """
    digest = hashlib.sha256(identity.encode()).hexdigest()
    return shared.folder / f"segments-{digest[:_N_DIGITS]}"


def _taken(path: Path) -> list[Entry]:
    """Return the entries of a segment, and remove it."""
    if not path.exists():  # to open a journal creates it, without an entry
        raise EcgStoreError(
            f"{path}: is not here, though a worker has written it; expected a folder "
            "that this machine and all workers share: run the same command again to "
            "resume"
        )
    with Journal(path) as segment:
        entries = [*segment.records()]
        segment.close(remove=True)
    return entries
