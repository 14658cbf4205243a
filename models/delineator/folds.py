"""Folds of an annotated database's records, for cross-fitted networks."""


def assign_folds(patients: dict[str, str], n_folds: int) -> dict[str, int]:
    """Return the fold of each record of a database; a patient's share one.

    Patients go to the folds in turn, in the order of their first records, so that the
    folds are equally large. Folds of several databases are made one by one.

    Parameters
    ----------
    patients : dict
        The patient of each record, by record_id.
    n_folds : int
        Number of folds.

    Examples
    --------
    >>> assign_folds({"1": "A", "2": "B", "3": "A", "4": "C"}, 2)
    {'1': 0, '2': 1, '3': 0, '4': 0}
    """
    folds: dict[str, int] = {}
    for patient in patients.values():
        folds.setdefault(patient, len(folds) % n_folds)
    return {record_id: folds[patient] for record_id, patient in patients.items()}
