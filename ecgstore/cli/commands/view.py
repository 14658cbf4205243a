"""``ecgstore view``: look at the records in a browser."""

import os
import socket
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ecgstore.cli.options.common import store_or_url
from ecgstore.cli.output import echo
from ecgstore.cli.torch_needed import needs_torch
from ecgstore.cli.view_needed import needs_view

if TYPE_CHECKING:
    from ecgstore.storage import Store
    from ecgstore.view.model.predictions import Predictions


@click.command(
    epilog="""\b
Examples:
  ecgstore view challenge.h5
  ecgstore view challenge.h5 --records training/
  ecgstore view challenge.h5 --model runs/hybrid --review decisions.csv
  ecgstore view s3://bucket/challenge.h5 --port 9000 --no-browser
"""
)
@store_or_url()
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="A model of ecgstore train: its probabilities are shown, what they rest on, "
    "and where it disagrees with the labels.",
)
@click.option(
    "--records",
    multiple=True,
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="FOLDER",
    help="Folder that the store was built from, to show raw signals beside filtered "
    "ones; may be repeated.",
)
@click.option(
    "--review",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Table of the decisions of a label round.  [default: beside the store]",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="NAME",
    help="Address to listen at. With another than the default one, records leave this "
    "machine, without encryption.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="N",
    help="Port to listen at; 0 is any that is free.  [default: 8731, or the next that "
    "is free]",
)
@click.option("--no-browser", is_flag=True, help="Only print the address of the page.")
def view(
    store: Path,
    model: Path | None,
    records: tuple[Path, ...],
    review: Path | None,
    host: str,
    port: int | None,
    no_browser: bool,
) -> None:
    """Look at the records of STORE in a browser.

    Serves a page on this machine, to your own browser only, and opens it: a table of
    the records, with filters and counts, each record on paper, and a round to accept or
    reject labels. Ctrl-C ends it. See docs/view.md, also for use over SSH.
    """
    with needs_view():
        from ecgstore.view.server import (
            has_display,
            is_everywhere,
            is_loopback,
            listening,
            serve,
        )
        from ecgstore.view.shown import Shown
    from ecgstore.storage import Store

    with (
        listening(host, port) as server_socket,
        Store(store, review=review) as opened,
        _predictions(opened, model) as trained,
    ):
        shown = Shown(opened, folders=records, model=trained)
        number = server_socket.getsockname()[1]
        if not is_loopback(host):
            warning = "other machines reach this one at {}: who has the address below, "
            name = socket.gethostname() if is_everywhere(host) else host
            echo(f"ecgstore: {warning.format(name)}sees all records", err=True)
        elif "SSH_CONNECTION" in os.environ:
            forward = f"ssh -L {number}:127.0.0.1:{number} HOST"
            echo(
                f"ecgstore: first, on the machine that you sit at: {forward}", err=True
            )
        serve(
            shown,
            server_socket,
            host=host,
            browser=has_display() and not no_browser,
            say=echo,
        )


def _predictions(
    store: "Store", model: Path | None
) -> "AbstractContextManager[Predictions | None]":
    """Return a model that is predicting the records, if one is given."""
    if model is None:
        return nullcontext()
    with needs_torch():
        from ecgstore.view.model.predictions import Predictions
    predictions = Predictions(store, model)
    predictions.start()
    return predictions
