"""Everything that results of a comparison depend on; they are cached under its digest.

An identity has more rather than less: a result that is computed again costs time, one
that is wrongly used again gives wrong scores.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import scipy
import sklearn
import torch

from ecgstore.models.comparison.baselines import BASELINES
from ecgstore.models.comparison.cache import array_digest
from ecgstore.models.comparison.classifiers import HYBRIDS, JOINED, NAMES
from ecgstore.models.comparison.protocols import OuterFold
from ecgstore.models.comparison.settings import ComparisonSettings
from ecgstore.models.hybrid.inner_folds import InnerFold
from ecgstore.models.networks.own import source_of
from ecgstore.storage import Store
from ecgstore.storage.format import schema

EXTRACTION_VERSION: Final = 4
"""Increase it when the outputs of extractors change for the same settings, so that
outputs cached by older releases are not used."""

PREDICTION_VERSION: Final = 1
"""Increase it when predictions of a fold change for the same settings and outputs of
extractors, so that predictions cached by older releases are not used."""


def extraction_identity(
    store: Store,
    settings: ComparisonSettings,
    seed: int,
    outer: OuterFold,
    inner: InnerFold,
    device: str,
) -> dict[str, Any]:
    """Return what the outputs of the extractor of an inner fold depend on.

    Parameters
    ----------
    store : Store
        The records.
    settings : ComparisonSettings
        Settings of the comparison, with the names of the leads.
    seed : int
        Seed of the training.
    outer, inner : OuterFold and InnerFold
        The records that it is trained on, and those that it is used for.
    device : str
        Device of the training.
    """
    seen = inner.seen
    rows = np.concatenate([seen, inner.held_out, outer.test])
    source = source_of(settings.model.model)
    return {
        # Not the store's fingerprint, which depends on handcrafted features as well.
        "signals": array_digest(store.table(schema.CHECKSUMS)[rows]),
        "labels": array_digest(store.labels(rows=seen, dtype=np.uint8)),
        "fs": store.config.fs,
        "model": settings.model.to_dict(),
        **({} if source is None else {"source": source["sha256"]}),
        "training": replace(settings.training, seed=seed).to_dict(),
        "torch": torch.__version__,
        "extraction": EXTRACTION_VERSION,
        "device": device,
        "rows": [*_rows_of(inner), outer.test.tolist()],
    }


def prediction_identity(
    store: Store,
    settings: ComparisonSettings,
    seed: int,
    outer: OuterFold,
    inner: Sequence[InnerFold],
    outputs: Sequence[Path],
    *,
    with_joined: bool,
) -> dict[str, Any]:
    """Return what the predictions of an outer fold depend on.

    Parameters
    ----------
    store : Store
        The records.
    settings : ComparisonSettings
        Settings of the comparison, with the names of the leads.
    seed : int
        Seed of the trainings.
    outer : OuterFold
        Training and test records.
    inner : sequence of InnerFold
        The inner folds of the training records.
    outputs : sequence of Path
        Files with the outputs of the extractor of each inner fold: their names hold the
        digest of what those depend on, which are the signals, too.
    with_joined : bool
        Whether the classifiers of `JOINED` are trained, too.
    """
    rows = np.concatenate([outer.training, outer.test])
    return {
        # Not the labels of the test records, on which nothing may depend.
        "labels": array_digest(store.labels(rows=outer.training, dtype=np.uint8)),
        "classes": list(store.label_names),
        "features": array_digest(store.table(schema.FEATURES)[rows]),
        "columns": list(store.feature_names),
        "age": array_digest(store.column("age", rows).astype(np.float64)),
        "sex": store.column("sex", rows).tolist(),
        "sources": store.column("source", rows).tolist(),
        "patients": store.groups(rows).tolist(),
        "settings": settings.hybrid(seed).to_dict(),
        "deep_inputs": settings.deep_inputs,
        "classifiers": [
            *BASELINES,
            *NAMES.values(),
            *(JOINED if with_joined else ()),
            *HYBRIDS,
        ],
        "outputs": [path.name for path in outputs],
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
        "torch": torch.__version__,
        "prediction": PREDICTION_VERSION,
        "rows": [
            outer.training.tolist(),
            outer.test.tolist(),
            [_rows_of(fold) for fold in inner],
        ],
    }


def _rows_of(inner: InnerFold) -> list[list[int]]:
    """Return the rows of an inner fold."""
    parts = (inner.training, inner.validation, inner.held_out)
    return [part.tolist() for part in parts]
