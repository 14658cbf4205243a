"""Count the records of a store by source, class, fold and quality."""

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ecgstore.storage.format import schema
from ecgstore.storage.store import Store


def summarise(
    path: str | Path, *, labels: Literal["beside", "built"] = "beside"
) -> dict[str, Any]:
    """Return the size, shape and counts of a store as plain values, for JSON.

    Parameters
    ----------
    path : str or Path
        The store.
    labels : {"beside", "built"}
        Labels to count; see `Store`.

    Returns
    -------
    dict
        Size, shape and beat detector, and counts of records by source, class, fold,
        quality flag, status of the beats, and reason of quarantine.
    """
    with Store(path, labels=labels) as store:
        multi_hot = store.labels(dtype=np.uint8)
        folds = store.records["fold"].to_numpy()
        return {
            "path": str(store.path),
            "size_bytes": os.path.getsize(store.path),
            "n_records": len(store),
            "n_features": len(store.feature_names),
            "signals": {
                "shape": [len(store), store.n_leads, store.n_samples],
                "dtype": store.dtype,
                "fs": store.config.fs,
            },
            "leads": list(store.leads),
            "software": store.software,
            "fingerprint": store.fingerprint,
            "labels_beside": store.has_labels_beside,
            "sources": _counts(store.records["source"].to_numpy()),
            "classes": _class_counts(store, multi_hot),
            "targets": _target_counts(store),
            "folds": {
                int(fold): {
                    "records": int((folds == fold).sum()),
                    "classes": _class_counts(store, multi_hot[folds == fold]),
                }
                for fold in np.unique(folds)
            },
            "flags": _flag_counts(store),
            "beats_engine": store.config.beats,
            "beats": _beats_counts(store),
            "quarantine": _counts(store.quarantine["reason"].to_numpy()),
        }


def _counts(values: Any) -> dict[str, int]:
    """Return the number of occurrences of each value."""
    names, counts = np.unique(values.astype(str), return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def _class_counts(store: Store, labels: Any) -> dict[str, int]:
    """Return the number of records in each class."""
    return dict(zip(store.label_names, labels.sum(axis=0).tolist(), strict=True))


def _target_counts(store: Store) -> dict[str, int]:
    """Return the number of records with a known value of each target."""
    if not store.target_names:
        return {}
    known = np.isfinite(store.targets()).sum(axis=0).tolist()
    return dict(zip(store.target_names, known, strict=True))


def _flag_counts(store: Store) -> dict[str, int]:
    """Return the number of records with each quality flag that occurs."""
    quality, records = store.quality, store.records
    missing = store.missing_leads

    def any_lead(name: str, above: float = 0.0) -> int:
        columns = [column for column in quality if str(column).startswith(f"{name}_")]
        flagged = quality[columns].to_numpy() > above
        if missing is not None:
            flagged &= ~missing
        return int(flagged.any(axis=1).sum())

    counts = {
        "a lead is derived from I and II": int((records["derived_leads"] != "").sum()),
        "a lead is missing, stored as zeros": int(
            (records["missing_leads"] != "").sum()
        ),
        "a lead is flat": any_lead("flat_fraction", above=0.9999),
        "a lead is clipped": any_lead("clipped_fraction"),
        "missing samples interpolated": any_lead("missing_fraction"),
        "exceeds the range of int16": any_lead("saturated_fraction"),
        "header checksum differs": any_lead("checksum_differs"),
        "header first value differs": any_lead("first_value_differs"),
        "shorter than stored, padded": int((quality[schema.PAD_LENGTH] > 0).sum()),
    }
    return {name: count for name, count in counts.items() if count}


def _beats_counts(store: Store) -> dict[str, int]:
    """Return the number of records by the status of their beats."""
    values = store.quality[schema.BEATS_STATUS].to_numpy()
    return {
        name: int((values == value).sum())
        for name, value in store.beats_statuses.items()
        if (values == value).any()
    }
