"""``ecgstore plot``: pictures of records and of the classes."""

from pathlib import Path

import click

from ecgstore.cli.options import STORE


@click.command(
    epilog="""\b
Examples:
  ecgstore plot challenge.h5 HR00001
  ecgstore plot challenge.h5 HR00001 -o ecg.svg
  ecgstore plot challenge.h5 --filter HR00001 --records training/
  ecgstore plot challenge.h5 --classes
"""
)
@click.argument("store", type=STORE)
@click.argument("record", required=False)
@click.option(
    "--filter", "filter_record", metavar="RECORD", help="Raw against filtered signal."
)
@click.option("--classes", is_flag=True, help="Number of records per class and source.")
@click.option(
    "--records",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder the store was built from, for --filter.  [here, then the sample]",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="A .png or .svg file.  [RECORD.png, RECORD-filter.png or classes.png]",
)
def plot(
    store: Path,
    record: str | None,
    filter_record: str | None,
    classes: bool,
    records: Path | None,
    out: Path | None,
) -> None:
    """Draw RECORD of STORE as a 12-lead ECG on clinical grid paper.

    25 mm/s and 10 mm/mV when printed at its own size, with the marks of P, QRS and T.
    """
    if sum((record is not None, filter_record is not None, classes)) != 1:
        raise click.UsageError("give one of RECORD, --filter RECORD, --classes")
    from ecgstore.plots import plot_classes, plot_filter, plot_record, save
    from ecgstore.sample import sample_folder
    from ecgstore.storage import Store

    with Store(store) as opened:
        if record is not None:
            figure, name = plot_record(opened, record), record
        elif filter_record is not None:
            folders = [records] if records else [Path.cwd(), sample_folder()]
            figure = plot_filter(opened, filter_record, folders)
            name = f"{filter_record}-filter"
        else:
            figure, name = plot_classes(opened), "classes"
    out = out or Path(name.replace("/", "-") + ".png")
    save(figure, out)
    click.echo(out)
