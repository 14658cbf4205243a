"""Features and diagnoses of a folder's records, as a build computes them."""

from pathlib import Path

import numpy as np

from bench.common.records import accepted_records, headers_in, options_for
from ecgstore.arrays import FloatArray
from ecgstore.beats import find_beats
from ecgstore.config import Config
from ecgstore.features import FEATURES, compute
from ecgstore.signals.preprocess import preprocess


def features_of(
    folder: Path, config: Config
) -> tuple[dict[str, FloatArray], list[set[str]]]:
    """Return the values of every feature, and the diagnoses of every record.

    Returns
    -------
    values : dict
        By feature, an array of shape (n_records,), NaN where undefined.
    diagnoses : list of set
        SNOMED CT codes of each record.
    """
    rows, diagnoses = [], []
    for _, record in accepted_records(headers_in(folder), config):
        prepared = preprocess(
            record.signal, record.fs, **options_for(preprocess, config)
        )
        signal = prepared.signal[:, : prepared.n_real_samples]
        beats = find_beats(signal, config.fs, **options_for(find_beats, config))
        rows.append(compute(signal, beats, config.fs, config.rr_convention))
        diagnoses.append({*record.dx})
    columns = np.array(rows, np.float64).T
    names = (feature.name for feature in FEATURES)
    return dict(zip(names, columns, strict=True)), diagnoses
