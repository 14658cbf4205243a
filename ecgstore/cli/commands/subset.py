"""``ecgstore subset``: some records of a store as a store of their own."""

from pathlib import Path

import click

from ecgstore.cli.options.common import store_or_url
from ecgstore.cli.options.declared import comma_separated
from ecgstore.cli.options.folds import optional_folds
from ecgstore.cli.output import echo
from ecgstore.errors import counted


@click.command(
    epilog="""\b
Examples:
  ecgstore subset challenge.h5 -o adults.h5 --query "age >= 18"
  ecgstore subset challenge.h5 -o small.h5 --folds 8,9 --sources ptb-xl,georgia
  ecgstore subset challenge.h5 -o af.h5 --classes AF
"""
)
@store_or_url()
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    metavar="STORE",
    required=True,
    help="The store to write.",
)
@click.option(
    "--query",
    metavar="EXPRESSION",
    help='Condition over the columns of records, features and quality: "age < 40".',
)
@click.option(
    "--folds",
    callback=optional_folds,
    metavar="FOLDS",
    help="Folds to keep, such as 9, 0,3 or 0-7.",
)
@click.option(
    "--sources",
    multiple=True,
    callback=comma_separated,
    metavar="NAME,...",
    help="Sources to keep.",
)
@click.option(
    "--classes",
    multiple=True,
    callback=comma_separated,
    metavar="NAME,...",
    help="Keep records in any of these classes of the store.",
)
@click.option("--overwrite", is_flag=True, help="Replace the output if it exists.")
def subset(
    store: Path,
    out: Path,
    query: str | None,
    folds: tuple[int, ...] | None,
    sources: tuple[str, ...] | None,
    classes: tuple[str, ...] | None,
    overwrite: bool,
) -> None:
    """Write some records of STORE, those that fulfil all conditions, as another store.

    Records keep their folds, labels (also those of `ecgstore label`), beats and
    features. Nothing is computed again.
    """
    from ecgstore.builder.subset import write_subset
    from ecgstore.storage import Store

    with Store(store) as opened:
        selection = opened.select(
            query=query, folds=folds, sources=sources, classes=classes
        )
        write_subset(selection, out, overwrite=overwrite)
        echo(f"wrote {len(selection)} of {counted(len(opened), 'record')} to {out}")
