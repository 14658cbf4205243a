"""The network for each record of LUDB: one that was not trained on the record."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.beats.ludb import LudbRecord
from ecgstore.arrays import Float32Array
from ecgstore.beats.unet import engine as delineator


def held_out_networks(
    path: Path, records: Sequence[LudbRecord]
) -> tuple[dict[str, Float32Array], str]:
    """Return, for each record, the network of the fold that holds it out.

    Parameters
    ----------
    path : Path
        File of ``python -m ecgstore.models.delineator.training --folds``.
    records : sequence of LudbRecord

    Returns
    -------
    networks : dict
        Weights by record_id.
    description : str
        For the printed tables.

    Raises
    ------
    SystemExit
        If the file has no such network for one of the records.
    """
    held_out = _about(path)["held_out"]
    networks: dict[str, Float32Array] = {}
    with np.load(path) as file:
        for name, record_ids in held_out.items():
            networks |= dict.fromkeys(record_ids, file[name])
    missing = sorted({record.record_id for record in records} - {*networks})
    if missing:
        raise SystemExit(
            f"{path}: no network that was not trained on the records "
            f"{', '.join(missing)}; make it with: "
            "python -m ecgstore.models.delineator.training LUDB --folds 5 -o FILE"
        )
    return networks, f"{len(held_out)} networks, each on the records it holds out"


def describe_own_network(records: Sequence[LudbRecord]) -> str:
    """Return a text with the number of records the package's network was trained on."""
    weights = Path(delineator.__file__).with_name(delineator.WEIGHTS)
    trained_on = {*_about(weights)["records"]}
    n_seen = sum(record.record_id in trained_on for record in records)
    return f"the package's own network, which was trained on {n_seen} of the records"


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
