"""A build of shards, which any machine may make, and the collection of all."""

import json
import shutil
from collections.abc import Sequence
from contextlib import suppress
from functools import partial as bind
from pathlib import Path
from typing import Any

from ecgstore.builder.collect import write_collection
from ecgstore.builder.destination import Destination
from ecgstore.builder.fill import PRELOAD, Filled
from ecgstore.builder.groups import deal
from ecgstore.builder.journal import Journal
from ecgstore.builder.old_rows import OldRows
from ecgstore.builder.output import sum_of
from ecgstore.builder.plan import software
from ecgstore.builder.scan import Folders
from ecgstore.builder.shards.machine import OnMachine
from ecgstore.builder.shards.planning import read_plan, unfinished_plans, write_plan
from ecgstore.builder.shards.worker import ShardBuilder
from ecgstore.config import Config
from ecgstore.label_tables import RecordTables
from ecgstore.storage.format import schema
from ecgstore.system.executors import SharedExecutor
from ecgstore.system.open_files import allow_open_stores
from ecgstore.system.workers import Workers, run_tasks


class Shards:
    """The shards that a build writes, and their collection; see `Output`.

    Parameters
    ----------
    destination : Destination
        The collection. Its parts are in the folder of this name with ``.parts``.
    shard_rows : int
        Most rows of a shard.
    scratch : Path, optional
        Folder for unfinished shards; see `ShardBuilder`.
    """

    def __init__(
        self, destination: Destination, shard_rows: int, scratch: Path | None
    ) -> None:
        self.destination = destination
        self._shard_rows = shard_rows
        self._scratch = scratch
        self._parts = destination.parts
        self.unfinished = destination.local.with_name(
            destination.local.name + ".partial.shards"
        )
        folder = destination.folder
        self.room = folder if isinstance(folder, Path) else None
        self.identity: dict[str, Any] = {"shard_rows": shard_rows}

    def check_place(self) -> None:
        """Check that there can be a folder of shards, which a collection can name."""
        self._parts.check()

    def discard(self) -> None:
        """Remove the plans of shards; those that are committed may be planned again."""
        # Renamed first: killed half-way, it would leave plans without an end.
        leaving = unfinished_plans(self.unfinished)
        shutil.rmtree(leaving, ignore_errors=True)
        with suppress(FileNotFoundError):
            self.unfinished.rename(leaving)
        shutil.rmtree(leaving, ignore_errors=True)

    def plan(self, journal: Journal, config: Config, tables: RecordTables) -> None:
        """Write the plan of each shard."""
        identity = json.dumps(
            [
                config.to_json(),
                schema.FORMAT.version,
                software(),
                tables.digests(),
            ]
        )
        groups = deal(journal, config, tables)
        write_plan(journal, self.unfinished, groups, self._shard_rows, identity)

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
        """Build the shards that are not committed, up to the first change of a record.

        Workers read those that are, and build a damaged one again. What fails of one
        shard does not stop the others.
        """
        shards = read_plan(self.unfinished).shards
        # At the end, it would be too late.
        allow_open_stores(self.destination.local, len(shards))
        n_rows = sum(shard.n_rows for shard in shards)
        worker = bind(
            ShardBuilder,
            config,
            folders.base,
            tables,
            self._parts,
            self._scratch,
            old.place,
        )
        make_worker: Any = worker
        if isinstance(workers, SharedExecutor):
            roots = (*folders.roots, self.destination.local.parent)
            make_worker = OnMachine.of(worker, config, roots)
        results = run_tasks(make_worker, shards, workers, PRELOAD)
        return sum_of(results, n_rows, 0, quiet)

    def finish(self, journal: Journal, overwrite: bool) -> None:
        """Write the collection, and remove what it does not need."""
        plan = read_plan(self.unfinished)
        names = [one.name for one in plan.shards]
        with self.destination.writing(overwrite=overwrite) as file:
            journal.add_shards(self._parts.of_collection())
            write_collection(
                [self._parts.place(name) for name in names],
                file,
                self.destination.folder,
                labels="built",  # somebody may have labelled a shard meanwhile
                links=plan.same,
                folds=plan.folds,
            )
        self._remove_unfinished(journal, names)

    def remove_leftovers(self, journal: Journal) -> None:
        """Remove plans that were not completed, or whose collection is complete."""
        shutil.rmtree(unfinished_plans(self.unfinished), ignore_errors=True)
        if journal.is_sealed and self.unfinished.exists():
            names = [shard.name for shard in read_plan(self.unfinished).shards]
            if self._parts.of_collection() == names:
                self._remove_unfinished(journal, names)

    def _remove_unfinished(self, journal: Journal, names: Sequence[str]) -> None:
        """Remove plans, and shards of earlier plans or of a store that was replaced.

        Others stay: a collection that was renamed may need them.
        """
        for name in journal.shards().difference(names):
            self._parts.remove(name)
        self._parts.remove_unfinished()
        self.discard()
