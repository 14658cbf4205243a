"""``ecgstore explain``: why a model finds a class in a record, or does not."""

from pathlib import Path

import click

from ecgstore.cli.options.common import CHECKPOINT, DEVICE, LEAD_NAMES, OWN_MODEL
from ecgstore.cli.options.report_file import ReportFile
from ecgstore.cli.output import echo
from ecgstore.cli.torch_needed import needs_torch


@click.command(
    epilog="""\b
Examples:
  ecgstore explain runs/resnet18 A0001.hea
  ecgstore explain runs/resnet18 A0001.hea -o explanation.png --class AF
  ecgstore explain runs/hybrid A0001.hea -o a.svg --csv contributions.csv
"""
)
@CHECKPOINT
@click.argument("record", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=ReportFile(),
    metavar="FILE",
    help="A .png or .svg file, replaced if it exists.  [default: RECORD-CLASS.png]",
)
@click.option(
    "--class",
    "label_name",
    metavar="NAME",
    help="The class to explain.  [default: the most probable one]",
)
@click.option(
    "--csv",
    type=ReportFile(),
    metavar="FILE",
    help="Also write what each lead and 0.1 s, and each feature, add to the log-odds, "
    "as a table, replaced if it exists.",
)
@OWN_MODEL
@DEVICE
@LEAD_NAMES
@click.option(
    "--allow-missing-leads/--no-allow-missing-leads",
    default=None,
    help="Take a record that lacks some of the leads, as `predict` does.",
)
def explain(
    checkpoint: Path,
    record: Path,
    out: Path | None,
    label_name: str | None,
    csv: Path | None,
    model: str | None,
    device: str | None,
    lead_names: Path | None,
    allow_missing_leads: bool | None,
) -> None:
    """Plot why a model finds a class in RECORD, or does not.

    CHECKPOINT is the folder of a training, or the model.safetensors in it. RECORD is a
    .hea file, or a .mat or .dat file beside one, and is read as by `predict`.

    The curves are highlighted where they raise the probability of the class (orange)
    or lower it (blue), compared with no signal. For a hybrid, it is listed below what
    signal and handcrafted features, age and sex add, and whether the probability
    reaches the threshold. This says what the model looked at. It does not say that the
    model is right, nor what the disease changes.
    """
    with needs_torch():
        from ecgstore.models.devices import chosen_device
        from ecgstore.models.explanation.new_record import explain_new_record
        from ecgstore.models.explanation.report import plot, write_table
        from ecgstore.models.loading import load
    from ecgstore.lead_names import LeadNames
    from ecgstore.plots import save
    from ecgstore.system.atomic_files import check_writable

    for path in (out, csv):
        if path is not None:
            check_writable(path)
    trained = load(checkpoint, model=model)
    explanation = explain_new_record(
        trained,
        record,
        label_name,
        device=chosen_device(device),
        lead_names=None if lead_names is None else LeadNames.read(lead_names),
        allow_missing_leads=allow_missing_leads,
    )
    config = trained.config
    figure = plot(explanation, f"{config.low_hz:g}-{config.high_hz:g} Hz")
    name = f"{explanation.record_id}-{explanation.label_name}.png"
    out = out or Path(name.replace("/", "-"))
    save(figure, out)
    echo(out)
    if csv is not None:
        write_table(csv, explanation)
        echo(csv)
