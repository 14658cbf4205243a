"""``ecgstore verify``: find damage."""

import sys
from pathlib import Path

import click

from ecgstore.cli.options.common import JSON, store_or_url
from ecgstore.cli.output import echo, print_json
from ecgstore.errors import counted


@click.command(
    epilog="""\b
Examples:
  ecgstore verify challenge.h5
  ecgstore verify challenge.h5 --json
"""
)
@store_or_url()
@JSON
def verify(store: Path, as_json: bool) -> None:
    """Compare STORE with its checksums, and name each damaged row.

    Exits 1 if there is any damage.
    """
    from ecgstore.storage.verify import verify as find_damage
    from ecgstore.system.progress import Progress
    from ecgstore.system.urls import url_of

    with Progress("verify", unit="rows", keep=False) as progress:
        damages = list(find_damage(store, progress.update))
    if as_json:
        print_json(
            [{"where": damage.where, "problem": damage.problem} for damage in damages]
        )
    else:
        for damage in damages:
            echo(str(damage))
        if not damages:
            echo(f"{url_of(store) or store}: no damage")
    if damages:
        echo(
            f"ecgstore: {store}: {counted(len(damages), 'damaged place')}; build "
            "the store again or restore it from a copy",
            err=True,
        )
        sys.exit(1)
