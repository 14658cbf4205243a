"""Count the records of a store by source, class, fold and quality."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ecgstore.arrays import IntArray
from ecgstore.storage.counts import blocks, column_sums, text_counts
from ecgstore.storage.flags import quality_flags
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
        Size, parts of a collection, shape and beat detector, and counts of records by
        source, class, fold, quality flag, status of the beats, and reason of
        quarantine; of a store at a URL, what was transferred for all this.
    """
    with Store(path, labels=labels) as store:
        return summary_of(store)


def summary_of(store: Store) -> dict[str, Any]:
    """Return what `summarise` does, of an open store.

    Parameters
    ----------
    store : Store
        The store, with the labels to count.
    """
    names = store.label_names
    multi_hot, folds = store.table(schema.LABELS), store.table(schema.FOLDS)
    sources = store.table(f"{schema.RECORDS}/source")
    reasons = store.table(f"{schema.QUARANTINE}/reason")
    summary = {
        "path": store.place,
        "size_bytes": os.path.getsize(store.path),
        "parts": [str(part) for part in store.parts],
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
        "sources": text_counts(sources),
        "classes": _named(names, column_sums(multi_hot)),
        "targets": _target_counts(store),
        "folds": {
            int(fold): {
                "records": len(rows),
                "classes": _named(names, column_sums(multi_hot, rows)),
            }
            for fold, rows in (
                (fold, np.flatnonzero(folds == fold)) for fold in np.unique(folds)
            )
        },
        "flags": {
            name: int(is_flagged.sum())
            for name, is_flagged in quality_flags(store).items()
        },
        "beats_engine": store.config.beats,
        "beats": _beats_counts(store),
        "quarantine": text_counts(reasons),
        "review": _review_counts(store),
    }
    # The last one, because counting reads columns.
    transfers = asdict(store.transfers) if store.is_remote else None
    return {**summary, "transfers": transfers}


def _review_counts(store: Store) -> dict[str, Any] | None:
    """Return how many records are decided in a label round; None if there is none."""
    if not store.columns.review:
        return None
    return {"path": str(store.review.path), **store.review.counts()._asdict()}


def _named(names: Sequence[str], numbers: IntArray) -> dict[str, int]:
    """Return numbers by name."""
    return dict(zip(names, numbers.tolist(), strict=True))


def _target_counts(store: Store) -> dict[str, int]:
    """Return the number of records with a known value of each target."""
    if not store.target_names:
        return {}
    targets = store.table(schema.TARGETS)
    known = np.zeros(targets.shape[1], np.int64)
    for rows in blocks(len(store)):
        known += np.isfinite(targets[rows]).sum(axis=0)
    return _named(store.target_names, known)


def _beats_counts(store: Store) -> dict[str, int]:
    """Return the number of records by the status of their beats."""
    values = store.table(f"{schema.QUALITY}/{schema.BEATS_STATUS}")
    n_by_value = np.bincount(values, minlength=256)
    return {
        name: int(n_by_value[value])
        for name, value in store.beats_statuses.items()
        if n_by_value[value]
    }
