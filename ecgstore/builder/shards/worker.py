"""Build one shard: lay it out on a local disk, fill, seal, verify and commit it."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecgstore.arrays import IntArray
from ecgstore.builder.blocks import in_blocks
from ecgstore.builder.damage import check_written
from ecgstore.builder.destination import ShardPlace
from ecgstore.builder.fill import BLOCK_ROWS, Block, Filled, Filler
from ecgstore.builder.groups import Groups
from ecgstore.builder.journal import Journal
from ecgstore.builder.old_rows import OldIndex
from ecgstore.builder.old_values import OldStore
from ecgstore.builder.plan import plan
from ecgstore.builder.rows import Row, stored_rows
from ecgstore.builder.seal import seal
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError, cause_of
from ecgstore.label_tables import RecordTables
from ecgstore.signals.signature import signature_rows, signatures_of_rows
from ecgstore.system.atomic_files import FULL_DISK, publish
from ecgstore.system.scratch import scratch_folder


@dataclass(frozen=True, slots=True)
class Shard:
    """A task: the rows of one store.

    Attributes
    ----------
    name : str
        Name of the store, which depends on all that its bytes depend on.
    plan : Path
        Folder with the journal of its records, and their folds.
    n_rows : int
        Number of its rows.
    """

    name: str
    plan: Path
    n_rows: int


class ShardBuilder:
    """Build shards on a local disk, and commit them.

    Parameters
    ----------
    config : Config
        Options of the build.
    base : Path
        The folder below which the paths of records begin.
    tables : RecordTables
        What is known of the records besides their headers.
    parts : ShardPlace
        Where shards are committed.
    scratch : Path, optional
        A folder with room for a shard; the system's for temporary files if left out.
    old : OldStore, optional
        As for `Filler`.
    """

    def __init__(
        self,
        config: Config,
        base: Path,
        tables: RecordTables,
        parts: ShardPlace,
        scratch: Path | None,
        old: OldStore | None,
    ) -> None:
        self._config = config
        self._base = base
        self._tables = tables
        self._parts = parts
        self._scratch = scratch
        self._old = old
        self._index = None if old is None else OldIndex(old)

    def close(self) -> None:
        """Close the older store."""
        if self._index is not None:
            self._index.close()

    def __call__(self, shard: Shard) -> Filled:
        """Build and commit a shard, unless it was committed or a record fails.

        Raises
        ------
        EcgStoreError
            If its bytes on the local disk are not what was written, or there is no
            room.
        """
        if self._parts.holds(shard.name, shard.n_rows):
            return Filled(shard.n_rows, 0)
        with self._scratch_folder() as folder:
            partial, store = folder / "partial", folder / shard.name
            with _named_if_full(folder):
                filled = self._filled(shard, partial)
                if filled.failures or filled.changed:
                    return filled
                seal(partial)
                publish(partial, store)
            check_written(store)
            if not shard.plan.exists():
                raise EcgStoreError(
                    f"{shard.plan}: is gone; the build that needed this shard has ended"
                )
            with _named_if_full(self._parts):
                self._parts.commit(store, shard.name)
            return filled

    @contextmanager
    def _scratch_folder(self) -> Iterator[Path]:
        """Make a folder for a shard, and remove it."""
        with ExitStack() as opened:
            try:
                folder = opened.enter_context(scratch_folder(self._scratch))
            except OSError as error:
                raise EcgStoreError(
                    f"{self._scratch or tempfile.gettempdir()}: cannot be written "
                    f"({cause_of(error)}); expected a folder on every machine: create "
                    "it, or choose another --scratch (scratch=)"
                ) from error
            yield folder

    def _filled(self, shard: Shard, partial: Path) -> Filled:
        """Lay out a shard and fill its rows."""
        # A copy: the folder of plans is not written to, and may be slow.
        copied = shutil.copyfile(shard.plan, partial.with_name("journal"))
        total = Filled(0, 0)
        with Journal(Path(copied)) as journal:
            groups = _load_groups(shard.plan)
            plan(journal, partial, self._config, self._tables, groups)
            filler = Filler(partial, self._base, self._old, can_resume=False)
            try:
                begin = 0
                for rows in in_blocks(stored_rows(journal), BLOCK_ROWS):
                    numbers = range(begin, begin + len(rows))
                    total += filler(Block(numbers, rows, self._in_old(rows)))
                    begin = numbers.stop
                    if total.changed:
                        break
            finally:
                filler.close()
        return total

    def _in_old(self, rows: Sequence[Row]) -> IntArray:
        """Return for each row one of the older store, or -1."""
        if self._index is None:
            return np.full(len(rows), -1)
        return self._index.find(rows)


@contextmanager
def _named_if_full(folder: Path | ShardPlace) -> Iterator[None]:
    """Convert the error of a full disk to one that names a folder on it."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL_DISK:
            raise
        raise EcgStoreError(
            f"{folder}: the disk is full; make room, or choose another --scratch "
            "(scratch=) if it is that one, and run the same command again to resume"
        ) from error


def save_groups(groups: Groups, plan: Path) -> None:
    """Write what depends on all rows of a build beside the journal of a shard."""
    np.savez(
        _groups_file(plan),
        folds=groups.folds,
        same=groups.same,
        signatures=signature_rows(groups.signatures),
    )


def _load_groups(plan: Path) -> Groups:
    """Return what `save_groups` has written."""
    with np.load(_groups_file(plan)) as arrays:
        signatures = signatures_of_rows(arrays["signatures"])
        return Groups(arrays["folds"], arrays["same"], signatures)


def _groups_file(plan: Path) -> Path:
    """Return the file beside the journal of a shard."""
    return plan.with_suffix(".npz")
