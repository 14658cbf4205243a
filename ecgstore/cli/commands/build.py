"""``ecgstore build``: from folders of records to one store."""

import sys
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ecgstore.cli.options.common import QUIET
from ecgstore.cli.options.declared import declared_options, drop_unset
from ecgstore.cli.output import echo, print_json
from ecgstore.cli.summary import print_summary
from ecgstore.cli.tables import print_counts
from ecgstore.config import PRESETS, Config, make_config
from ecgstore.errors import counted, short_list, without_place
from ecgstore.system.urls import url_of

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from ecgstore.builder import ScanReport

_MAX_LINES: Final = 20
"""Number of quarantined records that are printed; the store lists all."""

_MAX_WORDS: Final = 20
"""Number of unknown words that are printed; the result as JSON has more."""

_MAX_ECGS: Final = 3
"""Number of ECGs in several records that are printed, and of their records."""


@click.command(
    epilog="""\b
Examples:
  ecgstore build --sample -o demo.h5
  ecgstore build training/ -o challenge.h5
  ecgstore build training/ -o challenge.h5 --patients ptbxl_database.csv
  ecgstore build training/ --dry-run --classes cinc2020
  ecgstore build training/ -o first.h5 --limit 100
  ecgstore build ptb-xl/ -o ptbxl.h5 --classes ptbxl-super --folds-from strat_fold \
    --labels ptb-xl/ptbxl_database.csv
  ecgstore build ludb/ -o ludb.h5 --select all
  ecgstore build s3://bucket/training -o challenge.h5
  ecgstore build training/ -o challenge.h5 --config options.toml
  ecgstore build training/ -o challenge.h5 --reuse challenge.h5 --overwrite
  ecgstore build training/ -o challenge.h5 --dask tcp://10.0.0.1:8786
  ecgstore build training/ -o s3://bucket/challenge.h5 --shard-rows 8192
"""
)
@click.argument("sources", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    metavar="STORE",
    help="The store to write, such as challenge.h5, or s3://bucket/challenge.h5 (also "
    "gs and az): see docs/remote.md.",
)
@click.option(
    "--sample", is_flag=True, help="Build the bundled sample of real records."
)
@click.option(
    "--labels",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="TABLE",
    help="Table (CSV or Parquet) with labels, patients, ages, sexes or other columns "
    "of records; repeat for more. Rows are found by record_id, ecg_id, study_id, "
    "exam_id or path: see docs/labels.md.",
)
@click.option(
    "--patients",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="CSV",
    help="Table from which only the patient_id of each record_id or ecg_id is read, "
    "such as ptbxl_database.csv, which comes with PTB-XL's own download.",
)
@click.option(
    "--patient-key",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Key that turns the numbers of patients in files of hospitals into "
    "patient_ids; created if it does not exist.  [default: "
    "~/.config/ecgstore/patient.key]",
)
@click.option(
    "--keep-patient-ids",
    is_flag=True,
    help="Store the numbers of patients in files of hospitals as they are.",
)
@click.option(
    "--reuse",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="OLD",
    help="Copy beats and features from an older store, or a collection, where it holds "
    "the same signal: faster, and the result is the same. Signals and beats must have "
    "the same options. OLD may be STORE itself, with --overwrite.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of processes.  [default: number of CPU cores]",
)
@click.option(
    "--shard-rows",
    type=click.IntRange(min=1),
    metavar="N",
    help="Write stores of at most N records each, in the folder STORE.parts, and STORE "
    "as a small file that reads them as one.  [default: one file; with --dask 8192]",
)
@click.option(
    "--dask",
    metavar="ADDRESS",
    help="Build on the workers of a Dask cluster: the address of its scheduler, such "
    "as tcp://10.0.0.1:8786, or local for processes of this machine. All workers must "
    "see SOURCES and STORE under the same paths: see docs/scale.md.",
)
@click.option(
    "--scratch",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Folder on each machine for unfinished shards, 1 GB for each worker.  "
    "[default: the system's folder for temporary files]",
)
@click.option(
    "--dry-run", is_flag=True, help="Count the selected records; write nothing."
)
@click.option(
    "--strict",
    is_flag=True,
    help="Exit 1 if any record is in quarantine, or a folder cannot be read.",
)
@click.option("--overwrite", is_flag=True, help="Replace STORE if it exists.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@QUIET
@click.option(
    "--preset",
    type=click.Choice(list(PRESETS)),
    default="default",
    show_default=True,
    help="Named set of options: the defaults, or those of the research prototype (see "
    "docs/models.md). --config and flags override it.",
)
@declared_options(Config())
def build(
    sources: tuple[Path, ...],
    out: Path | None,
    sample: bool,
    labels: tuple[Path, ...],
    patients: Path | None,
    patient_key: Path | None,
    keep_patient_ids: bool,
    reuse: Path | None,
    workers: int | None,
    shard_rows: int | None,
    dask: str | None,
    scratch: Path | None,
    dry_run: bool,
    strict: bool,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    preset: str,
    config_file: Path | None,
    **flags: Any,
) -> None:
    """Build one store from the records below SOURCES.

    Reads Challenge records (.hea and .mat), other WFDB records (.hea and .dat), sets of
    ECGs in HDF5 files such as CODE-15 %, and, with ecgstore[formats], SCP-ECG, DICOM,
    EDF, BDF, ISHNE (.ecg) and the XML of GE MUSE, Philips and HL7, at any depth. Names
    and birth dates are not stored. Records that cannot be used go into quarantine, with
    a reason. SOURCES may be URLs of folders that list their files (docs/remote.md). If
    the build is interrupted, the same command resumes it; the store
    appears when it is complete.
    """
    from ecgstore.builder import build_store, survey
    from ecgstore.builder.named_destination import destination_of
    from ecgstore.sample import patients_file, sample_folder

    config = make_config(preset=preset, file=config_file, options=drop_unset(flags))
    if sample:
        sources = (*sources, sample_folder())
        patients = patients or patients_file()
    if not sources:
        raise click.UsageError("give one or more SOURCES, or --sample")
    if dry_run:
        report = survey(
            sources,
            config,
            labels=labels,
            patients=patients,
            n_workers=workers,
            quiet=quiet,
        )
        _print_report(report, as_json)
        return
    if out is None:
        raise click.UsageError("give the store to write: -o STORE")
    try:
        with _executor(dask, workers) as executor:
            report = build_store(
                sources,
                out,
                config,
                labels=labels,
                patients=patients,
                patient_key=patient_key,
                keep_patient_ids=keep_patient_ids,
                reuse=reuse,
                n_workers=None if dask else workers,
                executor=executor,
                shard_rows=shard_rows,
                scratch=scratch,
                overwrite=overwrite,
                quiet=quiet,
            )
    except KeyboardInterrupt as error:
        local = destination_of(out).local
        if list(local.parent.glob(f"{local.name}.partial*")):
            echo(
                f"the finished part is kept in {local}.partial*; run the same command "
                "again to resume",
                err=True,
            )
        raise click.Abort from error
    _print_report(report, as_json, out, reuse)
    or_windows = " or windows" if report.n_windows_left_out else ""
    n_left_out = report.n_quarantined + report.n_windows_left_out
    if strict and (n_left_out or report.n_unreadable_paths):
        echo(
            f"ecgstore: in quarantine: {counted(n_left_out, 'record')}{or_windows}; "
            f"not readable: {counted(report.n_unreadable_paths, 'folder')}; --strict "
            f"does not allow it; {_shown(out)} is complete without them",
            err=True,
        )
        sys.exit(1)


def _executor(
    dask: str | None, workers: int | None
) -> AbstractContextManager["Executor | None"]:
    """Return a context with an executor, or with None for processes of this machine."""
    if dask is None:
        return nullcontext()
    from ecgstore.system.dask_cluster import LOCAL, dask_executor
    from ecgstore.system.workers import number_of_workers

    if workers is not None and dask != LOCAL:
        raise click.UsageError(
            f"--workers is for processes of this machine; the scheduler at {dask} has "
            "workers of its own"
        )
    return dask_executor(dask, number_of_workers(workers))


def _print_report(
    report: "ScanReport",
    as_json: bool,
    out: Path | None = None,
    reuse: Path | None = None,
) -> None:
    """Print the counts of a scan, and those of the store if there is one."""
    from ecgstore.builder.table_use import TableUse
    from ecgstore.storage.label_file import label_file_path
    from ecgstore.storage.summary import summarise

    # Labels beside an older store of this name may not be those of the new one.
    summary = None if out is None else summarise(out, labels="built")
    if as_json:
        print_json({"scan": report.to_json(), "store": summary})
        return
    echo(
        f"found {counted(report.n_found, 'record')}: {report.n_selected} selected, "
        f"{report.n_not_selected} not selected, {report.n_quarantined} in quarantine"
    )
    for line in _windows_and_cuts(report):
        echo(line)
    if reuse is not None:
        echo(
            f"beats and features copied from {reuse}: {report.n_reused} of "
            f"{counted(report.n_rows, 'row')}"
        )
    if report.n_copies:
        echo(
            "left out as copies of stored ECGs, at another sampling rate or in the "
            f"Challenge's form: {counted(report.n_copies, 'record')}"
        )
    if report.n_derived_leads:
        echo(
            "some of III, aVR, aVL and aVF were derived from I and II in "
            f"{counted(report.n_derived_leads, 'record')} (/records/derived_leads)"
        )
    if report.n_missing_leads:
        echo(
            "other leads are missing, and zero in the store, in "
            f"{counted(report.n_missing_leads, 'record')} (/records/missing_leads)"
        )
    if report.unknown_patients:
        echo(_unknown_patients(report))
    if report.same_ecg:
        echo(_same_ecg(report.same_ecg))
    for table in report.tables:
        use = TableUse(**table)
        echo(use.sentence)
        for line in use.unmatched:
            echo(f"  {line}")
    print_counts(
        "codes in no table of diagnoses and not in the classes (kept in /records/dx):",
        report.unknown_codes,
    )
    words = dict(islice(report.unknown_words.items(), _MAX_WORDS))
    print_counts(
        "words in Dx that are no diagnosis ecgstore knows (not stored):", words
    )
    n_more = len(report.unknown_words) - len(words)
    if n_more:
        echo(f"  ... and {n_more} more: --json lists them")
    for warning in report.warnings:
        echo(f"warning: {warning}", err=True)
    if out is not None and url_of(out) is None and label_file_path(out).exists():
        echo(
            f"warning: {label_file_path(out)} holds labels of an older store of this "
            "name; `ecgstore label` makes new ones, --remove deletes them",
            err=True,
        )
    _print_left_out(report, out)
    if summary is None:
        echo("only headers were read: a build may quarantine more records")
        print_counts("records by source:", report.sources)
        print_counts("records by class:", report.classes)
        print_counts("quarantine by reason:", report.reasons)
    else:
        print_summary(summary)


def _shown(out: Path) -> str:
    """Return a path or a URL as it was given: a URL that is a path lacks a slash."""
    return url_of(out) or str(out)


def _windows_and_cuts(report: "ScanReport") -> list[str]:
    """Return sentences about windows, and about parts that are not stored."""
    lines = []
    if report.n_windows_left_out or report.n_rows != report.n_selected:
        lines.append(
            f"{counted(report.n_rows, 'window')} of these records stored, "
            f"{report.n_windows_left_out} in quarantine"
        )
    if report.n_cut:
        lines.append(
            f"longer than what is stored of them: {counted(report.n_cut, 'record')}, "
            f"of which {_duration(report.cut_s)} are left out (--windows stores more)"
        )
    return lines


def _unknown_patients(report: "ScanReport") -> str:
    """Return a sentence about the records whose patients are not known."""
    counts = [
        f"{number} of {report.sources[source]} {source}"
        for source, number in report.unknown_patients.items()
    ]
    return (
        f"records without a known patient: {short_list(counts)}; folds keep them "
        "apart one by one (--patients or --labels names patients)"
    )


def _duration(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


def _same_ecg(groups: list[list[str]]) -> str:
    """Return a sentence about the records that hold the same ECG."""
    shown = []
    for names in groups[:_MAX_ECGS]:
        n_more = len(names) - _MAX_ECGS
        more = [f"{n_more} more"] if n_more > 0 else []
        shown.append(" and ".join([*names[:_MAX_ECGS], *more]))
    if len(groups) > _MAX_ECGS:
        shown.append("...")
    what = "1 ECG is" if len(groups) == 1 else f"{len(groups)} ECGs are"
    return (
        f"{what} stored, whole or in part, in several records, which share a fold "
        f"({', '.join(shown)})"
    )


def _print_left_out(report: "ScanReport", out: Path | None) -> None:
    """Print which records are in quarantine, and why."""
    for record in report.left_out[:_MAX_LINES]:
        path = record["path"]
        detail = without_place(record["detail"], path)
        echo(f"  left out: {path} ({record['reason']}): {detail}")
    n_more = len(report.left_out) - _MAX_LINES
    if n_more > 0:
        where = (
            "--json lists them"
            if out is None
            else f"ecgstore info {_shown(out)} --quarantine"
        )
        echo(f"  ... and {n_more} more: {where}")
