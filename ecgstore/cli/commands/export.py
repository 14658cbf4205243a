"""``ecgstore export``: records, labels, features and peaks as CSV and JSON."""

from pathlib import Path

import click

from ecgstore.cli.options.common import store_or_url
from ecgstore.cli.output import echo


@click.command(
    epilog="""\b
Examples:
  ecgstore export challenge.h5 tables/
  ecgstore export challenge.h5 tables/ --only labels --only features
"""
)
@store_or_url()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--only",
    "names",
    multiple=True,
    # The keys of ecgstore.export.EXPORTS, which loads h5py; a test compares them.
    type=click.Choice(["records", "labels", "features", "peaks"]),
    help="Write this file only; repeat for more.  [default: all]",
)
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
def export(store: Path, folder: Path, names: tuple[str, ...], overwrite: bool) -> None:
    """Write records, labels, features and peaks of STORE as CSV and JSON.

    FOLDER gets records.csv (source, patient, age, sex, codes, fold), labels.csv,
    features.csv and peaks.json. Every row of a table and every record in peaks.json has
    its record_id.
    """
    from ecgstore.export import EXPORTS, export as write
    from ecgstore.storage import Store

    with Store(store) as opened:
        for path in write(opened, folder, list(names or EXPORTS), overwrite=overwrite):
            echo(path)
