"""Second phase of a build: lay out the file, now that the number of rows is known."""

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgstore.beats import BEATS_VERSION, BeatStatus
from ecgstore.builder.blocks import in_blocks
from ecgstore.builder.columns import (
    DESCRIBED,
    put_column,
    text_widths,
    texts_of,
)
from ecgstore.builder.entry import Status
from ecgstore.builder.groups import Groups
from ecgstore.builder.journal import Journal
from ecgstore.builder.output_place import check_room
from ecgstore.builder.rows import OF_ROWS, Row, all_left_out, stored_rows
from ecgstore.config import Config
from ecgstore.features import FEATURES_VERSION, defined_features
from ecgstore.label_tables import Description, RecordTables
from ecgstore.record import N_LEADS, lead_rows
from ecgstore.signals.signature import signature_rows
from ecgstore.storage.format import schema
from ecgstore.storage.format.layout import create_file
from ecgstore.system.atomic_files import publish


def plan(
    journal: Journal,
    partial: Path,
    config: Config,
    tables: RecordTables,
    groups: Groups,
) -> None:
    """Create the partial file with every table that needs no signal.

    Parameters
    ----------
    journal : Journal
        A finished scan, or the part of it that the file shall hold.
    partial : Path
        The file to create; it appears under this name only when it is complete.
    config : Config
        Options of the build.
    tables : RecordTables
        What is known of the records besides their headers.
    groups : Groups
        Fold and ECG of every row, and signatures.

    Raises
    ------
    EcgStoreError
        If the disk has no room for the store.
    """
    n_rows = journal.n_rows()
    specs = schema.store_specs(
        config,
        n_rows,
        _text_widths(journal, config, tables),
        features=[
            (feature.name, feature.unit)
            for feature in defined_features(config.duration_s, config.fs, config.leads)
        ],
        beats_status={status.name.lower(): int(status) for status in BeatStatus},
        n_left_out=journal.count(Status.QUARANTINED) + journal.n_windows_left_out(),
        left_out_widths=_longest(all_left_out(journal), schema.QUARANTINE_TEXTS),
    )
    check_room(partial, sum(spec.nbytes for spec in specs))
    unfinished = unfinished_plan(partial)
    attributes = schema.file_attributes(schema.FORMAT.version, software())
    create_file(unfinished, specs, attributes)
    with h5py.File(unfinished, "r+", locking=False) as file:
        _write_tables(file, journal, config, tables)
        _write_signatures(file[schema.SIGNATURES], journal, groups.signatures)
        file[schema.FOLDS][...] = groups.folds
        file[schema.SAME_ECG][...] = groups.same
    publish(unfinished, partial)


def unfinished_plan(partial: Path) -> Path:
    """Return the name of a partial file whose tables are not written yet."""
    return partial.with_name(partial.name + ".planning")


def software() -> str:
    """Return the versions of the software that the stored values depend on."""
    own = {"beats": BEATS_VERSION, "features": FEATURES_VERSION}
    others = ("neurokit2", "numpy", "scipy")
    versions = (
        {"ecgstore": version("ecgstore")}
        | own
        | {name: version(name) for name in others}
    )
    return ", ".join(f"{name} {value}" for name, value in versions.items())


def _text_widths(
    journal: Journal, config: Config, tables: RecordTables
) -> dict[str, int]:
    """Return the bytes of the longest value of each text column."""
    names = [name for name in schema.RECORD_TEXTS if name not in DESCRIBED]
    of_entries = [name for name in names if name not in OF_ROWS]
    known = (tables.describe(entry) for entry in journal.entries(Status.SELECTED))
    return {
        **journal.widths(Status.SELECTED, of_entries),
        **_longest(stored_rows(journal), OF_ROWS),
        **text_widths(config, tables, known),
    }


def _longest(items: Iterable[object], names: Sequence[str]) -> dict[str, int]:
    """Return the bytes of the longest text of some attributes."""
    widths = dict.fromkeys(names, 0)
    for item in items:
        for name in names:
            text: str = getattr(item, name)
            widths[name] = max(widths[name], len(text.encode()))
    return widths


def _write_tables(
    file: h5py.File, journal: Journal, config: Config, tables: RecordTables
) -> None:
    """Write labels, record columns, header flags and the quarantine."""
    begin = 0
    for block in in_blocks(stored_rows(journal)):
        rows = slice(begin, begin + len(block))
        begin += len(block)
        known = _described(block, tables)
        file[schema.LABELS][rows] = config.classes.labels([one.dx for one in known])
        if config.targets:
            file[schema.TARGETS][rows] = [one.targets for one in known]
        records = file[schema.RECORDS]
        for name in schema.RECORD_TEXTS:
            if name not in DESCRIBED:
                values = [
                    getattr(row if name in OF_ROWS else row.entry, name)
                    for row in block
                ]
                put_column(records[name], rows, values)
        texts = [texts_of(config, one) for one in known]
        for name in (*DESCRIBED, *schema.extra_columns(config)):
            put_column(records[name], rows, [one[name] for one in texts])
        records["age"][rows] = [one.age for one in known]
        records[schema.START][rows] = [row.start_s for row in block]
        records["fs_original"][rows] = [row.entry.fs for row in block]
        records["n_samples_original"][rows] = [row.entry.n_samples for row in block]
        for name in schema.HEADER_FLAGS:
            bits = np.array([getattr(row.entry, name) for row in block])
            flags = bits[:, np.newaxis] >> np.arange(N_LEADS) & 1
            chosen = flags[:, lead_rows(config.leads)]
            file[f"{schema.QUALITY}/{name}"][rows] = chosen
    begin = 0
    for left_out in in_blocks(all_left_out(journal)):
        rows = slice(begin, begin + len(left_out))
        begin += len(left_out)
        for name in schema.QUARANTINE_TEXTS:
            values = [getattr(one, name) for one in left_out]
            put_column(file[schema.QUARANTINE][name], rows, values)


def _write_signatures(
    dataset: h5py.Dataset, journal: Journal, signatures: NDArray[Any]
) -> None:
    """Write the signature of its record into every row."""
    begin = first = 0
    for block in in_blocks(journal.entries(Status.SELECTED)):
        of_block = signature_rows(signatures[first : first + len(block)])
        rows = np.repeat(of_block, [entry.n_rows for entry in block], axis=0)
        dataset[begin : begin + len(rows)] = rows
        begin += len(rows)
        first += len(block)


def _described(rows: Sequence[Row], tables: RecordTables) -> list[Description]:
    """Return what is known of the record of every row."""
    known: list[Description] = []
    for number, row in enumerate(rows):
        is_same = number > 0 and rows[number - 1].entry is row.entry
        known.append(known[-1] if is_same else tables.describe(row.entry))
    return known
