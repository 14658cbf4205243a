"""``ecgstore evaluate``: scores of a trained model on folds of a store."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ecgstore.cli.options.common import (
    CHECKPOINT,
    DEVICE,
    OWN_MODEL,
    QUIET,
    store_or_url,
)
from ecgstore.cli.options.folds import folds_if_given, folds_option
from ecgstore.cli.options.report_file import ReportFile
from ecgstore.cli.output import echo
from ecgstore.cli.tables import print_table
from ecgstore.cli.torch_needed import needs_torch
from ecgstore.config import TEST_FOLD, VALIDATION_FOLD
from ecgstore.errors import counted
from ecgstore.scores.texts import estimate_text, number_text

if TYPE_CHECKING:
    from ecgstore.models.evaluation.evaluate import Evaluation
    from ecgstore.scores.regression import RegressionResult

_PLOTS: Final = ("reliability.png", "confusion.png")


@click.command(
    epilog="""\b
Examples:
  ecgstore evaluate runs/resnet18/model.safetensors challenge.h5
  ecgstore evaluate runs/resnet18 ludb.h5 --folds 0-7,9 --json ludb.json
  ecgstore evaluate runs/resnet18 challenge.h5 --csv scores.csv --plots plots/
"""
)
@CHECKPOINT
@store_or_url()
@folds_option(
    "--folds",
    TEST_FOLD,
    "Folds to evaluate on, such as 9, 0,3 or 0-7.",
)
@folds_option(
    "--validation-folds",
    VALIDATION_FOLD,
    "Folds on which the thresholds of a network are chosen; a hybrid has its own.",
)
@click.option(
    "--json",
    "json_file",
    type=ReportFile(),
    metavar="FILE",
    help="Write scores, intervals and the predictions as JSON; FILE is replaced if it "
    "exists.",
)
@click.option(
    "--csv",
    "csv_file",
    type=ReportFile(),
    metavar="FILE",
    help="Write the table of scores as CSV, replaced if it exists; that of targets is "
    "beside it.",
)
@click.option(
    "--plots",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help=f"Plot {' and '.join(_PLOTS)}, replaced if they exist.",
)
@OWN_MODEL
@DEVICE
@QUIET
def evaluate(
    checkpoint: Path,
    store: Path,
    folds: tuple[int, ...],
    validation_folds: tuple[int, ...],
    json_file: Path | None,
    csv_file: Path | None,
    plots: Path | None,
    model: str | None,
    device: str | None,
    quiet: bool,
) -> None:
    """Evaluate CHECKPOINT on folds of STORE, with bootstrap intervals.

    CHECKPOINT is the folder of a training, or the model.safetensors in it. The
    bootstrap resamples patients, not records. Thresholds are those of a hybrid; for a
    network, those with the best F1 on the validation folds. Folds with patients of the
    training records are refused.
    """
    with needs_torch():
        from ecgstore.models.devices import chosen_device
        from ecgstore.models.evaluation.evaluate import evaluate as evaluate_on
        from ecgstore.models.evaluation.table import (
            targets_path,
            write_evaluation,
            write_targets,
        )
        from ecgstore.models.loading import load
    from ecgstore.storage import Store
    from ecgstore.system.atomic_files import (
        check_writable,
        folder_for_files,
        replace_file,
    )

    # Errors that would otherwise come after minutes of work.
    for path in (json_file, csv_file):
        if path is not None:
            check_writable(path)
    with nullcontext() if plots is None else folder_for_files(plots):
        if plots is not None:
            check_writable(plots / _PLOTS[0])
        trained = load(checkpoint, model=model)
        given = folds_if_given("validation_folds", validation_folds)
        if given is not None and trained.thresholds is not None:
            raise click.UsageError(
                "--validation-folds is for networks; leave it out: a hybrid has "
                "thresholds of its own."
            )
        with Store(store) as opened:
            evaluation = evaluate_on(
                trained,
                opened,
                folds=folds,
                validation_folds=validation_folds,
                device=chosen_device(device),
                quiet=quiet,
            )
        _print(evaluation, _named(folds))
        if json_file is not None:
            with replace_file(json_file) as file:
                json.dump(evaluation.to_dict(), file, indent=2, ensure_ascii=False)
                file.write("\n")
            echo(json_file)
        if csv_file is not None:
            write_evaluation(evaluation, csv_file)
            echo(csv_file)
            if evaluation.targets is not None:
                of_targets = targets_path(csv_file)
                write_targets(evaluation.targets.intervals, of_targets)
                echo(of_targets)
        if plots is not None:
            _draw(
                evaluation,
                trained.name,
                f"{_named(folds)} of {store.name}",
                plots,
            )


def _named(folds: tuple[int, ...]) -> str:
    """Return folds as a text."""
    return f"fold{'s' * (len(folds) > 1)} {', '.join(map(str, folds))}"


def _print(evaluation: "Evaluation", folds: str) -> None:
    """Print the scores as a table."""
    from ecgstore.models.evaluation.evaluate import MODEL
    from ecgstore.models.evaluation.table import evaluation_rows
    from ecgstore.scores.calibration import chance_error
    from ecgstore.scores.table import (
        CLASS_SCORE_HEADINGS,
        SCORE_TABLE,
        SCORES_EXPLAINED,
    )

    for warning in evaluation.warnings:
        echo(f"warning: {warning}", err=True)
    intervals = evaluation.intervals
    echo(
        f"{counted(intervals.n_records, 'record')} of "
        f"{counted(intervals.n_groups, 'patient')} in {folds}; "
        f"in brackets the {100 * intervals.level:g} % interval of "
        f"{intervals.n_resamples} resamples of the patients"
    )
    print_table(
        [
            "class",
            "records",
            *CLASS_SCORE_HEADINGS.values(),
            "threshold",
        ],
        [
            [
                f"{name} ({intervals.averaged_over})" if n_positive is None else name,
                "" if n_positive is None else n_positive,
                *(estimate_text(*estimate) for estimate in scores.values()),
                "" if threshold is None else number_text(threshold),
            ]
            for name, n_positive, threshold, scores in evaluation_rows(evaluation)
        ],
    )
    for row in SCORE_TABLE:
        if not row.per_class:
            estimate = intervals.scores[MODEL][row.overall_name]
            echo(f"{row.overall_heading}: {estimate_text(*estimate)}")
    if evaluation.challenge is not None:
        metric = evaluation.challenge.challenge_metric
        echo(f"Challenge metric: {number_text(metric)}")
    for names, kind in (
        (evaluation.classes_of_no_record, "no record with"),
        (evaluation.classes_of_every_record, "only records with"),
    ):
        if names:
            echo(f"undefined scores: {folds} has {kind} {', '.join(names)}")
    if evaluation.targets is not None:
        _print_targets(evaluation.targets.intervals)
    by_chance = float(chance_error(evaluation.probabilities).mean())
    echo(
        "calibration error of perfect probabilities that are spread like these: about "
        f"{number_text(by_chance)}, by chance"
    )
    for sentence in SCORES_EXPLAINED:
        echo(sentence)


def _print_targets(result: "RegressionResult") -> None:
    """Print the scores of the targets as a table."""
    from ecgstore.scores.regression import REGRESSION_HEADINGS

    print_table(
        ["target", "records", *REGRESSION_HEADINGS.values()],
        [
            [
                name,
                n_known,
                *(estimate_text(*scores[score]) for score in REGRESSION_HEADINGS),
            ]
            for name, n_known, scores in zip(
                result.names, result.n_known, result.scores, strict=True
            )
        ],
    )


def _draw(evaluation: "Evaluation", model: str, records: str, folder: Path) -> None:
    """Plot reliability diagrams and confusion matrices."""
    from ecgstore.plots import plot_confusion, plot_reliability, save

    labels, names = evaluation.labels, evaluation.label_names
    reliability = plot_reliability(
        labels,
        {model: evaluation.probabilities},
        names,
        title=f"Reliability on {records}",
    )
    confusion = plot_confusion(
        labels, evaluation.decisions, names, title=f"{model} on {records}"
    )
    for name, figure in zip(_PLOTS, (reliability, confusion), strict=True):
        save(figure, folder / name)
        echo(folder / name)
