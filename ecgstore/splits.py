"""Folds that share no patient and have similar proportions of every class.

`group_records` determines which records must stay together, then `assign_folds`
distributes the groups over the folds. Both depend on the records and not on the order
of the rows, and neither uses random numbers: the same records get the same folds.
"""

from collections.abc import Iterable, Iterator, Sequence
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
_GROUPS_AT_ONCE: Final = 1 << 20


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
    order, *same_hashes = _by_hash(np.asarray(signal_sha256, dtype="S"))
    others = np.flatnonzero(same != np.arange(n))
    first, second = np.concatenate(
        [same_hashes, _same_patients(source, patient_id), (others, same[others])],
        axis=1,
    )
    links = coo_array((np.ones(len(first), np.int8), (first, second)), shape=(n, n))
    n_groups, groups = connected_components(links, directed=False)
    return _renumbered(groups, n_groups, order)


def _same_patients(source: Texts, patient_id: Texts) -> tuple[IntArray, IntArray]:
    """Return pairs of rows of one patient: the others of a patient with one of them.

    Of `POOLED_SOURCES`, all records of unknown patients are linked as if of one.
    """
    first, patients = distinct(_array(patient_id))
    names = _array(patient_id)[first]
    is_known = (names != _EMPTY[names.dtype.kind])[patients]
    rows = np.flatnonzero(is_known & (first[patients] != np.arange(len(patients))))
    pairs = [(rows, first[patients[rows]])]
    first, sources = distinct(_array(source))
    for number, name in enumerate(_array(source)[first].tolist()):
        text = name.decode() if isinstance(name, bytes) else name
        if text in POOLED_SOURCES:
            unknown = np.flatnonzero(~is_known & (sources == number))
            pairs.append((unknown, np.repeat(unknown[:1], len(unknown))))
    rows, others = np.concatenate(pairs, axis=1)
    return rows, others


def _array(texts: Texts) -> NDArray[Any]:
    """Return texts as an array; NumPy would cut zeros off the end of str."""
    if isinstance(texts, np.ndarray):
        return texts
    return np.array([*texts], object)


def _by_hash(hashes: NDArray[np.bytes_]) -> tuple[IntArray, IntArray, IntArray]:
    """Return rows in the order of their hashes, and pairs of rows with the same one.

    Notes
    -----
    Numbers are sorted several times as fast as texts: rows are sorted by the first 8
    digits, then those which share these.
    """
    begins = hashes.astype("S8").view(">u8").astype(np.uint64)
    order = np.argsort(begins, kind="stable")
    begins = begins[order]
    is_shared = np.zeros(len(order) + 1, bool)  # with the one before
    is_shared[1:-1] = begins[1:] == begins[:-1]
    places = np.flatnonzero(is_shared[:-1] | is_shared[1:])
    shared = hashes[order[places]]
    order_of_shared = np.argsort(shared, kind="stable")
    rows = order[places[order_of_shared]]
    order[places] = rows
    shared = shared[order_of_shared]
    is_same = (shared[1:] == shared[:-1]) & (shared[1:] != b"")
    return order, rows[1:][is_same], rows[:-1][is_same]


def _renumbered(groups: NDArray[Any], n_groups: int, order: IntArray) -> IntArray:
    """Return the groups, numbered by the position of their first row in `order`."""
    place = np.empty(n_groups, np.int64)
    # The last write stays: that of the first position.
    place[groups[order[::-1]]] = np.arange(len(order))[::-1]
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
    stratum_of = (
        np.zeros(len(group_of), np.int8) if strata is None else np.asarray(strata)
    )
    if columns.ndim != 2 or not len(columns) == len(group_of) == len(stratum_of):
        raise ValueError(
            f"labels have shape {columns.shape}, groups {group_of.shape}, strata "
            f"{stratum_of.shape}; expected one row, group and stratum per record"
        )
    if not 2 <= n_folds <= _MAX_FOLDS:
        raise ValueError(f"n_folds is {n_folds}; expected 2 to {_MAX_FOLDS}")
    if not len(columns):
        return np.empty(0, np.int8)
    profiles, profile_of, group_of = _profiles(columns, group_of, stratum_of)
    n_copies = np.bincount(profile_of)
    # A column at a time, so that no copy of all of them is made.
    totals = np.array([(column * n_copies).sum() for column in profiles.T])
    importance = np.full(len(totals), STRATA_WEIGHT)
    importance[: 1 + columns.shape[1]] = 1.0
    quotas = _distribute(
        profiles,
        n_copies,
        totals / n_folds,
        importance / np.maximum(totals, 1.0) ** 2,
        n_folds,
    )
    folds: NDArray[np.int8] = _spread(quotas, profile_of)[group_of]
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
    group_of = _numbered(np.asarray(groups))
    votes = np.zeros((group_of.max(initial=-1) + 1, N_FOLDS), np.int32)
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


def _numbered(values: NDArray[Any]) -> IntArray:
    """Return for each value its place among the different ones in ascending order."""
    if values.dtype.kind == "S":
        first, number = distinct(values)
        return _numbered_by_sorting(values[first])[number]
    is_small = values.dtype.kind in "iu" and len(values) > 0 and values.min() >= 0
    if not (is_small and values.max() < len(values)):
        return _numbered_by_sorting(values)
    is_present = np.zeros(int(values.max()) + 1, bool)
    is_present[values] = True
    numbers: IntArray = (np.cumsum(is_present) - 1)[values]
    return numbers


