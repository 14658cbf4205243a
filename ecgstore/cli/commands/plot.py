"""``ecgstore plot``: plots of records and of the classes."""

from pathlib import Path

import click

from ecgstore.cli.options.common import store_or_url
from ecgstore.cli.options.report_file import ReportFile
from ecgstore.cli.output import echo


@click.command(
    epilog="""\b
Examples:
  ecgstore plot challenge.h5 HR00001
  ecgstore plot challenge.h5 HR00001 -o ecg.svg
  ecgstore plot challenge.h5 --filter HR00001 --records training/
  ecgstore plot challenge.h5 --classes
  ecgstore plot challenge.h5 --worst 24 --dx AF
"""
)
@store_or_url()
@click.argument("record", required=False)
@click.option(
    "--filter",
    "filter_record",
    metavar="RECORD",
    help="Plot the raw and the filtered signal of a record.",
)
@click.option(
    "--classes", is_flag=True, help="Plot the number of records per class and source."
)
@click.option(
    "--worst",
    type=click.IntRange(min=1),
    metavar="N",
    help="Plot the N records with the worst signal quality or the least agreement of "
    "their leads.",
)
@click.option(
    "--dx",
    metavar="CODE|NAME",
    help="With --worst: only records of this class or with this diagnosis.",
)
@click.option(
    "--records",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="FOLDER",
    help="With --filter: folder that the store was built from.  [default: the current "
    "folder, then the sample]",
)
@click.option(
    "-o",
    "--out",
    type=ReportFile(),
    metavar="FILE",
    help="A .png or .svg file, replaced if it exists.  [default: RECORD.png, "
    "RECORD-filter.png, classes.png, worst.png or worst-DX.png]",
)
def plot(
    store: Path,
    record: str | None,
    filter_record: str | None,
    classes: bool,
    worst: int | None,
    dx: str | None,
    records: Path | None,
    out: Path | None,
) -> None:
    """Plot RECORD of STORE as an ECG on clinical grid paper.

    25 mm/s and 10 mm/mV when printed at its own size, with P, QRS and T marked.
    """
    if dx is not None and worst is None:
        raise click.UsageError(f"--dx needs --worst N, such as --worst 24 --dx {dx}")
    chosen = (record is not None, filter_record is not None, classes, worst is not None)
    if sum(chosen) != 1:
        raise click.UsageError(
            "give one of RECORD, --filter RECORD, --classes, --worst N"
        )
    from ecgstore.plots import plot_classes, plot_filter, plot_record, plot_worst, save
    from ecgstore.sample import sample_folder
    from ecgstore.storage import Store

    with Store(store) as opened:
        if record is not None:
            figure, name = plot_record(opened, record), record
        elif filter_record is not None:
            folders = [records] if records else [Path.cwd(), sample_folder()]
            figure = plot_filter(opened, filter_record, folders)
            name = f"{filter_record}-filter"
        elif worst is not None:
            figure = plot_worst(opened, worst, dx)
            name = "worst" if dx is None else f"worst-{dx}"
        else:
            figure, name = plot_classes(opened), "classes"
    out = out or Path(name.replace("/", "-") + ".png")
    save(figure, out)
    echo(out)
