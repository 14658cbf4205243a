"""What a build writes: one file, or the shards of a collection."""

from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

from ecgstore.builder.destination import Destination
from ecgstore.builder.fill import Filled
from ecgstore.builder.journal import Journal
from ecgstore.builder.old_rows import OldRows
from ecgstore.builder.scan import Folders
from ecgstore.builder.totals import Totals
from ecgstore.config import Config
from ecgstore.label_tables import RecordTables
from ecgstore.system.progress import Progress
from ecgstore.system.workers import Workers


def sum_of(
    results: Generator[Filled, None, None], n_rows: int, done: int, quiet: bool
) -> Filled:
    """Return the outcome of all tasks, up to the first record that has changed.

    Parameters
    ----------
    results : generator of Filled
        The outcome of each task; it is closed.
    n_rows, done : int
        Rows of the output, and those that were filled before, for the progress.
    quiet : bool
        Show no progress.
    """
    total = Filled(0, 0)
    with Progress("fill", n_rows, done=done, quiet=quiet) as progress, closing(results):
        totals = Totals(progress)
        for filled in results:
            total += filled
            totals.add(filled.n_rows, filled.n_bytes, len(filled.failures))
            if filled.changed:
                break
    return total


class Output(Protocol):
    """What the phases after the scan write.

    Attributes
    ----------
    destination : Destination
        The store.
    unfinished : Path
        The file or folder that a stopped build leaves, and a resumed one continues.
    room : Path or None
        Folder on the disk that gets the whole store; None if it gets a part at a time.
    identity : dict
        Settings that must be equal to resume it.
    """

    destination: Destination
    unfinished: Path
    room: Path | None
    identity: dict[str, Any]

    def check_place(self) -> None:
        """Raise an error if it cannot be written there, whatever is in the sources."""

    def discard(self) -> None:
        """Remove what was planned."""

    def plan(self, journal: Journal, config: Config, tables: RecordTables) -> None:
        """Lay out what is to be filled, from a finished scan.

        `unfinished` exists when it is complete, and not before.
        """

    def fill(
        self,
        journal: Journal,
        folders: Folders,
        config: Config,
        tables: RecordTables,
        workers: Workers,
        quiet: bool,
        old: OldRows,
    ) -> Filled:
        """Fill what is not filled, up to the first record that has changed."""

    def finish(self, journal: Journal, overwrite: bool) -> None:
        """Give the store its name, and remove shards of the one that it replaces.

        Raises
        ------
        FileExistsError
            If there is an older one that may not be replaced.
        """

    def remove_leftovers(self, journal: Journal) -> None:
        """Remove what a build left that was killed before it could clean up."""
