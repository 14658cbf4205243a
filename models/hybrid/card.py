"""The model card of a hybrid: what a person must know before using it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from ecgstore.models.hybrid.model import Hybrid
from ecgstore.scores.table import SCORE_TABLE
from ecgstore.scores.texts import number_text
from ecgstore.storage import Store
from ecgstore.system.atomic_files import replace_file
from ecgstore.system.visible import visible

CARD: Final = "README.md"

PART_TITLES: Final = {
    "trees": "boosted trees on handcrafted features",
    "network": "small networks on handcrafted features",
    "extractor": "deep network on signals",
    "sum": "all together",
}
"""The names of the parts of a hybrid, and of their sum."""


def write_card(hybrid: Hybrid, store: Store, path: Path) -> None:
    """Write the model card as Markdown.

    Parameters
    ----------
    hybrid : Hybrid
        The model, whose `origin` has the scores of its training.
    store : Store
        The store that it was trained on.
    path : Path
        The file; replaced if it exists.
    """
    with replace_file(path) as file:
        file.write("\n".join(_lines(hybrid, store)) + "\n")


def _lines(hybrid: Hybrid, store: Store) -> list[str]:
    """Return the lines of the card."""
    deep = hybrid.extractor
    inputs = "handcrafted features"
    if deep is not None:
        inputs += f" and signals at {deep.fs:g} Hz ({deep.name})"
    return [
        f"# A classifier of ECGs for {len(hybrid.label_names)} classes",
        "",
        f"Made by ecgstore from {inputs}. It adds the logits of its parts; "
        "probabilities are calibrated. For research: it is not a medical device.",
        "",
        "## Trained on",
        "",
        *_training_lines(hybrid, store),
        "",
        "## Scores",
        "",
        *_score_lines(hybrid, store),
        "",
        "## What it does with a record",
        "",
        *_use_lines(hybrid),
    ]


def _training_lines(hybrid: Hybrid, store: Store) -> list[str]:
    """Return the lines about the training records."""
    rows = np.asarray(hybrid.origin["training_rows"])
    source = store.column("source", rows)
    n_patients = len(set(store.groups()[rows].tolist()))
    names, counts = np.unique(source, return_counts=True)
    return [
        f"{len(rows)} records of {n_patients} patients in the store "
        f"`{visible(store.file_name)}` (fingerprint `{hybrid.fingerprint[:16]}`).",
        "",
        *_table(
            ["source", "records"],
            [[visible(str(n)), int(c)] for n, c in zip(names, counts, strict=True)],
        ),
        "",
        "The licences of these data sets apply. Scores for other hospitals may be much "
        "lower than those below: evaluate it on their records first.",
    ]


def _score_lines(hybrid: Hybrid, store: Store) -> list[str]:
    """Return the lines about the scores of held-out records."""
    rows = np.asarray(hybrid.origin["training_rows"])
    counts = store.labels(rows=rows, dtype=np.uint8).sum(axis=0, dtype=np.int64)
    scores = hybrid.origin["scores"]
    of_sum = scores["class_scores"]["sum"]
    return [
        f"Each record was predicted by trainings without it and its patient, in "
        f"{hybrid.origin['settings']['n_inner_folds']} folds; in brackets the "
        f"{100 * scores['level']:g} % interval of {scores['n_resamples']} resamples of "
        "the patients. Thresholds were chosen on the same predictions, so that F1 and "
        "subset accuracy are slightly too high. The model itself was trained on all "
        "of these records, and is likely a little better.",
        "",
        *_table(
            ["", *(row.overall_heading for row in SCORE_TABLE)],
            [
                [
                    PART_TITLES[name],
                    *(
                        _estimate(scores["scores"][name][row.overall_name])
                        for row in SCORE_TABLE
                    ),
                ]
                for name in scores["names"]
            ],
        ),
        "",
        *_table(
            ["class", "records", "AUROC", "average precision", "threshold"],
            [
                [
                    visible(name),
                    int(counts[k]),
                    _estimate(of_sum["auroc"][k]),
                    _estimate(of_sum["average_precision"][k]),
                    number_text(float(hybrid.thresholds[k])),
                ]
                for k, name in enumerate(hybrid.label_names)
            ],
        ),
    ]


def _use_lines(hybrid: Hybrid) -> list[str]:
    """Return the lines about inputs, commands and software."""
    config = hybrid.config
    with_age = ", with age and sex where known" if "age" in hybrid.columns else ""
    versions = ", ".join(f"{name} {n}" for name, n in hybrid.versions.items())
    return [
        f"- the first {config.duration_s:g} s, resampled to {config.fs:g} Hz, "
        f"band-pass {config.low_hz:g} to {config.high_hz:g} Hz; leads "
        f"{', '.join(hybrid.leads)}",
        f"- beats and features of versions {versions}: {len(hybrid.columns)} columns"
        f"{with_age}",
        "- a class is predicted where its probability reaches the threshold",
        "",
        "```sh",
        "ecgstore predict FOLDER new_records/ -o probabilities.csv",
        "ecgstore evaluate FOLDER other.h5 --folds 0-9",
        "ecgstore explain FOLDER record.hea",
        "```",
        "",
        f"Software: {hybrid.origin['software']}. SHA-256 of everything that was "
        f"fitted: `{hybrid.weights_sha256()}`.",
    ]


def _estimate(values: Sequence[float | None]) -> str:
    """Return a score and its interval as text."""
    value, low, high = values
    if value is None:
        return "undefined"
    if low is None or high is None:
        return number_text(value)
    return f"{number_text(value)} ({number_text(low)} to {number_text(high)})"


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return the lines of a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    cells = [[str(cell).replace("|", "\\|") for cell in line] for line in lines]
    return [f"| {' | '.join(line)} |" for line in cells]
