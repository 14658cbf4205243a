"""The network for each record: one that was not trained on it."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from ecgstore.arrays import Float32Array
from ecgstore.beats.unet import evidence
from ecgstore.beats.unet.decoding import RULES, Rules
from ecgstore.models.delineator.databases.annotated import AnnotatedRecord
from ecgstore.models.delineator.folds import assign_folds

RULES_FILE: Final = "rules.json"
"""Thresholds by number of the fold, in the folder of weights."""


class Network(NamedTuple):
    """Weights of the delineator, and the thresholds of its decoding."""

    weights: Float32Array
    rules: Rules


NetworkOf = Callable[[str], Network | None]
"""Returns the network for a record_id; None for the package's own."""


def folds_in(folder: Path) -> Iterator[tuple[Float32Array, list[str], list[str]]]:
    """Yield weights of each fold, the records trained on, and those held out.

    Raises
    ------
    SystemExit
        If there is no fold.
    """
    paths = sorted(folder.glob("fold_*.npz"))
    if not paths:
        raise SystemExit(
            f"{folder}: has no networks of folds (fold_0.npz, ...); make them with: "
            "python -m ecgstore.models.delineator.training --ludb LUDB --folds 5 "
            "-o FOLDER"
        )
    for path in paths:
        with np.load(path) as arrays:
            about = _about(path)
            yield arrays["weights"], about["records"], about["held_out"]


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
        If there is no such network for one of the records.
    """
    rules_path = path / RULES_FILE
    rules = json.loads(rules_path.read_text()) if rules_path.exists() else {}
    folds = []
    networks: dict[str, Network] = {}
    trained_on: set[str] = set()
    for fold, (weights, records_of, held_out) in enumerate(folds_in(path)):
        chosen = _rules(rules[str(fold)]) if rules else RULES
        folds.append(Network(weights, chosen))
        networks |= dict.fromkeys(held_out, folds[-1])
        trained_on |= {*records_of}
    for records in databases:
        patients = {
            record.record_id: record.patient
            for record in records
            if record.record_id not in networks
        }
        missing = sorted(trained_on & {*patients})
        if missing:
            raise SystemExit(
                f"{path}: no network that was not trained on the records "
                f"{', '.join(missing)}; train the missing folds"
            )
        fold_of = assign_folds(patients, len(folds))
        networks |= {record_id: folds[fold] for record_id, fold in fold_of.items()}
    text = f"{len(folds)} networks, each on records that it was not trained on; " + (
        "thresholds chosen on other records, too"
        if rules
        else "the package's own thresholds"
    )
    return networks.__getitem__, text


def own_network(
    databases: Sequence[Sequence[AnnotatedRecord]],
) -> tuple[NetworkOf, str]:
    """Return the package's own network for every record.

    The text says how many of the records it was trained on.
    """
    path = Path(evidence.__file__).with_name(evidence.WEIGHTS)
    trained_on = {*_about(path)["records"]}
    ids = [record.record_id for records in databases for record in records]
    n_seen = sum(record_id in trained_on for record_id in ids)
    text = f"the package's own network, which was trained on {n_seen} of the records"
    return lambda record_id: None, text


def _rules(values: dict[str, Any]) -> Rules:
    """Return rules from JSON, which has no tuples."""
    return Rules(**values | {"p_weights": tuple(values["p_weights"])})


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
