"""``ecgstore build``: from folders of records to one store."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ecgstore.cli.options import config_from, config_options
from ecgstore.cli.summary import print_summary
from ecgstore.cli.tables import print_counts, print_json

if TYPE_CHECKING:
    from ecgstore.builder import ScanReport

_MOST_LEFT_OUT = 20  # lines of the summary; the rest is in the store


@click.command(
    epilog="""\b
Examples:
  ecgstore build --sample -o demo.h5
  ecgstore build training/ -o challenge.h5 --patients ptbxl_database.csv
  ecgstore build training/ --dry-run --classes cinc2020
  ecgstore build training/ -o first.h5 --limit 100
  ecgstore build ludb/ -o ludb.h5 --all-records
"""
)
@click.argument("sources", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    metavar="STORE",
    help="The store to make, such as challenge.h5.",
)
@click.option(
    "--sample", is_flag=True, help="Build the bundled sample of real records."
)
@click.option(
    "--patients",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="CSV",
    help="patient_id of each record_id or ecg_id (ptbxl_database.csv works as it is).",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Processes; as many as there are cores if left out.",
)
@click.option("--dry-run", is_flag=True, help="Count what is selected; write nothing.")
@click.option(
    "--strict", is_flag=True, help="Exit 1 if any record went into quarantine."
)
@click.option("--overwrite", is_flag=True, help="Replace STORE if it exists.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
@config_options
def build(
    sources: tuple[Path, ...],
    out: Path | None,
    sample: bool,
    patients: Path | None,
    workers: int | None,
    dry_run: bool,
    strict: bool,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    preset: str,
    config_file: Path | None,
    all_records: bool,
    **flags: Any,
) -> None:
    """Pack the records below SOURCES into one store.

    Reads Challenge records (.hea and .mat) and any WFDB record (.hea and .dat) at
    any depth. Records that cannot be used are listed with a reason. Stopped at any
    time, the same command continues; the store appears when it is complete.
    """
    from ecgstore.builder import build_store, survey
    from ecgstore.sample import patients_file, sample_folder

    if all_records and flags["select"] not in (None, "all"):
        raise click.UsageError("give --all-records or --select, not both")
    config = config_from(preset, config_file, all_records, flags)
    if sample:
        sources = (*sources, sample_folder())
        patients = patients or patients_file()
    if not sources:
        raise click.UsageError("give one or more SOURCES, or --sample")
    if dry_run:
        report = survey(
            sources,
            config,
            patients=patients,
            n_workers=workers,
            quiet=quiet,
        )
        _print_report(report, as_json)
        return
    if out is None:
        raise click.UsageError("give the store to make: -o STORE")
    try:
        report = build_store(
            sources,
            out,
            config,
            patients=patients,
            n_workers=workers,
            overwrite=overwrite,
            quiet=quiet,
        )
    except KeyboardInterrupt as error:
        if list(out.parent.glob(f"{out.name}.partial*")):
            click.echo(
                f"what is done is kept in {out}.partial*; run the same command again "
                "to continue",
                err=True,
            )
        raise click.Abort from error
    _print_report(report, as_json, out)
    if strict and report.n_quarantined:
        click.echo(
            f"ecgstore: {report.n_quarantined} records are in quarantine, and --strict "
            f"asks for none; {out} is complete without them",
            err=True,
        )
        sys.exit(1)


def _print_report(report: "ScanReport", as_json: bool, out: Path | None = None) -> None:
    """Print what was found, and what is in the store if there is one."""
    from ecgstore.storage.summary import summarise

    summary = None if out is None else summarise(out)
    if as_json:
        print_json({"scan": report.to_json(), "store": summary})
        return
    click.echo(
        f"found {report.n_found} records: {report.n_selected} selected, "
        f"{report.n_not_selected} not selected, {report.n_quarantined} in quarantine"
    )
    if report.n_identical:
        click.echo(
            f"{report.n_identical} selected records share their signal with another "
            "one; they share a fold too"
        )
    print_counts(
        "codes that are not among the Challenge's 111 (kept in /records/dx):",
        report.unknown_codes,
    )
    for warning in report.warnings:
        click.echo(f"warning: {warning}", err=True)
    _print_left_out(report, out)
    if summary is None:
        click.echo("only headers were read: a build may leave out more records")
        print_counts("records by source:", report.sources)
        print_counts("records by class:", report.classes)
        print_counts("quarantine by reason:", report.reasons)
    else:
        print_summary(summary)


def _print_left_out(report: "ScanReport", out: Path | None) -> None:
    """Print which records are in quarantine, and why."""
    for each in report.left_out[:_MOST_LEFT_OUT]:
        click.echo(f"  left out: {each['path']} ({each['reason']}): {each['detail']}")
    n_more = len(report.left_out) - _MOST_LEFT_OUT
    if n_more > 0:
        where = (
            "--json lists them" if out is None else f"ecgstore info {out} --quarantine"
        )
        click.echo(f"  ... and {n_more} more: {where}")
