"""The report of a comparison: tables, plots, and every prediction, in a folder."""

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch

from ecgstore import __version__
from ecgstore.models.comparison.estimates import estimate
from ecgstore.models.comparison.pictures import (
    write_learning_curve,
    write_pictures,
)
from ecgstore.models.comparison.results import ComparedRecords, ProtocolResult
from ecgstore.models.comparison.settings import ComparisonSettings
from ecgstore.models.comparison.stored import FORMAT
from ecgstore.models.comparison.tables import (
    write_by_source,
    write_differences,
    write_scores,
)
from ecgstore.scores.bootstrap import BootstrapResult
from ecgstore.storage import Store
from ecgstore.system.atomic_files import replace_file
from ecgstore.system.locks import only_writer


@dataclass(frozen=True, slots=True)
class Report:
    """The estimates of every protocol, and the files that show them.

    Attributes
    ----------
    estimates : Mapping
        By protocol.
    files : list of Path
        By protocol, the most important files first.
    """

    estimates: Mapping[str, BootstrapResult]
    files: list[Path]


def write_report(
    store: Store,
    settings: ComparisonSettings,
    results: Mapping[str, ProtocolResult],
    folder: Path,
) -> Report:
    """Estimate scores and differences, and write all results to a folder.

    For each protocol: plots of scores, differences, reliability and confusion;
    ``<protocol>-scores.csv`` and ``-differences.csv`` with every estimate and its
    interval; ``-by-source.csv`` with the AUROC within each source; and
    ``<protocol>.json`` with every prediction by record, from which everything can be
    computed again.

    Parameters
    ----------
    store : Store
        The records of the comparison.
    settings : ComparisonSettings
        The settings of the comparison.
    results : Mapping
        Result of `ecgstore.models.comparison.run.compare`.
    folder : Path
        Folder of the files.
    """
    estimates, files = {}, []
    records = ComparedRecords.of(store)
    with only_writer(folder, "comparison"):
        for protocol, result in results.items():
            protocol_estimates = estimate(records, result, settings.n_resamples)
            estimates[protocol] = protocol_estimates
            files += write_pictures(
                records, protocol, result, protocol_estimates, folder
            )
            scores, differences, by_source, predictions = (
                folder / f"{protocol}{ending}"
                for ending in (
                    "-scores.csv",
                    "-differences.csv",
                    "-by-source.csv",
                    ".json",
                )
            )
            write_scores(records, protocol_estimates, scores)
            write_differences(records, protocol_estimates, differences)
            write_by_source(records, result, by_source)
            content = _content(
                store, settings, protocol, records, result, protocol_estimates
            )
            with replace_file(predictions) as file:
                json.dump(content, file, ensure_ascii=False)
            files += [scores, differences, by_source, predictions]
        files += write_learning_curve(results, estimates, folder)
    return Report(estimates, files)


def _content(
    store: Store,
    settings: ComparisonSettings,
    protocol: str,
    records: ComparedRecords,
    result: ProtocolResult,
    estimates: BootstrapResult,
) -> dict[str, Any]:
    """Return all values that are needed to compute the scores again, for JSON."""
    fold_of = np.empty(len(records.names), object)
    for fold in result.outer:
        fold_of[fold.test] = fold.name
    return {
        "format": FORMAT.name,
        "version": FORMAT.version,
        "protocol": protocol,
        "settings": settings.for_store(store).to_dict(),
        "store": {"name": store.file_name, "fingerprint": store.fingerprint},
        "software": {
            "ecgstore": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
            "torch": torch.__version__,
            "machine": platform.machine(),
        },
        "classes": list(records.label_names),
        "estimates": estimates.to_dict(),
        "thresholds": {
            name: {
                fold.name: predictions.thresholds[:, fold.test[0]].tolist()
                for fold in result.outer
            }
            for name, predictions in result.predictions.items()
        },
        "records": [
            {
                "record_id": record_id,
                "source": records.source[row],
                "patient": int(records.patient[row]),
                "fold": fold_of[row],
                "labels": records.labels[row].tolist(),
                "probabilities": {
                    name: predictions.probabilities[:, row].tolist()
                    for name, predictions in result.predictions.items()
                },
            }
            for row, record_id in enumerate(records.names)
        ],
    }
