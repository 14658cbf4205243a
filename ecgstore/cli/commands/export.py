"""``ecgstore export``: labels, features and peaks as CSV and JSON."""

from pathlib import Path

import click

from ecgstore.cli.options import STORE


@click.command(
    epilog="""\b
Examples:
  ecgstore export challenge.h5 tables/
  ecgstore export challenge.h5 tables/ --only labels --only features
"""
)
@click.argument("store", type=STORE)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--only",
    "names",
    multiple=True,
    type=click.Choice(["labels", "features", "peaks"]),
    help="Write this only; repeat for more.  [all]",
)
def export(store: Path, folder: Path, names: tuple[str, ...]) -> None:
    """Write labels.csv, features.csv and peaks.json of STORE into FOLDER.

    Every row and entry carries its record_id; nothing is joined by order.
    """
    from ecgstore.export import EXPORTS, export as write
    from ecgstore.storage import Store

    with Store(store) as opened:
        for path in write(opened, folder, list(names or EXPORTS)):
            click.echo(path)
