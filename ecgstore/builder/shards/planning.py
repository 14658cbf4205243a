"""Divide the records of a build into shards, and write a plan for each."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import IntArray
from ecgstore.builder.groups import Groups
from ecgstore.builder.journal import Journal
from ecgstore.builder.shards.worker import Shard, save_groups

SHARD_ROWS: Final = 8192
"""Rows of a shard, if an executor is given and no other number: 1 GB of signals."""

_SHARDS: Final = "shards.json"
_FOLDS: Final = "folds.npy"
_SAME: Final = "same.npy"
_N_DIGITS: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class ShardPlan:
    """The shards of a build, and what depends on all of their rows.

    Attributes
    ----------
    shards : list of Shard
        The shards, in the order of the rows.
    folds, same : ndarray of shape (n_rows,)
        Fold of every row, and the first row that holds the same ECG.
    """

    shards: list[Shard]
    folds: NDArray[np.int8]
    same: IntArray


def write_plan(
    journal: Journal, folder: Path, groups: Groups, shard_rows: int, identity: str
) -> None:
    """Write the plans of all shards to a folder, which appears when it is complete.

    Parameters
    ----------
    journal : Journal
        A finished scan, whose entries are numbered.
    folder : Path
        The folder.
    groups : Groups
        Fold and ECG of every row.
    shard_rows : int
        Most rows of a shard. All windows of a record are in one shard, which may have
        more.
    identity : str
        What the bytes of all shards depend on, besides their records.
    """
    unfinished = unfinished_plans(folder)
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    n_rows = journal.numbered_rows()
    shards = []
    first_row = first_record = 0
    for number, (begin, end) in enumerate(_cuts(n_rows, shard_rows)):
        n = int(n_rows[begin:end].sum())
        last_record = first_record + int(np.count_nonzero(n_rows[begin:end]))
        of_shard = groups.part(
            slice(first_row, first_row + n), slice(first_record, last_record)
        )
        plan = unfinished / "journal"
        digest = hashlib.sha256(identity.encode())
        digest.update(of_shard.folds.tobytes())
        digest.update(of_shard.same.astype("<i8").tobytes())
        journal.copy_numbered(begin, end, plan, digest)
        name = f"{number:05d}-{digest.hexdigest()[:_N_DIGITS]}.h5"
        # Named by its content: a worker that is late never reads another plan than that
        # of its shard, nor a part of it.
        named = plan.rename(unfinished / f"{name}.journal")
        save_groups(of_shard, named)
        shards.append({"name": name, "plan": named.name, "n_rows": n})
        first_row, first_record = first_row + n, last_record
    np.save(unfinished / _FOLDS, groups.folds)
    np.save(unfinished / _SAME, groups.same)
    (unfinished / _SHARDS).write_text(json.dumps(shards), encoding="utf-8")
    # Noted before any of them is built, so that none is forgotten.
    journal.add_shards(str(shard["name"]) for shard in shards)
    unfinished.rename(folder)


def unfinished_plans(folder: Path) -> Path:
    """Return the name of a folder of plans that are not all written."""
    return folder.with_name(folder.name + ".planning")


def read_plan(folder: Path) -> ShardPlan:
    """Return the shards that `write_plan` has written."""
    shards = json.loads((folder / _SHARDS).read_text(encoding="utf-8"))
    return ShardPlan(
        [Shard(one["name"], folder / one["plan"], one["n_rows"]) for one in shards],
        np.load(folder / _FOLDS),
        np.load(folder / _SAME),
    )


def _cuts(n_rows: IntArray, shard_rows: int) -> Iterator[tuple[int, int]]:
    """Yield begin and end of the records of each shard.

    Shards have about the same number of rows, so that workers end at the same time.

    Examples
    --------
    >>> [*_cuts(np.array([1, 0, 1, 1, 1, 9, 1, 0]), 4)]
    [(0, 5), (5, 6), (6, 8)]
    """
    ends = np.concatenate([[0], np.cumsum(n_rows)])
    total = int(ends[-1])
    size = -(-total // max(1, -(-total // shard_rows)))
    begin = 0
    while begin < len(n_rows):
        end = int(np.searchsorted(ends, ends[begin] + size, "right")) - 1
        end = max(end, begin + 1)
        yield begin, end
        begin = end
