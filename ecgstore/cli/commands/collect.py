"""``ecgstore collect``: many stores as one."""

from pathlib import Path

import click

from ecgstore.cli.output import echo
from ecgstore.errors import counted


@click.command(
    epilog="""\b
Examples:
  ecgstore collect ptb-xl.h5 georgia.h5 chapman.h5 -o all.h5
  ecgstore collect 2024/*.h5 2025/*.h5 -o all.h5 --classes cinc2020 --overwrite
"""
)
@click.argument(
    "stores",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
    metavar="STORE...",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    metavar="COLLECTION",
    required=True,
    help="The collection to write.",
)
@click.option(
    "--classes",
    metavar="NAME|FILE",
    help="Class set, applied to the codes of all records.  [default: that of the first "
    "store]",
)
@click.option(
    "--keep-folds",
    is_flag=True,
    help="Keep the folds of the stores; refused if a patient or an ECG is in two of "
    "them.  [default: folds are dealt anew]",
)
@click.option("--overwrite", is_flag=True, help="Replace the output if it exists.")
def collect(
    stores: tuple[Path, ...],
    out: Path,
    classes: str | None,
    keep_folds: bool,
    overwrite: bool,
) -> None:
    """Make a collection of STOREs, which all commands take as one store.

    Small columns are copied, among them the labels that the stores have now; signals,
    features, marks and quality stay in the stores, which must not change, nor move
    relative to the collection. To append, build another store and collect again.
    STOREs are files, or URLs: see docs/remote.md.
    """
    from ecgstore.builder.collect import collect as write

    report = write(
        stores,
        out,
        classes=classes,
        keep_folds=keep_folds,
        overwrite=overwrite,
    )
    echo(
        f"wrote {out}: {counted(report.n_records, 'record')} of "
        f"{counted(report.n_parts, 'store')}"
    )
    if report.n_moved_folds:
        echo(
            f"{report.n_moved_folds} of them in another fold than in their store; "
            "--keep-folds keeps folds that do not leak"
        )
    if report.same_name:
        one, other = report.same_name[0]
        echo(
            f"{counted(len(report.same_name), 'record')} have source and name of one "
            f"of another part, such as {other} ({one}); they cannot be found by name",
            err=True,
        )
    if report.same_ecg:
        one, other = report.same_ecg[0]
        echo(
            f"{counted(len(report.same_ecg), 'record')} hold an ECG of another part, "
            f"such as {other} ({one}); they are in one fold",
            err=True,
        )
