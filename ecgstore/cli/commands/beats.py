"""``ecgstore beats``: beats and waves of records as CSV, JSON or WFDB annotations."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from ecgstore.cli.options.common import LEAD_NAMES, QUIET
from ecgstore.cli.options.declared import comma_separated
from ecgstore.cli.options.report_file import ReportFile
from ecgstore.cli.output import ShownTable, echo

if TYPE_CHECKING:
    from ecgstore.beats.of_records import RecordBeats
    from ecgstore.lead_names import LeadNames

_STORES: Final = (".h5", ".hdf5")


@click.command(
    epilog="""\b
Examples:
  ecgstore beats A0001.hea
  ecgstore beats holter.hea -o holter.atr --leads ECG1,V5
  ecgstore beats training/ -o beats.csv
  ecgstore beats training/ -o annotations/
  ecgstore beats challenge.h5 --record HR00001 -o beats.json
"""
)
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=ReportFile(dir_okay=True),
    metavar="PATH",
    help="A .csv, .json or .atr file, or a folder for an .atr file per record; tables "
    "are replaced if they exist.  [default: CSV on standard output]",
)
@click.option(
    "--record",
    "record_ids",
    multiple=True,
    metavar="ID",
    help="With a store: this record only; repeat for more.  [default: all]",
)
@click.option(
    "--leads",
    multiple=True,
    callback=comma_separated,
    metavar="NAMES",
    help="Leads to use, separated by commas, in the order of the marks: names as in "
    "the record, or standard leads.  [default: all channels with an ECG]",
)
@LEAD_NAMES
@click.option(
    "--no-filter",
    is_flag=True,
    help="Do not filter: the records were band-pass filtered before.",
)
@click.option(
    "--overwrite",
    is_flag=True,
    help="Replace annotation files that exist.",
)
@QUIET
def beats(
    inputs: tuple[Path, ...],
    out: Path | None,
    record_ids: tuple[str, ...],
    leads: tuple[str, ...] | None,
    lead_names: Path | None,
    no_filter: bool,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Find the beats of INPUTS and mark P, QRS and T in every lead.

    INPUTS are records (folders, .hea files, or .mat or .dat files beside one) or stores
    (.h5). Records may have any leads and any length; they are read and filtered in
    pieces, as builds filter. Channels that hold no ECG, such as respiration, are left
    out and named. Stores hold filtered signals. All samples are counted from 0 at the
    record's own sampling rate; in a store, at the store's.

    The table has a row per beat and lead: record_id, source, fs, the beat's number and
    its sample, the lead, and the samples of p_on, p_peak, p_off, qrs_on, r_peak,
    qrs_off, t_on, t_peak and t_off, empty where absent. Leads are named as the record
    names them. Annotations have the symbols of LUDB and the QT Database, ( p ) ( N )
    ( t ), and as channel the lead's position in the record.

    Records without beats are named. Records that cannot be used are, too, and the exit
    status is then 1.
    """
    from ecgstore.beats.files import (
        refuse_existing,
        write_annotations,
        write_beats_csv,
        write_beats_json,
    )
    from ecgstore.errors import EcgStoreError
    from ecgstore.lead_names import LeadNames
    from ecgstore.system.atomic_files import make_folder, replace_file

    chosen = None if leads is None else [*leads]
    names = LeadNames() if lead_names is None else LeadNames.read(lead_names)
    found = _Found(inputs, chosen, names, record_ids, not no_filter, quiet)
    suffix = "" if out is None else out.suffix.lower()
    if out is None:
        write_beats_csv(ShownTable(), found)
    elif suffix in (".csv", ".json"):
        write = write_beats_csv if suffix == ".csv" else write_beats_json
        with replace_file(out) as file:
            write(file, found)
    elif suffix == ".atr":
        if not overwrite:
            refuse_existing(out)
        records = list(found)
        if len(records) != 1 and not found.n_failed:
            raise EcgStoreError(
                f"{out}: holds the annotations of one record, but there are "
                f"{len(records)}; give a folder for one file each: -o annotations/"
            )
        for record in records:
            write_annotations(out, record, overwrite=overwrite)
    elif suffix:
        raise click.UsageError(
            f"{out} ends in {suffix}; expected .csv, .json or .atr, or a folder"
        )
    else:
        make_folder(out)
        for record in found:
            try:
                path = out / f"{record.record_id}.atr"
                write_annotations(path, record, overwrite=overwrite)
            except EcgStoreError as error:
                found.fail(error)
    if found.n_failed:
        sys.exit(1)


class _Found:
    """The beats of all inputs, found one by one; prints what cannot be used."""

    def __init__(
        self,
        inputs: tuple[Path, ...],
        leads: list[str] | None,
        lead_names: "LeadNames",
        record_ids: tuple[str, ...],
        bandpass: bool,
        quiet: bool,
    ) -> None:
        self._leads, self._lead_names = leads, lead_names
        self._bandpass, self._quiet = bandpass, quiet
        self._stores = [path for path in inputs if _is_store(path)]
        self._paths = [path for path in inputs if path not in self._stores]
        self._record_ids = record_ids or None
        self.n_failed = 0
        if record_ids and (self._paths or len(self._stores) != 1):
            raise click.UsageError("--record chooses records of one store")

    def __iter__(self) -> "Iterator[RecordBeats]":
        from ecgstore.beats.of_records import beats_of_record, beats_of_store
        from ecgstore.errors import EcgStoreError, short_list
        from ecgstore.lead_names import shown_lead
        from ecgstore.sources import describe_unreadable, given_headers
        from ecgstore.storage import Store
        from ecgstore.system.progress import Progress

        for path in self._stores:
            with Store(path) as store:
                n_records = len(self._record_ids or store)
                with Progress("beats", n_records, quiet=self._quiet) as progress:
                    for record in beats_of_store(
                        store, self._record_ids, leads=self._leads
                    ):
                        _say_if_none(f"{path}, record {record.record_id}", record)
                        yield record
                        progress.update()
        if not self._paths:
            return
        unreadable: list[tuple[str, str]] = []
        headers = given_headers(
            self._paths, lambda *problem: unreadable.append(problem)
        )
        if unreadable:
            self.fail(describe_unreadable(unreadable))
        with Progress("beats", len(headers), quiet=self._quiet) as progress:
            for header in headers:
                try:
                    record = beats_of_record(
                        header,
                        leads=self._leads,
                        lead_names=self._lead_names,
                        filter=self._bandpass,
                    )
                except EcgStoreError as error:
                    self.fail(error)
                else:
                    if record.left_out:
                        left_out = short_list(map(shown_lead, record.left_out))
                        echo(f"{header}: no ECG, left out: {left_out}", err=True)
                    _say_if_none(header, record)
                    yield record
                progress.update()

    def fail(self, problem: object) -> None:
        """Print why something cannot be used."""
        echo(f"ecgstore: {problem}", err=True)
        self.n_failed += 1


def _say_if_none(name: object, record: "RecordBeats") -> None:
    """Say so if a record has no beats: its part of a table is empty."""
    if not len(record.beats.r_peaks):
        seconds = record.n_samples / record.fs
        echo(
            f"{name}: no beats were found in its {seconds:g} s: the leads are flat, "
            "have no common beat, or are too short",
            err=True,
        )


def _is_store(path: Path) -> bool:
    """Return whether a path is taken for a store; sets of records are none."""
    from ecgstore.system.known_files import known_file

    suffix = path.suffix.lower()
    if suffix not in _STORES:
        return False
    return suffix == ".h5" or not path.is_file() or bool(known_file(path))
