"""A build of one file: lay it out, fill its rows in several processes, seal it."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial as bind
from itertools import islice
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ecgstore.builder.destination import Destination
from ecgstore.builder.fill import PRELOAD, Block, Filled, Filler, blocks_to_do
from ecgstore.builder.groups import deal
from ecgstore.builder.journal import Journal
from ecgstore.builder.old_rows import OldRows
from ecgstore.builder.output import sum_of
from ecgstore.builder.plan import plan, unfinished_plan
from ecgstore.builder.rows import stored_rows
from ecgstore.builder.scan import Folders
from ecgstore.builder.seal import seal
from ecgstore.config import Config
from ecgstore.label_tables import RecordTables
from ecgstore.storage.format import schema
from ecgstore.system.workers import Workers, run_tasks


class OneFile:
    """The file that a build writes, see `Output`.

    Parameters
    ----------
    destination : Destination
        The store.
    """

    def __init__(self, destination: Destination) -> None:
        self.destination = destination
        self.unfinished = destination.local.with_name(
            destination.local.name + ".partial"
        )
        self.room: Path | None = destination.local.parent
        self.identity: dict[str, Any] = {}

    def check_place(self) -> None:
        """Do nothing: every name of a file will do."""

    def discard(self) -> None:
        """Remove the planned file."""
        self.unfinished.unlink(missing_ok=True)

    def plan(self, journal: Journal, config: Config, tables: RecordTables) -> None:
        """Write the file with every table that needs no signal."""
        groups = deal(journal, config, tables)
        plan(journal, self.unfinished, config, tables, groups)

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
        """Fill the rows that are not done, up to the first record that has changed."""
        with h5py.File(self.unfinished, "r", locking=False) as file:
            state = file[schema.STATE][...]
        done = int(np.count_nonzero(state))
        make_worker: Callable[[], Filler] = bind(
            Filler, self.unfinished, folders.base, old.place
        )
        blocks = _with_records(journal, blocks_to_do(state), old)
        results = run_tasks(make_worker, blocks, workers, PRELOAD)
        return sum_of(results, len(state), done, quiet)

    def finish(self, journal: Journal, overwrite: bool) -> None:
        """Write the digests, and give the file its name."""
        parts = self.destination.parts
        journal.add_shards(parts.of_collection())
        seal(self.unfinished)
        self.destination.put(self.unfinished, overwrite=overwrite)
        for name in journal.shards():
            parts.remove(name)
        parts.remove_if_empty()

    def remove_leftovers(self, journal: Journal) -> None:
        """Remove a plan that was not completed, and the second name of a store."""
        unfinished_plan(self.unfinished).unlink(missing_ok=True)
        if self.destination.has(self.unfinished):  # the store is complete
            self.unfinished.unlink()


def _with_records(
    journal: Journal, blocks: Iterable[range], old: OldRows
) -> Iterator[Block]:
    """Yield blocks of rows with what was found about their records."""
    rows_of_store = stored_rows(journal)
    position = 0
    for numbers in blocks:
        n_done = numbers.start - position
        rows = [*islice(rows_of_store, n_done, n_done + len(numbers))]
        yield Block(numbers, rows, old.find(rows))
        position = numbers.stop
