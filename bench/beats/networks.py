"""The network for each record: one that was not trained on it."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ecgstore.arrays import Float32Array
from ecgstore.beats.unet import engine as delineator
from ecgstore.models.delineator.databases.annotated import AnnotatedRecord
from ecgstore.models.delineator.folds import assign_folds

NetworkOf = Callable[[str], Float32Array | None]
"""Returns the weights for a record_id; None for the package's own."""


def held_out_networks(
    path: Path, databases: Sequence[Sequence[AnnotatedRecord]]
) -> tuple[NetworkOf, str]:
    """Return, for each record, a network that was not trained on it.

    Records that none of the networks was trained on are shared out among them, by
    patient.

    Parameters
    ----------
    path : Path
        Folder of ``python -m ecgstore.models.delineator.training --folds``.
    databases : sequence of sequences of AnnotatedRecord

    Returns
    -------
    network_of : callable
    description : str
        For the printed tables.

    Raises
    ------
    SystemExit
        If the folder has no such network for one of the records.
    """
    networks: dict[str, Float32Array] = {}
    all_weights, trained_on = [], set[str]()
    for file in sorted(path.glob("fold_*.npz")):
        about = _about(file)
        with np.load(file) as arrays:
            all_weights.append(arrays["weights"])
        networks |= dict.fromkeys(about["held_out"], all_weights[-1])
        trained_on |= {*about["records"]}
    missing = []
    for records in databases:
        patients = {record.record_id: record.patient for record in records}
        missing += sorted((trained_on - {*networks}) & {*patients})
        unseen = {
            record_id: patient
            for record_id, patient in patients.items()
            if record_id not in networks and record_id not in trained_on
        }
        if unseen and all_weights:
            folds = assign_folds(unseen, len(all_weights))
            networks |= {
                record_id: all_weights[fold] for record_id, fold in folds.items()
            }
    if missing or not all_weights:
        raise SystemExit(
            f"{path}: no network that was not trained on the records "
            f"{', '.join(missing)}; make it with: "
            "python -m ecgstore.models.delineator.training --ludb LUDB --folds 5 "
            "-o FOLDER"
        )
    text = f"{len(all_weights)} networks, each on records that it was not trained on"
    return networks.__getitem__, text


def own_network(
    databases: Sequence[Sequence[AnnotatedRecord]],
) -> tuple[NetworkOf, str]:
    """Return the package's own network for every record.

    The text says how many of the records it was trained on.
    """
    path = Path(delineator.__file__).with_name(delineator.WEIGHTS)
    trained_on = {*_about(path)["records"]}
    ids = [record.record_id for records in databases for record in records]
    n_seen = sum(record_id in trained_on for record_id in ids)
    text = f"the package's own network, which was trained on {n_seen} of the records"
    return lambda record_id: None, text


def _about(path: Path) -> dict[str, Any]:
    """Return the description that a file of weights holds."""
    with np.load(path) as file:
        if "about" not in file:
            raise SystemExit(
                f"{path}: no description of weights; expected a file that "
                "python -m ecgstore.models.delineator.training wrote"
            )
        description: dict[str, Any] = json.loads(str(file["about"]))
    return description
