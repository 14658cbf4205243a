"""Patients of the records of a store, and folds that keep each patient together."""

from ecgstore.arrays import IntArray
from ecgstore.splits import assign_folds, group_records
from ecgstore.storage import Store


def patients(store: Store) -> IntArray:
    """Return the number of each record's patient: see `ecgstore.splits.group_records`.

    Records with the same signal have the same number, and so have all records of a
    source in which unknown patients may have several records.
    """
    records = store.records
    return group_records(
        records["source"].to_list(),
        records["patient_id"].to_list(),
        records["sha256"].to_list(),
    )


def folds_of(store: Store, rows: IntArray, n_folds: int) -> list[IntArray]:
    """Split rows into folds by patient, balanced in classes and sources.

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
