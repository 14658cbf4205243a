"""``ecgstore predict``: probabilities of the classes for new records."""

import sys
from pathlib import Path

import click

from ecgstore.cli.options.common import (
    CHECKPOINT,
    DEVICE,
    LEAD_NAMES,
    OWN_MODEL,
    QUIET,
)
from ecgstore.cli.options.report_file import ReportFile
from ecgstore.cli.output import ShownTable, echo
from ecgstore.cli.torch_needed import needs_torch
from ecgstore.errors import counted


@click.command(
    epilog="""\b
Examples:
  ecgstore predict runs/resnet18/model.safetensors new_records/ -o probabilities.csv
  ecgstore predict runs/resnet18 A0001.hea A0002.mat
  ecgstore predict runs/resnet18 new_records/ -o probabilities.csv --strict
  ecgstore predict runs/resnet18 https://host/ecg/A0001.hea
"""
)
@CHECKPOINT
@click.argument("records", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=ReportFile(),
    metavar="CSV",
    help="The table to write; replaced if it exists.  [default: standard output]",
)
@OWN_MODEL
@DEVICE
@LEAD_NAMES
@click.option(
    "--allow-missing-leads/--no-allow-missing-leads",
    default=None,
    help="Predict records that lack some of the leads, which are zero then; a network "
    "that was trained without such records may be far off.  [default: as in the build "
    "of the store that it was trained on]",
)
@click.option(
    "--strict", is_flag=True, help="Exit 1 if any record or folder cannot be used."
)
@QUIET
def predict(
    checkpoint: Path,
    records: tuple[Path, ...],
    out: Path | None,
    model: str | None,
    device: str | None,
    lead_names: Path | None,
    allow_missing_leads: bool | None,
    strict: bool,
    quiet: bool,
) -> None:
    """Write the probability of every class for new RECORDS.

    CHECKPOINT is the folder of a training, or the model.safetensors in it. RECORDS are
    folders, .hea files, or .mat or .dat files beside one, or URLs of them (see
    docs/remote.md). They are preprocessed like
    the store of the training, and a hybrid finds their beats and features as a build
    does; the diagnoses in their headers are not used.

    The table has the columns record_id, path, status, detail, and one per class; for a
    hybrid, also "predicted", with the classes that reach their thresholds. A
    record that cannot be used has its reason as status, and no probabilities; the
    detail of one that lacks leads names them. Every record is predicted, also if one
    ECG is there twice, as in PTB-XL at two rates; the segments of a multi-segment
    record only if they are given by name.
    """
    with needs_torch():
        from ecgstore.models.devices import chosen_device
        from ecgstore.models.inference.prediction import predict as predict_records
        from ecgstore.models.inference.prediction_table import write_predictions
        from ecgstore.models.loading import load
    from ecgstore.lead_names import LeadNames
    from ecgstore.sources import describe_unreadable
    from ecgstore.system.atomic_files import replace_file

    trained = load(checkpoint, model=model)
    unreadable: list[tuple[str, str]] = []
    predictions = predict_records(
        trained,
        records,
        device=chosen_device(device),
        lead_names=None if lead_names is None else LeadNames.read(lead_names),
        allow_missing_leads=allow_missing_leads,
        on_unreadable=lambda *problem: unreadable.append(problem),
        quiet=quiet,
    )
    if unreadable:
        echo(f"warning: {describe_unreadable(unreadable)}", err=True)
    has_decisions = trained.thresholds is not None
    if out is None:
        n_records, n_unusable = write_predictions(
            ShownTable(), trained.label_names, predictions, decisions=has_decisions
        )
    else:
        with replace_file(out) as file:
            n_records, n_unusable = write_predictions(
                file, trained.label_names, predictions, decisions=has_decisions
            )
        echo(out)
    if n_unusable:
        echo(
            f"ecgstore: {n_unusable} of {counted(n_records, 'record')} cannot be used; "
            "see "
            "the columns status and detail",
            err=True,
        )
    if strict and (n_unusable or unreadable):
        sys.exit(1)