def _numbered_by_sorting(values: NDArray[Any]) -> IntArray:
    """Return `_numbered` of any values."""
    numbers: IntArray = np.unique(values, return_inverse=True)[1].reshape(-1)
    return numbers


def _profiles(
    columns: NDArray[Any], groups: NDArray[Any], strata: NDArray[Any]
) -> tuple[NDArray[np.int32], IntArray, IntArray]:
    """Return the different profiles of groups, and which one each group has.

    A profile is the number of a group's records in total, per class and per stratum.

    Returns
    -------
    profiles : ndarray of shape (n_profiles, 1 + n_classes + n_strata)
        In ascending order.
    profile_of : ndarray of shape (n_groups,)
        Number of the profile of each group.
    group_of : ndarray of shape (n_records,)
        Number of the group of each record.
    """
    group_of, stratum_of = _numbered(groups), _numbered(strata)
    n_groups, n_strata = int(group_of.max()) + 1, int(stratum_of.max()) + 1
    first, profile_of = _distinct_rows(
        n_groups, _counts_by_group(columns, group_of, stratum_of, n_groups, n_strata)
    )
    # All counts of all groups would take gigabytes: count again in the first group of
    # each profile.
    number = np.full(n_groups, -1)
    number[first] = np.arange(len(first))
    rows = np.flatnonzero(number[group_of] >= 0)
    counts = _counts_by_group(
        columns[rows], number[group_of[rows]], stratum_of[rows], len(first), n_strata
    )
    profiles = np.empty((len(first), 1 + columns.shape[1] + n_strata), np.int32)
    for place, column in enumerate(counts):
        profiles[:, place] = column
    return profiles, profile_of, group_of


def _counts_by_group(
    columns: NDArray[Any],
    group_of: IntArray,
    stratum_of: IntArray,
    n_groups: int,
    n_strata: int,
) -> Iterator[IntArray]:
    """Yield the records of each group in total, per class and per stratum."""
    yield np.bincount(group_of, minlength=n_groups)
    for column in columns.T:
        rows = np.flatnonzero(column)
        counts = np.bincount(group_of[rows], weights=column[rows], minlength=n_groups)
        yield counts.astype(np.int64)
    for number in range(n_strata):
        yield np.bincount(group_of[stratum_of == number], minlength=n_groups)


def _distinct_rows(
    n_rows: int, columns: Iterable[IntArray]
) -> tuple[IntArray, IntArray]:
    """Return the first index of each distinct row, and the distinct row of each row.

    Distinct rows are numbered in ascending order. Equals `numpy.unique` along axis 0
    with ``return_index`` and ``return_inverse``, but takes one column at a time, and
    packs as many as fit into one integer before it sorts.
    """
    packed = np.zeros(n_rows, np.int64)
    size = 1  # packed numbers are below it
    for column in columns:
        # Large values are few: of records that are one group though nobody knows why.
        numbers = _numbered(column)
        n_values = int(numbers.max()) + 1
        if size * n_values > _MAX_SIGNATURE:
            packed = _numbered_by_sorting(packed)
            size = int(packed.max()) + 1
        packed *= n_values
        packed += numbers
        size *= n_values
    _, first, number = np.unique(packed, return_index=True, return_inverse=True)
    return first, number


def _distribute(
    counts: NDArray[np.int32],
    n_copies: IntArray,
    goals: FloatArray,
    weights: FloatArray,
    n_folds: int,
) -> IntArray:
    """Return the number of groups of every profile in each fold.

    Parameters
    ----------
    counts : ndarray of shape (n_profiles, n_columns)
        The profiles: the records of one group by column.
    n_copies : ndarray of shape (n_profiles,)
        Number of groups with each profile.
    goals : ndarray of shape (n_columns,)
        Records of each column that a fold should have.
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
    excess = np.repeat(-goals[:, None], n_folds, axis=1)  # (n_columns, n_folds)
    quotas = np.zeros((len(counts), n_folds), np.int64)
    for profile in np.argsort(-steps, kind="stable").tolist():
        counted = counts[profile]
        present = counted.nonzero()[0]
        group = counted[present]
        costs = ((weights[present] * group)[:, None] * excess[present]).sum(axis=0)
        if n_copies[profile] == 1:  # so have most profiles of very many records
            fold = costs.argmin()
            quotas[profile, fold] = 1
            excess[present, fold] += group
            continue
        quotas[profile] = _cheapest(
            costs, float(steps[profile]), int(n_copies[profile])
        )
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
    fold_of_group = np.empty(len(profile_of), np.int8)
    groups = np.argsort(profile_of, kind="stable")
    ends = np.cumsum(quotas.sum(axis=1))
    first = begin = 0
    while first < len(quotas):
        last = int(np.searchsorted(ends, begin + _GROUPS_AT_ONCE, side="right"))
        last = max(first + 1, last)
        end = int(ends[last - 1])
        fold_of_group[groups[begin:end]] = _in_turn(quotas[first:last])
        first, begin = last, end
    return fold_of_group


def _in_turn(quotas: IntArray) -> IntArray:
    """Return the folds of all groups of some profiles, one profile after another."""
    n_folds = quotas.shape[1]
    quota = quotas.reshape(-1)
    cell = np.repeat(np.arange(len(quota)), quota)  # profile * n_folds + fold
    nth = np.arange(len(cell)) - (np.cumsum(quota) - quota)[cell]
    turn = (nth + 0.5) / quota[cell]
    fold = cell % n_folds
    folds: IntArray = fold[np.lexsort((fold, turn, cell // n_folds))]
    return folds
