"""How good a model is, by the records that were held out."""

from collections.abc import Iterator, Sequence

import numpy as np

from ecgstore.errors import counted
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.hybrid.card import PART_TITLES
from ecgstore.models.hybrid.model import Hybrid
from ecgstore.plots import plot_confusion, plot_reliability
from ecgstore.reports.hardest import hardest_gallery, hardest_records, hardest_table
from ecgstore.reports.judged import MODEL, Judged
from ecgstore.reports.page import (
    Block,
    Facts,
    Paragraph,
    Section,
    Table,
)
from ecgstore.reports.pictures import Pictures
from ecgstore.reports.scores import (
    by_heading,
    class_table,
    score_table,
    scores_explained,
)
from ecgstore.scores.bootstrap import BootstrapResult
from ecgstore.scores.regression import REGRESSION_HEADINGS
from ecgstore.scores.stored import stored_result
from ecgstore.scores.texts import estimate_text, number_text
from ecgstore.storage import Store
from ecgstore.system.json_files import JsonValue


def held_out_sections(
    trained: Checkpoint | Hybrid, origin: JsonValue
) -> Iterator[Section]:
    """Yield the scores of a hybrid's training records, each predicted without it."""
    if not isinstance(trained, Hybrid):
        return
    scores = origin["scores"]
    names = scores["names"].texts(len(PART_TITLES))
    if not {*names} <= PART_TITLES.keys() or "sum" not in names:
        scores["names"].refuse(f"some of {', '.join(PART_TITLES)}, and sum")
    result = stored_result(scores, names, len(trained.label_names))
    yield Section(
        "Scores of training records, each held out once",
        [
            Paragraph(
                f"{counted(result.n_records, 'record')} of "
                f"{counted(result.n_groups, 'patient')}: each was predicted by "
                "trainings without it and its patient. Thresholds were chosen on the "
                "same predictions, so that F1 and subset accuracy are slightly too "
                "high."
            ),
            score_table(
                f"Scores with {result.level:.0%} intervals; macro averages over "
                f"{result.averaged_over}",
                {PART_TITLES[name]: result.scores[name] for name in names},
                first="part",
                note=scores_explained(),
            ),
            _class_table(
                "All parts together, by class",
                trained.label_names,
                None,
                result,
                "sum",
                trained.thresholds.tolist(),
            ),
        ],
    )


def _class_table(
    caption: str,
    label_names: Sequence[str],
    n_positive: Sequence[int] | None,
    result: BootstrapResult,
    name: str,
    thresholds: Sequence[float],
) -> Table:
    """Return scores and thresholds of the classes."""
    return class_table(
        f"{caption}, with {result.level:.0%} intervals and thresholds",
        label_names,
        n_positive,
        by_heading(result.class_scores[name]),
        thresholds=thresholds,
    )


def evaluation_sections(
    trained: Checkpoint | Hybrid,
    judged: Sequence[Judged],
    store: Store | None,
    pictures: Pictures,
    title: str,
) -> Iterator[Section]:
    """Yield scores and pictures of records that were held out.

    Parameters
    ----------
    trained : Checkpoint or Hybrid
        The model.
    judged : sequence of Judged
        Its evaluations.
    store : Store or None
        The store of their records, for pictures of them.
    pictures : Pictures
        Where figures are drawn.
    title : str
        What the model is called in figures.
    """
    if not judged:
        yield Section(
            "Scores of held-out records",
            [
                Paragraph(
                    "None: give a store with --store, or write an evaluation into the "
                    "folder with `ecgstore evaluate RUN STORE --json "
                    "RUN/evaluation.json`."
                )
            ],
        )
    chosen = (
        "Thresholds are those of the model."
        if trained.thresholds is not None
        else "The threshold of a class has the best F1 on the validation folds."
    )
    for one in judged:
        yield Section(
            f"Scores of held-out records: {one.where}",
            [
                *_scores(one, chosen),
                *_figures(one, pictures, title),
                *_hardest(one, store),
            ],
        )


def _scores(one: Judged, chosen: str) -> Iterator[Block]:
    """Yield how many records were judged, by which thresholds, and their scores."""
    result = one.intervals
    yield Paragraph(
        f"{counted(result.n_records, 'record')} of "
        f"{counted(result.n_groups, 'patient')}. {chosen}"
    )
    for text in one.warnings:
        yield Paragraph(f"Warning: {text}.")
    yield score_table(
        f"Scores with {result.level:.0%} intervals; macro averages over "
        f"{result.averaged_over}",
        {"model": result.scores[MODEL]},
        first="",
        note=scores_explained(),
    )
    yield _class_table(
        "Scores by class",
        one.label_names,
        one.labels.sum(axis=0).tolist(),
        result,
        MODEL,
        one.thresholds.tolist(),
    )
    if one.targets:
        yield _targets_table(one)
    if one.challenge_metric is not None:
        yield Facts([("Challenge metric", number_text(one.challenge_metric))])


def _targets_table(one: Judged) -> Table:
    """Return the scores of the targets."""
    return Table(
        f"Scores of the targets with {one.intervals.level:.0%} intervals",
        ["target", "records", *REGRESSION_HEADINGS.values()],
        [
            [
                target.name,
                target.n_known,
                *(
                    estimate_text(*target.scores[score])
                    for score in REGRESSION_HEADINGS
                ),
            ]
            for target in one.targets
        ],
        "The mean absolute error is in the unit of the target.",
    )


def _figures(one: Judged, pictures: Pictures, title: str) -> Iterator[Block]:
    """Yield reliability and confusion."""
    yield pictures.add(
        plot_reliability(
            one.labels,
            {title: one.probabilities},
            one.label_names,
            title=f"Reliability, {one.where}",
        ),
        "Reliability",
        "Observed frequency over predicted probability; the calibration errors in the "
        "table say how far the lines are from the diagonal.",
    )
    yield pictures.add(
        plot_confusion(
            one.labels,
            one.decisions,
            one.label_names,
            title=f"{title}, {one.where}",
        ),
        "Confusion",
        "The share of the records of a class (rows) that are predicted to have each "
        "class (columns). The F1 scores in the table sum them up.",
        on_paper=True,
    )


def _hardest(one: Judged, store: Store | None) -> Iterator[Block]:
    """Yield the records that the model gets most wrong."""
    hardest = hardest_records(
        one.names,
        one.label_names,
        one.labels,
        one.probabilities[None],
        np.broadcast_to(one.thresholds, (1, *one.labels.shape)),
    )
    yield hardest_table(hardest, one.where)
    if store is None:
        yield Paragraph("For pictures of these records, give their store with --store.")
    else:
        yield hardest_gallery(hardest, store)
