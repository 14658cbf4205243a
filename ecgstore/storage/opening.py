"""Open a finished store's file: check it, read its attributes, map its content."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from ecgstore.config import Config
from ecgstore.errors import SchemaError
from ecgstore.storage.byte_source import ByteSource
from ecgstore.storage.collection.joined_table import JoinedTable
from ecgstore.storage.collection.joining import join_parts
from ecgstore.storage.collection.parts import read_parts
from ecgstore.storage.file_bytes import FileBytes
from ecgstore.storage.first_touch import FirstTouch
from ecgstore.storage.format import schema
from ecgstore.storage.format.digest_table import FINGERPRINT
from ecgstore.storage.format.hdf5 import (
    check_layout,
    described,
    expected_layout,
    feature_names,
    feature_units,
    is_collection,
    label_names,
    open_hdf5,
    read_config,
)
from ecgstore.storage.format.layout import ALIGNMENT_BYTES
from ecgstore.storage.format.row_offsets import (
    EvenOffsets,
    PartOffsets,
    RowOffsets,
    row_offsets,
)
from ecgstore.storage.format.stored_values import UNSEALED, text
from ecgstore.storage.label_file import label_file_path, open_label_file
from ecgstore.storage.memory_map import MemoryMap
from ecgstore.storage.remote.mirror import Mirror
from ecgstore.storage.rows import SignalRows
from ecgstore.storage.tables import TableLocation, Tables, table_locations


@dataclass(frozen=True, slots=True, eq=False)
class OpenedFile:
    """The attributes of a store's file, its mapped signals and its tables.

    Attributes
    ----------
    config : Config
        Options of the build.
    software : str
        Versions of the libraries on which the numbers depend.
    fingerprint : str
        Digest that identifies the content, with the labels beside the file.
    built_fingerprint : str
        Digest that identifies the content of the file.
    beats_statuses : dict
        Value of every status of `/quality/beats_status` by its name.
    label_names, feature_names, feature_units : tuple of str
        Names of the columns of `/labels` and `/features`, and units of the latter.
    signals : SignalRows
        The rows of `/signals`.
    tables : Tables
        All other datasets; those of the labels beside the file replace its own.
    label_file : MemoryMap or None
        The file of these labels, if there is one.
    parts : tuple of Path and str
        The stores of a collection, paths or URLs; empty for a store.
    """

    config: Config
    software: str
    fingerprint: str
    built_fingerprint: str
    beats_statuses: dict[str, int]
    label_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    feature_units: tuple[str, ...]
    signals: SignalRows
    tables: Tables
    label_file: MemoryMap | None
    parts: tuple[Path | str, ...]


def open_file(
    path: Path,
    *,
    first_touch: bool,
    with_labels: bool,
    mirror: Mirror | None = None,
    cache: Path | None = None,
) -> OpenedFile:
    """Open a store's file.

    Parameters
    ----------
    path : Path
        The file.
    first_touch : bool
        Check every row of the signals the first time that it is read.
    with_labels : bool
        Let the labels beside the file, if there are some, replace its own.
    mirror : Mirror, optional
        The file at a URL of which `path` is the mirror.
    cache : Path, optional
        Folder in which parts at URLs are kept; nothing is kept if left out.

    Raises
    ------
    EcgStoreError
        If there is no such file.
    SchemaError
        If the file is not a finished ecgstore file of a known version, or its signals
        are not stored row by row.
    """
    with open_hdf5(path, is_mirror=mirror is not None) as file:
        config = read_config(file, path)
        specs = {spec.path: spec for spec in expected_layout(file, config)}
        datasets = check_layout(file, path, [*specs.values()])
        fingerprint = described(file, FINGERPRINT)
        if fingerprint == UNSEALED:
            raise SchemaError(
                f"{path}: an unfinished build; run its command again to finish it"
            )
        software = text(file.attrs["software"])
        status = h5py.Dataset(
            datasets[f"{schema.QUALITY}/{schema.BEATS_STATUS}"].id
        ).attrs
        beats_statuses = dict(
            zip(
                text(status["flag_meanings"]).split(),
                status["flag_values"].tolist(),
                strict=True,
            )
        )
        names = label_names(file)
        features, units = feature_names(file), feature_units(file)
        parts = read_parts(file) if is_collection(file) else None
        of_signals = specs[schema.SIGNALS].attributes
        if parts is None:
            stored = h5py.Dataset(datasets[schema.SIGNALS].id)
            of_signals = stored.attrs
            rows: RowOffsets = _signal_offsets(stored, path)
        # As float32, 0.001 would be 0.0010000000474974513.
        scale_factor = float(str(of_signals["scale_factor"]))
        shapes = {
            name: (spec.dtype, spec.shape)
            for name, spec in specs.items()
            if spec.values is None
        }
        dtype, (_, n_leads, n_samples) = shapes[schema.SIGNALS]
        locations = table_locations(datasets)
        content: FileBytes
        if mirror is None:
            content = MemoryMap(path)
            content.check_same_file(file.id.get_vfd_handle())
            content.watch(fingerprint)
        else:
            content = mirror
    if parts is None:
        _check_inside(rows, n_leads * n_samples * dtype.itemsize, content, path)
    source: ByteSource = content
    joined: dict[str, JoinedTable] = {}
    if parts is not None:
        checksums = locations[schema.CHECKSUMS].offset or 0
        joined = join_parts(path, parts, content, shapes, checksums, cache)
        signals = joined.pop(schema.SIGNALS)
        rows, source = signals.offsets, signals.file
    elif mirror is not None:
        joined = _by_rows(mirror, locations)
    beside = label_file_path(path)
    labels = None
    if with_labels and beside.exists():
        labels = open_label_file(beside, path, fingerprint)
        config, names = labels.config, labels.config.classes.names
    own = None if labels is None else labels.tables
    tables = Tables(path, locations, content, own, joined)
    check = None
    places: tuple[Path | str, ...] = ()
    if parts is not None:
        places = parts.located(path, None if mirror is None else mirror.reader.url)
    is_remote = mirror is not None or any(isinstance(one, str) for one in places)
    if first_touch and not is_remote:  # what is fetched is checked already
        check = FirstTouch(path, tables, len(rows))
    return OpenedFile(
        config,
        software,
        fingerprint if labels is None else labels.fingerprint,
        fingerprint,
        beats_statuses,
        names,
        features,
        units,
        SignalRows(source, rows, dtype, n_leads, n_samples, scale_factor, check),
        tables,
        None if labels is None else labels.file,
        places,
    )


def _by_rows(
    mirror: Mirror, locations: Mapping[str, TableLocation]
) -> dict[str, JoinedTable]:
    """Return the large tables of a store at a URL, whose rows are fetched alone."""
    tables = {}
    for name, place in locations.items():
        if place.offset and schema.is_large(name, len(place.shape)):
            step = (place.end - place.offset) // place.shape[0]
            begins, first_rows = np.array([place.offset]), np.array([0, place.shape[0]])
            offsets = PartOffsets(begins, first_rows, step)
            tables[name] = JoinedTable(mirror, offsets, place.dtype, place.shape)
    return tables


def _check_inside(
    offsets: RowOffsets, row_nbytes: int, content: FileBytes, path: Path
) -> None:
    """Refuse rows that lead out of the mapped file: kernels trust their offsets."""
    if not len(offsets):
        return
    if isinstance(offsets, EvenOffsets):
        first = offsets.first
        last = first + offsets.step * (offsets.n_rows - 1)
    else:
        every = offsets[:]
        first, last = int(every.min()), int(every.max())
    if first < 0 or last + row_nbytes > content.bytes.size:
        raise SchemaError(
            f"{path}: rows of /{schema.SIGNALS} lie beyond the end of the file; build "
            "the store again or restore it from a copy"
        )


def _signal_offsets(signals: h5py.Dataset, path: Path) -> RowOffsets:
    """Return where every row of the signals begins, if rows can be read in place."""
    try:
        offsets = row_offsets(signals)
        begins = offsets[:2] if isinstance(offsets, EvenOffsets) else offsets[:]
        if (begins % 2).any():
            raise ValueError(f"{signals.name} has rows at odd offsets")
    except ValueError as error:
        chunk = "x".join(map(str, (1, *signals.shape[1:])))
        raise SchemaError(
            f"{path}: {error}; restore the original layout with h5repack -t "
            f"{ALIGNMENT_BYTES} -a {ALIGNMENT_BYTES} -f NONE -l signals:CHUNK={chunk}"
        ) from error
    return offsets
