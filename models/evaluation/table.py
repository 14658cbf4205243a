"""The scores of an evaluation as tables: of the classes, and of the targets."""

from pathlib import Path
from typing import Final

from ecgstore.models.evaluation.evaluate import MODEL, Evaluation
from ecgstore.scores.bootstrap import Estimate
from ecgstore.scores.regression import REGRESSION_HEADINGS, RegressionResult
from ecgstore.scores.table import CLASS_SCORES, SCORE_TABLE
from ecgstore.system.csv_files import write_csv

MACRO: Final = "macro average"
"""Name of the row with the averages over the classes."""


def evaluation_rows(
    evaluation: Evaluation,
) -> list[tuple[str, int | None, float | None, dict[str, Estimate]]]:
    """Return the rows of the table.

    Returns
    -------
    list of tuple
        Name of the class, number of records with it, threshold, and its scores by name
        (`ecgstore.scores.table.CLASS_SCORES`). The last row has the macro averages, and
        None as number and threshold.
    """
    scores, intervals = evaluation.scores, evaluation.intervals
    by_class = intervals.class_scores[MODEL]
    rows: list[tuple[str, int | None, float | None, dict[str, Estimate]]] = [
        (
            name,
            int(scores.n_positive[column]),
            float(scores.thresholds[column]),
            {score: by_class[score][column] for score in CLASS_SCORES},
        )
        for column, name in enumerate(evaluation.label_names)
    ]
    overall = intervals.scores[MODEL]
    macro = {
        row.name: overall[row.overall_name] for row in SCORE_TABLE if row.per_class
    }
    return [*rows, (MACRO, None, None, macro)]


def write_evaluation(evaluation: Evaluation, path: Path) -> None:
    """Write the table as CSV; undefined values are empty.

    The columns are class, n_positive, threshold, and for each score its value and both
    ends of its interval, such as auroc, auroc_low, auroc_high.
    """
    columns = [
        f"{score}{end}" for score in CLASS_SCORES for end in ("", "_low", "_high")
    ]
    write_csv(
        path,
        ["class", "n_positive", "threshold", *columns],
        (
            [
                name,
                n_positive,
                threshold,
                *(value for score in CLASS_SCORES for value in scores[score]),
            ]
            for name, n_positive, threshold, scores in evaluation_rows(evaluation)
        ),
        ".6f",
    )


def targets_path(path: Path) -> Path:
    """Return where the table of the targets is written, beside that of the classes.

    Examples
    --------
    >>> targets_path(Path("scores.csv")).name
    'scores.targets.csv'
    """
    return path.with_name(f"{path.stem}.targets{path.suffix}")


def write_targets(result: RegressionResult, path: Path) -> None:
    """Write the scores of the targets as CSV; undefined values are empty.

    The columns are target, n_records (those with a value), n_patients, and for each
    score its value and both ends of its interval, such as mae, mae_low, mae_high.
    """
    columns = [
        f"{score}{end}"
        for score in REGRESSION_HEADINGS
        for end in ("", "_low", "_high")
    ]
    write_csv(
        path,
        ["target", "n_records", "n_patients", *columns],
        (
            [
                name,
                n_known,
                n_groups,
                *(value for score in REGRESSION_HEADINGS for value in scores[score]),
            ]
            for name, n_known, n_groups, scores in zip(
                result.names,
                result.n_known,
                result.n_groups,
                result.scores,
                strict=True,
            )
        ),
        ".6f",
    )
