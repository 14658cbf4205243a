"""``ecgstore verify``: find damage."""

import sys
from pathlib import Path

import click

from ecgstore.cli.options import STORE
from ecgstore.cli.tables import print_json


@click.command(
    epilog="""\b
Example:
  ecgstore verify challenge.h5
"""
)
@click.argument("store", type=STORE)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def verify(store: Path, as_json: bool) -> None:
    """Compare STORE with its checksums; exit 1 naming each damaged row."""
    from ecgstore.storage.verify import verify as find_damage
    from ecgstore.system.progress import Progress

    with Progress("verify", unit="rows", keep=False) as progress:
        damages = list(find_damage(store, progress.update))
    if as_json:
        print_json([{"where": each.where, "what": each.what} for each in damages])
    else:
        for damage in damages:
            click.echo(str(damage))
        if not damages:
            click.echo(f"{store}: no damage")
    if damages:
        click.echo(
            f"ecgstore: {store}: {len(damages)} damaged places; build the store again "
            "or restore it from a copy",
            err=True,
        )
        sys.exit(1)
