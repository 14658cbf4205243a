"""Patients of the records of a store, and folds that keep each patient together."""

from ecgstore.arrays import IntArray
from ecgstore.splits import assign_folds, group_records
from ecgstore.storage import Store


def patients(store: Store) -> IntArray:
    """Return a number for each record's patient: see `ecgstore.splits.group_records`.

    Records with the same signal, or of a source whose patients cannot be told apart,
    have the same number.
    """
    records = store.records
    return group_records(
        records["source"].to_list(),
        records["patient_id"].to_list(),
        records["sha256"].to_list(),
    )


def folds_of(store: Store, rows: IntArray, n_folds: int) -> list[IntArray]:
    """Deal rows to folds: whole patients, even classes, even sources.

    Returns
    -------
    list of ndarray
        The rows of each fold, increasing.
    """
    fold = assign_folds(
        store.labels(rows=rows),
        patients(store)[rows],
        n_folds,
        strata=store.records["source"].to_numpy()[rows],
    )
    return [rows[fold == number] for number in range(n_folds)]
