"""``ecgstore view``: look at the records in a browser."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ecgstore.cli.options.common import store_or_url
from ecgstore.cli.output import echo
from ecgstore.cli.torch_needed import needs_torch

if TYPE_CHECKING:
    from ecgstore.storage import Store
    from ecgstore.view.model.predictions import Predictions


@click.command(
    epilog="""\b
Examples:
  ecgstore view challenge.h5
  ecgstore view challenge.h5 --model runs/resnet18 --records training/
  ecgstore view challenge.h5 --port 9000 --no-browser
"""
)
@store_or_url()
@click.option("--model", type=click.Path(path_type=Path), metavar="RUN")
@click.option(
    "--records",
    multiple=True,
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="FOLDER",
)
@click.option("--review", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535))
@click.option("--no-browser", is_flag=True)
def view(
    store: Path,
    model: Path | None,
    records: tuple[Path, ...],
    review: Path | None,
    host: str,
    port: int | None,
    no_browser: bool,
) -> None:
    """Look at the records of STORE in a browser."""
    from ecgstore.storage import Store
    from ecgstore.view.server import serve
    from ecgstore.view.shown import Shown

    with Store(store, review=review) as opened, _predictions(opened, model) as trained:
        shown = Shown(opened, folders=records, model=trained)
        serve(shown, host=host, port=port, browser=not no_browser, say=echo)


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
