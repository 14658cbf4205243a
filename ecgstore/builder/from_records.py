"""Build a store from records that a program gives, one after another."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial as bind
from pathlib import Path
from typing import Any, Final

from ecgstore.builder.columns import check_columns
from ecgstore.builder.named_destination import destination_of
from ecgstore.builder.one_file import OneFile
from ecgstore.builder.pipeline import Inputs, run_build, spool_folder
from ecgstore.builder.report import ScanReport
from ecgstore.builder.scan import Folders
from ecgstore.builder.spool import Spool
from ecgstore.config import Config
from ecgstore.errors import ConfigError, EcgStoreError, require_type, short_repr
from ecgstore.features.measured import MV_PER_UNIT
from ecgstore.label_tables import GivenColumns, tables_of_build
from ecgstore.record import Record
from ecgstore.system.progress import Progress
from ecgstore.system.workers import number_of_workers

_LONGEST_SOURCE: Final = 64


def build_from(
    records: Iterable[Record | tuple[Any, ...]],
    out: str | Path,
    config: Config | None = None,
    *,
    source: str = "arrays",
    unit: str = "mV",
    labels: str | Path | Iterable[str | Path] = (),
    n_workers: int | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> ScanReport:
    """Build a store from any iterable of records, such as a generator.

    The records are checked, selected, preprocessed and measured as those of files are,
    and the store gets its name when it is complete. A build reads every record twice,
    so the records are written to a folder beside `out` first (480 kB for 10 s at
    500 Hz), which is removed at the end. After a stop or a kill, the same call needs
    all records again, and keeps the rows of those that are the same.

    Parameters
    ----------
    records : iterable of Record or tuple
        Every tuple is ``(record_id, signal, fs, leads, columns)``, where the last two
        may be left out. `signal` is of shape (n_leads, n_samples), NaN or masked where
        a sample is missing; `fs` is in Hz; `leads` are the names of its rows, in any
        order, by default the twelve of `LEADS`; and `columns` is a dict of what is
        known of the record, as in a row of a table of labels: ``dx`` or ``codes``, a
        value for each class, ``patient_id``, ``age``, ``sex``, and what the options
        `columns`, `targets` and `folds_from` name.
    out : str or Path
        The store to create, usually ``*.h5``.
    config : Config, optional
        Options; the defaults if left out. ``Config(select="all")`` is for records
        without labels.
    source : str
        Name of the data set, as in ``/records/source``.
    unit : {"mV", "uV", "V"}
        Unit of the signals in tuples. Those of a `Record` are in mV.
    labels : str, Path, or iterable of them
        Tables of labels in files, besides the columns: see docs/labels.md.
    n_workers : int, optional
        Number of processes; see `build_store`.
    overwrite : bool
        Replace an existing store when the new one is complete.
    quiet : bool
        Show no progress.

    Returns
    -------
    ScanReport
        Numbers of the records given, selected and left out.

    Raises
    ------
    EcgStoreError
        If an item is no record, a column is not understood, or a build of files would
        raise it. Records whose signals cannot be used, and later ones of the same name,
        are in quarantine instead.
    """
    config = Config() if config is None else config
    require_type("config", config, Config, "options, such as ecgstore.Config(fs=250)")
    if unit not in MV_PER_UNIT:
        raise ConfigError(f"unit is {unit!r}; expected one of {', '.join(MV_PER_UNIT)}")
    if not _is_folder_name(source):
        raise ConfigError(
            f"source is {short_repr(source)}; expected a name of at most "
            f"{_LONGEST_SOURCE} characters, without / and \\"
        )
    if isinstance(labels, str | Path):
        labels = [labels]
    if not isinstance(records, Iterable):
        raise EcgStoreError(
            f"records is {short_repr(records)}; expected an iterable of records, such "
            "as a list or a generator"
        )
    open_inputs = bind(_spooled, records, config, source, unit, [*labels], quiet)
    return run_build(
        config,
        open_inputs,
        OneFile(destination_of(out)),
        number_of_workers(n_workers),
        overwrite=overwrite,
        quiet=quiet,
    )


def _is_folder_name(source: object) -> bool:
    """Return whether a folder can have the name of a source."""
    return (
        isinstance(source, str)
        and 0 < len(source) <= _LONGEST_SOURCE
        and source.isprintable()
        and source == source.strip()
        and not source.startswith(".")
        and not set("/\\") & set(source)
    )


@contextmanager
def _spooled(
    records: Iterable[object],
    config: Config,
    source: str,
    unit: str,
    labels: list[str | Path],
    quiet: bool,
    final: Path,
) -> Iterator[Inputs]:
    """Write the records to a folder beside the store, and remove it afterwards."""
    check_columns(config)
    folder = spool_folder(final)
    folder.mkdir()
    try:
        columns = GivenColumns(config)
        spool = Spool(folder, source, MV_PER_UNIT[unit], columns)
        with Progress("receive", quiet=quiet) as progress:
            for record in records:
                spool.add(record)
                progress.update(1)
        if not spool.n_records:
            raise EcgStoreError("there is no record to build from; expected some")
        tables = tables_of_build(config, columns, labels, base=str(folder))
        yield Inputs(
            Folders((folder,), folder, "the records given"),
            tables,
            {"sources": [f"records given as {source}"], "labels": tables.digests()},
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
