"""Folds that share no patient and have similar proportions of every class.

`group_records` determines which records must stay together, then `assign_folds`
distributes the groups over the folds. Both depend on the records and not on the order
of the rows, and neither uses random numbers: the same records get the same folds.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.config import N_FOLDS
from ecgstore.distinct_texts import distinct

POOLED_SOURCES: Final = frozenset({"ptb", "st_petersburg_incart"})
"""Sources whose records with unknown patients all stay in one fold.

PTB has several records of 113 of its 290 patients, INCART two or three of most of its
32, and the Challenge's record names do not identify the patients: in different folds,
records of the same patient would leak.
"""

STRATA_WEIGHT: Final = 0.1
"""Weight of an uneven stratum relative to an equally uneven class or fold size.

If a whole source must stay in one fold (`POOLED_SOURCES`), the classes, the sizes and
the mix of the other sources cannot all be even. With 0.1, on the 43,101 Challenge
records, classes are within 8 %, sizes within 5 % and sources within 11 % of even.
"""

_EMPTY: Final[dict[str, str | bytes]] = {"S": b"", "U": "", "O": ""}
"""An unknown patient, by the kind of array."""

_MAX_FOLDS: Final = 127  # int8
_MAX_SIGNATURE: Final = 2**62


Texts: TypeAlias = (
    Sequence[str] | NDArray[np.object_] | NDArray[np.str_] | NDArray[np.bytes_]
)
"""One string per record."""


def group_records(
    source: Texts,
    patient_id: Texts,
    signal_sha256: Texts,
    same_signal: ArrayLike | None = None,
) -> IntArray:
    """Return the groups of records that must stay in one fold.

    Records are in one group if they have the same patient or the same signal, directly
    or through a chain of such records. A record with an unknown patient is linked by
    its signal only, unless its source is one of `POOLED_SOURCES`: all such records of
    that source are one group.

    Parameters
    ----------
    source : sequence of str, of length n_records
        Name of each record's source.
    patient_id : sequence of str, of length n_records
        Each record's patient, ``""`` where unknown. The same identifier means the same
        patient, even in another source: merging two patients by mistake costs a little
        balance, splitting a patient leaks.
    signal_sha256 : sequence of str, of length n_records
        Hash of each record's signal in hexadecimal digits, ``""`` where unknown.
    same_signal : array_like of shape (n_records,), optional
        For each record the index of one that holds the same ECG though its hash may
        differ, or its own index: see `ecgstore.signals.same_signal.same_signals`.

    Returns
    -------
    ndarray of shape (n_records,)
        Group numbers from 0, in the order of the smallest hash in each group, so that a
        record's number does not depend on the order of the rows.

    Raises
    ------
    ValueError
        If the arguments differ in length.

    Examples
    --------
    >>> group_records(["ptb-xl"] * 4, ["7", "7", "8", ""], ["b", "d", "c", "d"])
    array([0, 0, 1, 0])
    """
    n = len(source)
    same = np.arange(n) if same_signal is None else np.asarray(same_signal)
    if not n == len(patient_id) == len(signal_sha256) == len(same):
        raise ValueError(
            f"{n} sources, {len(patient_id)} patients, {len(signal_sha256)} hashes and "
            f"{len(same)} same signals; expected one of each per record"
        )
    hashes = np.asarray(signal_sha256, dtype="S")
    order = np.argsort(hashes, kind="stable")
    rows, others = np.concatenate(
        [
            _identical_neighbours(hashes, order),
            _same_patients(source, patient_id),
            (np.arange(n), same),
        ],
        axis=1,
    )
    links = coo_array((np.ones(len(rows), np.int8), (rows, others)), shape=(n, n))
    n_groups, groups = connected_components(links, directed=False)
    return _renumbered(groups.astype(np.int64), n_groups, order)


def _same_patients(source: Texts, patient_id: Texts) -> tuple[IntArray, IntArray]:
    """Return pairs of rows of one patient: the others of a patient with one of them.

    Of `POOLED_SOURCES`, all records of unknown patients are linked as if of one.
    """
    first, patients = distinct(_array(patient_id))
    names = _array(patient_id)[first]
    is_known = (names != _EMPTY[names.dtype.kind])[patients]
    rows, others = [np.flatnonzero(is_known)], [first[patients[is_known]]]
    first, sources = distinct(_array(source))
    for number, name in enumerate(_array(source)[first].tolist()):
        text = name.decode() if isinstance(name, bytes) else name
        if text in POOLED_SOURCES:
            unknown = np.flatnonzero(~is_known & (sources == number))
            rows.append(unknown)
            others.append(np.repeat(unknown[:1], len(unknown)))
    return np.concatenate(rows), np.concatenate(others)


def _array(texts: Texts) -> NDArray[Any]:
    """Return texts as an array; NumPy would cut zeros off the end of str."""
    if isinstance(texts, np.ndarray):
        return texts
    return np.array([*texts], object)


def _identical_neighbours(
    hashes: NDArray[np.bytes_], order: IntArray
) -> tuple[IntArray, IntArray]:
    """Return pairs of rows that are adjacent in `order` and share a hash."""
    ordered = hashes[order]
    same = (ordered[1:] == ordered[:-1]) & (ordered[1:] != b"")
    return order[1:][same], order[:-1][same]


def _renumbered(groups: IntArray, n_groups: int, order: IntArray) -> IntArray:
    """Return the groups, numbered by the position of their first row in `order`."""
    place = np.empty(n_groups, np.int64)
    backwards = np.arange(len(order))[::-1]
    # The last write stays: that of the first position.
    place[groups[order[backwards]]] = backwards
    number = np.empty(n_groups, np.int64)
    number[np.argsort(place)] = np.arange(n_groups)
    renumbered: IntArray = number[groups]
    return renumbered


def assign_folds(
    labels: ArrayLike,
    groups: ArrayLike,
    n_folds: int = N_FOLDS,
    *,
    strata: ArrayLike | None = None,
) -> NDArray[np.int8]:
    """Return a fold for every record, with whole groups, even sizes and even classes.

    Parameters
    ----------
    labels : array_like of shape (n_records, n_classes)
        Multi-hot labels. The records of every column are spread evenly over the folds.
    groups : array_like of shape (n_records,)
        Group numbers; records of one group get one fold. Groups with equal labels and
        strata are distributed over the folds in the order of their numbers.
    n_folds : int
        Number of folds, 2 to 127.
    strata : array_like of shape (n_records,), optional
        A further property to spread evenly, such as the source; the labels have
        priority where both cannot be even (`STRATA_WEIGHT`).

    Returns
    -------
    ndarray of shape (n_records,)
        Folds from 0. With fewer groups than folds, some folds are empty.

    Raises
    ------
    ValueError
        If the shapes disagree or `n_folds` is out of range.

    Notes
    -----
    Every fold should contain ``1 / n_folds`` of all records and of the records of every
    class and stratum. The algorithm is greedy: each group goes into the fold where it
    adds least to the sum, over folds and properties, of the squared relative
    differences from that goal. Large or rare groups are placed first, common ones fill
    the gaps. Groups with the same counts are placed together, so that the time depends
    on the number of different counts.

    The result does not depend on the order of the rows, as long as every record keeps
    the number of its group.

    Examples
    --------
    >>> assign_folds([[1], [1], [0], [0], [0]], [0, 1, 2, 2, 3], n_folds=2)
    array([0, 1, 0, 0, 1], dtype=int8)
    """
    columns = np.asarray(labels)
    group_of = np.asarray(groups)
    stratum_of = np.zeros(len(group_of)) if strata is None else np.asarray(strata)
    if columns.ndim != 2 or not len(columns) == len(group_of) == len(stratum_of):
        raise ValueError(
            f"labels have shape {columns.shape}, groups {group_of.shape}, strata "
            f"{stratum_of.shape}; expected one row, group and stratum per record"
        )
    if not 2 <= n_folds <= _MAX_FOLDS:
        raise ValueError(f"n_folds is {n_folds}; expected 2 to {_MAX_FOLDS}")
    if not len(columns):
        return np.empty(0, np.int8)
    group_of = np.unique(group_of, return_inverse=True)[1].reshape(-1)
    counts = _counts_by_group(columns, group_of, stratum_of)
    n_strata = counts.shape[1] - 1 - columns.shape[1]
    importance = np.ones(counts.shape[1])
    importance[len(importance) - n_strata :] = STRATA_WEIGHT
    first, profile_of = _distinct_rows(counts)
    quotas = _distribute(
        counts[first],
        np.bincount(profile_of),
        importance / np.maximum(counts.sum(axis=0), 1.0) ** 2,
        n_folds,
    )
    fold_of_group = _spread(quotas, profile_of)
    folds: NDArray[np.int8] = fold_of_group[group_of]
    return folds


def keep_folds(
    given: ArrayLike, labels: ArrayLike, groups: ArrayLike, strata: ArrayLike
) -> NDArray[np.int8]:
    """Return given folds, changed where they would separate a group, and completed.

    Parameters
    ----------
    given : array_like of shape (n_records,)
        Fold of each record, 0 to 9; -1 where none is given.
    labels, groups, strata : array_like
        As for `assign_folds`.

    Returns
    -------
    ndarray of shape (n_records,)
        Each group has the fold that most of its records are given, the lowest of
        several; groups without one are distributed by `assign_folds`.

    Examples
    --------
    >>> keep_folds([7, 7, 2, -1], [[0]] * 4, [0, 0, 0, 1], [0] * 4)
    array([7, 7, 7, 0], dtype=int8)
    """
    wanted = np.asarray(given)
    group_of = np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1)
    votes = np.zeros((group_of.max(initial=-1) + 1, N_FOLDS), np.int64)
    is_given = wanted >= 0
    np.add.at(votes, (group_of[is_given], wanted[is_given]), 1)
    folds: NDArray[np.int8] = votes.argmax(axis=1)[group_of].astype(np.int8)
    is_open = (votes.sum(axis=1) == 0)[group_of]
    folds[is_open] = assign_folds(
        np.asarray(labels)[is_open],
        group_of[is_open],
        strata=np.asarray(strata)[is_open],
    )
    return folds


def _counts_by_group(
    columns: NDArray[Any], group_of: IntArray, stratum_of: NDArray[Any]
) -> IntArray:
    """Return each group's profile: its records in total, per class and per stratum.

    Shape (n_groups, 1 + n_classes + n_strata).
    """
    n_groups = int(group_of.max()) + 1
    strata, stratum = np.unique(stratum_of, return_inverse=True)
    members = [
        np.ones(len(group_of), bool),
        *columns.T,
        *(stratum.reshape(-1) == number for number in range(len(strata))),
    ]
    return np.stack(
        [
            np.bincount(group_of, weights=column, minlength=n_groups).astype(np.int64)
            for column in members
        ],
        axis=1,
    )


def _distinct_rows(counts: IntArray) -> tuple[IntArray, IntArray]:
    """Return the first index of each distinct row, and the distinct row of each row.

    Distinct rows are numbered in ascending order. Equals `numpy.unique` along axis 0
    with ``return_index`` and ``return_inverse``, but packs as many columns as fit into
    one integer before it sorts.
    """
    packed = np.zeros(len(counts), np.int64)
    size = 1  # packed numbers are below it
    for column in counts.T:
        n_values = int(column.max()) + 1
        if size * n_values > _MAX_SIGNATURE:
            distinct, packed = np.unique(packed, return_inverse=True)
            size = len(distinct)
        packed = packed * n_values + column
        size *= n_values
    _, first, number = np.unique(packed, return_index=True, return_inverse=True)
    return first, number


def _distribute(
    counts: IntArray, n_copies: IntArray, weights: FloatArray, n_folds: int
) -> IntArray:
    """Return the number of groups of every profile in each fold.

    Parameters
    ----------
    counts : ndarray of shape (n_profiles, n_columns)
        The profiles: the records of one group by column.
    n_copies : ndarray of shape (n_profiles,)
        Number of groups with each profile.
    weights : ndarray of shape (n_columns,)
        Cost of a squared difference of one record in each column.
    n_folds : int
        Number of folds.

    Returns
    -------
    ndarray of shape (n_profiles, n_folds)
        Number of groups.

    Notes
    -----
    Sums are over the first axis and over few columns, so that their order, and with it
    every last bit and every tie, is the same on all machines.
    """
    steps = np.zeros(len(counts))  # extra cost of a second copy in the same fold
    for column, weight in zip(counts.T, weights, strict=True):
        steps += weight * column.astype(float) ** 2
    goals = (counts * n_copies[:, None]).sum(axis=0) / n_folds
    excess = np.repeat(-goals[:, None], n_folds, axis=1)  # (n_columns, n_folds)
    quotas = np.zeros((len(counts), n_folds), np.int64)
    for profile in np.argsort(-steps, kind="stable"):
        present = np.flatnonzero(counts[profile])
        group = counts[profile, present]
        costs = ((weights[present] * group)[:, None] * excess[present]).sum(axis=0)
        step, n = float(steps[profile]), int(n_copies[profile])
        quotas[profile] = _cheapest(costs, step, n)
        excess[present] += group[:, None] * quotas[profile]
    return quotas


def _cheapest(costs: FloatArray, step: float, n_copies: int) -> IntArray:
    """Return the number of copies in each fold if every copy is placed most cheaply.

    The first copy in a fold costs ``costs[fold]``, every further one `step` more. As in
    water filling, all folds below a common level are filled up to it.
    """
    ascending = np.sort(costs)
    levels = (n_copies * step + np.cumsum(ascending)) / np.arange(1, len(costs) + 1)
    level = levels[np.flatnonzero(ascending <= levels)[-1]]
    # One less than fits, so that rounding never places too many; then one by one.
    filled = np.floor((level - costs) / step) - 1
    quota: IntArray = np.maximum(filled, 0).astype(np.int64)
    for _ in range(n_copies - int(quota.sum())):
        quota[np.argmin(costs + quota * step)] += 1
    return quota


def _spread(quotas: IntArray, profile_of: IntArray) -> NDArray[np.int8]:
    """Return every group's fold; groups of one profile alternate between the folds."""
    n_folds = quotas.shape[1]
    quota = quotas.reshape(-1)
    cell = np.repeat(np.arange(len(quota)), quota)  # profile * n_folds + fold
    nth = np.arange(len(cell)) - (np.cumsum(quota) - quota)[cell]
    turn = (nth + 0.5) / quota[cell]
    fold = cell % n_folds
    fold_of_group = np.empty(len(profile_of), np.int8)
    in_turn = np.lexsort((fold, turn, cell // n_folds))
    fold_of_group[np.argsort(profile_of, kind="stable")] = fold[in_turn]
    return fold_of_group
