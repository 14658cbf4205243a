"""``ecgstore info``: the contents of a store."""

from pathlib import Path
from typing import Final

import click

from ecgstore.cli.options.common import JSON, store_or_url
from ecgstore.cli.output import print_json, print_json_text
from ecgstore.cli.summary import print_summary
from ecgstore.cli.tables import print_table

_SHOWN: Final = ("record_id", "source", "patient_id", "age", "sex", "fold", "dx")
"""Columns of the list of records."""


@click.command(
    epilog="""\b
Examples:
  ecgstore info challenge.h5
  ecgstore info challenge.h5 --json
  ecgstore info challenge.h5 --quarantine
  ecgstore info challenge.h5 --options
"""
)
@store_or_url()
@click.option("--options", is_flag=True, help="Print the options of the build instead.")
@click.option("--records", is_flag=True, help="List the records instead.")
@click.option(
    "--quarantine",
    is_flag=True,
    help="List the records in quarantine with their reasons instead.",
)
@JSON
def info(
    store: Path, options: bool, records: bool, quarantine: bool, as_json: bool
) -> None:
    """Print a summary of STORE: counts by source, class and fold."""
    from pandas import DataFrame

    from ecgstore.options import to_dict
    from ecgstore.storage import Store
    from ecgstore.storage.summary import summarise

    if sum((options, records, quarantine)) > 1:
        raise click.UsageError("give one of --options, --records, --quarantine")
    if options:
        with Store(store) as opened:
            print_json(to_dict(opened.config))
        return
    if not (records or quarantine):
        summary = summarise(store)
        print_json(summary) if as_json else print_summary(summary)
        return
    with Store(store) as opened:
        table = (
            opened.quarantine
            if quarantine
            else DataFrame({name: opened.column(name) for name in _SHOWN})
        )
    if as_json:
        print_json_text(table.to_json(orient="records", indent=2))
    else:
        rows = table.to_numpy().tolist()
        print_table(list(table.columns), rows, indent="", in_parts=False)
