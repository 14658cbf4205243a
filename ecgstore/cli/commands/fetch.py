"""``ecgstore fetch``: a whole store from a URL."""

from pathlib import Path

import click

from ecgstore.cli.options.common import QUIET
from ecgstore.cli.output import echo


@click.command(
    epilog="""\b
Examples:
  ecgstore fetch https://host/challenge.h5 -o challenge.h5
  ecgstore fetch s3://bucket/challenge.h5
"""
)
@click.argument("url", type=click.Path(path_type=Path), metavar="URL")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    metavar="STORE",
    help="The file to write.  [default: none, only the cache is filled]",
)
@click.option("--overwrite", is_flag=True, help="Replace STORE if it exists.")
@QUIET
def fetch(url: Path, out: Path | None, overwrite: bool, quiet: bool) -> None:
    """Fetch the store at URL as a whole, into the cache or as a file.

    What is in the cache is not fetched again; a stopped fetch goes on there. Stores at
    URLs are then read at the speed of files.
    """
    from ecgstore.stores import fetch as fetch_store
    from ecgstore.system.urls import url_of

    path = fetch_store(url, out, overwrite=overwrite, quiet=quiet)
    echo(f"wrote {path}" if out is not None else f"{url_of(url)} is in the cache")
