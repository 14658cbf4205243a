"""``ecgstore extract``: deep features of every record."""

from pathlib import Path

import click

from ecgstore.cli.options.common import (
    CHECKPOINT,
    DEVICE,
    OWN_MODEL,
    QUIET,
    store_or_url,
)
from ecgstore.cli.options.report_file import ReportFile
from ecgstore.cli.output import echo
from ecgstore.cli.torch_needed import needs_torch
from ecgstore.errors import counted


@click.command(
    epilog="""\b
Examples:
  ecgstore extract runs/resnet18 challenge.h5
  ecgstore extract runs/resnet18/model.safetensors challenge.h5 --csv deep.csv
  ecgstore extract runs/seed1 challenge.h5 -o challenge.seed1.features.h5

\b
In Python, the features become columns of the store:
  store.attach("challenge.resnet18.features.h5")
  store.features(attached=True)
"""
)
@CHECKPOINT
@store_or_url()
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The file to write.  [default: STORE.MODEL.features.h5 beside STORE, or in "
    "the current folder if STORE is a URL]",
)
@click.option(
    "--csv",
    type=ReportFile(),
    metavar="FILE",
    help="Also write record_id, row and all features as CSV, replaced if it exists.",
)
@OWN_MODEL
@DEVICE
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
@QUIET
def extract(
    checkpoint: Path,
    store: Path,
    out: Path | None,
    csv: Path | None,
    model: str | None,
    device: str | None,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Write deep features of every record to a file beside STORE.

    CHECKPOINT is the folder of a training, or the model.safetensors in it. Do not
    evaluate on the records that it was trained on: the file marks them.
    """
    from ecgstore.export import export_attached
    from ecgstore.storage import Store
    from ecgstore.storage.deep_features.seen import Seen
    from ecgstore.system.atomic_files import check_writable

    if csv is not None:  # an error that would otherwise come after minutes of work
        check_writable(csv)
    with needs_torch():
        from ecgstore.models import chosen_device, extract as write, load
    with Store(store) as opened:
        trained = load(checkpoint, model=model)
        path = write(
            opened,
            trained,
            out,
            device=chosen_device(device),
            overwrite=overwrite,
            quiet=quiet,
        )
        digest = trained.weights_sha256()
        name = opened.attach(path, weights_sha256=digest)
        n_records, n_features = opened.attached[name].shape
        echo(path)
        echo(
            f"  {counted(n_records, 'record')} x {counted(n_features, 'feature')} of "
            f"{name}"
        )
        seen = opened.attached_seen[name]
        if (seen == Seen.UNKNOWN).any():
            echo("  the checkpoint does not say which records it was trained on")
        else:
            n_unseen = int((seen == Seen.UNSEEN).sum())
            echo(f"  {counted(n_unseen, 'record')} of unseen patients")
        echo(f"  sha256 of the weights: {digest}")
        if csv is not None:
            export_attached(opened, name, csv)
            echo(csv)
