"""``ecgstore label``: other labels for a finished store."""

from pathlib import Path
from typing import Any

import click

from ecgstore.cli.options.common import JSON, STORE
from ecgstore.cli.options.declared import declared_options, drop_unset
from ecgstore.cli.output import echo, print_json
from ecgstore.cli.tables import print_counts
from ecgstore.config import LABEL_OPTIONS, Config
from ecgstore.errors import counted, short_list


@click.command(
    epilog="""\b
Examples:
  ecgstore label ptbxl.h5 --classes ptbxl-sub
  ecgstore label challenge.h5 --labels review.csv --classes mine.toml
  ecgstore label challenge.h5 --labels echo.csv --targets lvef
  ecgstore label challenge.h5 --remove
"""
)
@STORE
@click.option(
    "--labels",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="TABLE",
    help="Table with labels, patients or other columns, as for `build`; repeat for "
    "more.",
)
@click.option(
    "--remove", is_flag=True, help="Restore the labels that the store was built with."
)
@declared_options(Config(), only=LABEL_OPTIONS, with_file=False)
@JSON
@click.option("--quiet", is_flag=True, help="Print warnings only.")
def label(
    store: Path,
    labels: tuple[Path, ...],
    remove: bool,
    as_json: bool,
    quiet: bool,
    **flags: Any,
) -> None:
    """Give STORE other labels, targets or columns without building it again.

    They are written to a file beside the store (challenge.labels.h5 for challenge.h5),
    which every command and program that opens the store uses from then on: it has this
    name only, so there is no option -o. The store itself does not change. What the
    tables do not say stays as the build stored it: labels of an earlier call are
    replaced, and what goes is named.
    """
    from ecgstore.builder.relabel import label_store
    from ecgstore.builder.table_use import TableUse
    from ecgstore.storage.label_file import remove_label_file

    options = drop_unset(flags)
    if remove:
        if labels or options:
            raise click.UsageError("--remove takes no other options")
        removed = remove_label_file(store)
        if not quiet:
            echo(f"removed {removed}")
        return
    if not (labels or options):
        raise click.UsageError("give --labels, --classes or both, or --remove")
    report = label_store(store, labels, **options)
    if as_json:
        print_json({**report._asdict(), "path": str(report.path)})
        return
    for warning in report.warnings:
        echo(f"warning: {warning}", err=True)
    if quiet:
        return
    for table in report.tables:
        use = TableUse(**table)
        echo(use.sentence)
        for line in (*use.unmatched, *use.warnings(None)):
            echo(f"  {line.removeprefix(f'{use.path}: ')}")
    print_counts(
        "codes in no table of diagnoses and not in the classes (kept in /records/dx):",
        report.unknown_codes,
    )
    print_counts(
        "words that are no diagnosis ecgstore knows (not stored):",
        report.unknown_words,
    )
    print_counts("records by class:", report.classes)
    if report.n_moved_folds:
        echo(f"another fold than before: {counted(report.n_moved_folds, 'record')}")
    if report.replaced:
        echo(f"earlier labels are replaced: {short_list(report.replaced)}")
    echo(f"wrote {report.path}, which is used with {store} from now on")
