"""Make a collection: a small file with the columns of many stores, read as one."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ecgstore.arrays import IntArray
from ecgstore.builder.collected_columns import CollectedColumns, read_columns
from ecgstore.builder.column_spool import ColumnSpool
from ecgstore.builder.output_place import check_output_place, check_room
from ecgstore.builder.parts_of_collection import parts_of
from ecgstore.diagnoses import ClassSet
from ecgstore.distinct_texts import distinct
from ecgstore.errors import EcgStoreError
from ecgstore.signals.same_signal import least_similarity, same_signals
from ecgstore.signals.signature import signatures_of_rows
from ecgstore.splits import assign_folds, group_records
from ecgstore.storage.collection.parts import Parts
from ecgstore.storage.format import schema
from ecgstore.storage.format.dataset_spec import DatasetSpec
from ecgstore.storage.format.digest_table import FINGERPRINT
from ecgstore.storage.format.integrity import fingerprint, write_digests
from ecgstore.storage.format.layout import create_file
from ecgstore.storage.format.stored_values import encoded
from ecgstore.system.atomic_files import replace_file
from ecgstore.system.open_files import allow_open_stores


@dataclass(frozen=True, slots=True)
class CollectReport:
    """What `collect` wrote.

    Attributes
    ----------
    path : Path
        The collection.
    n_records, n_parts : int
        Numbers of its records and of its stores.
    same_ecg : list of (str, str)
        Names of records in different parts that hold the same ECG, as
        ``file: record``; they are in one fold.
    same_name : list of (str, str)
        Names of records in different parts with the same source and record_id, which
        cannot be found by name.
    n_moved_folds : int
        Records that have another fold than in their store.
    """

    path: Path
    n_records: int
    n_parts: int
    same_ecg: list[tuple[str, str]]
    same_name: list[tuple[str, str]]
    n_moved_folds: int


def collect(
    stores: str | Path | Iterable[str | Path],
    out: str | Path,
    *,
    classes: ClassSet | str | Path | None = None,
    keep_folds: bool = False,
    overwrite: bool = False,
) -> CollectReport:
    """Make a collection of stores, which is opened and used as one store.

    Small columns are copied, about 230 bytes a record. Signals, features, marks and
    quality stay in the stores, which must stay where they are, relative to the
    collection. Their labels are those that they have now, also from a file beside them.

    Parameters
    ----------
    stores : iterable of str or Path
        The stores, in the order of the rows; a single one may stand alone.
    out : str or Path
        The collection to write; it appears when it is complete.
    classes : ClassSet, str or Path, optional
        The class set, applied to the codes of all records; that of the first store if
        left out. Labels of stores that have it are copied.
    keep_folds : bool
        Keep the folds of the stores, if no patient and no ECG is in two of them. By
        default folds are dealt anew over all records.
    overwrite : bool
        Replace a file of that name, but never one of the stores.

    Raises
    ------
    EcgStoreError
        If the stores do not fit each other, folds that shall be kept would leak, the
        output exists, or it cannot be written.
    """
    final = Path(os.path.abspath(out))
    given = [stores] if isinstance(stores, str | Path) else stores
    paths = [Path(one) for one in given]
    check_output_place(final, paths, overwrite)
    allow_open_stores(final, len(paths))  # who opens the collection opens them all
    return write_collection(
        paths, final, final.parent, classes=classes, keep_folds=keep_folds
    )


def write_collection(
    paths: Sequence[Path | str],
    final: Path,
    folder: Path | str | None,
    *,
    classes: ClassSet | str | Path | None = None,
    labels: Literal["beside", "built"] = "beside",
    keep_folds: bool = False,
    links: IntArray | None = None,
    folds: NDArray[np.int8] | None = None,
) -> CollectReport:
    """Write a collection of stores, of which one is open at a time; see `collect`.

    Parameters
    ----------
    paths : sequence of Path or str
        The stores, in the order of the rows; a str is a URL.
    final : Path
        The collection.
    folder : Path or str, optional
        Folder, or its URL, from which the collection finds its stores; absolute paths
        if left out.
    classes, keep_folds
        See `collect`.
    labels : {"beside", "built"}
        See `Store`.
    links : ndarray of shape (n_rows,), optional
        For each row the first row of the collection with the same ECG, by whoever
        compared the signatures already.
    folds : ndarray of shape (n_rows,), optional
        The fold of each row, by whoever planned them for all stores together.
    """
    if not paths:
        raise EcgStoreError(f"{final}: no store is given; expected one or more")
    with ColumnSpool(final) as spool, ColumnSpool(final) as signatures:
        needs_signatures = links is None and len(paths) > 1
        columns = read_columns(
            paths, classes, labels, spool, signatures if needs_signatures else None
        )
        parts = parts_of([part.place for part in columns.parts], folder)
        if links is None:
            links = _linked(columns, parts, signatures)
        if folds is None:
            folds = _folds(columns, links, keep_folds)
        _write(final, columns, parts, links, folds)
        return CollectReport(
            final,
            len(folds),
            len(paths),
            _between(columns, parts, links),
            _between(columns, parts, _first_of_name(columns)),
            int((columns.whole(schema.FOLDS) != folds).sum()),
        )


def _write(
    final: Path,
    columns: CollectedColumns,
    parts: Parts,
    links: IntArray,
    folds: NDArray[np.int8],
) -> None:
    """Write the file of a collection."""
    specs = _specs(columns, parts)
    check_room(final, sum(spec.nbytes for spec in specs if not spec.sources))
    attributes = schema.file_attributes(
        schema.COLLECTION.version,
        columns.parts[0].software,
        format_=schema.COLLECTION,
    )
    with replace_file(final, "wb") as unfinished:
        create_file(Path(unfinished.name), specs, attributes)
        with h5py.File(unfinished, "r+", locking=False) as file:
            file[schema.SAME_ECG][...] = links
            file[schema.FOLDS][...] = folds
            for spec in specs:
                is_set = spec.path in (schema.SAME_ECG, schema.FOLDS)
                if spec.values is None and not spec.sources and not is_set:
                    columns.write(file[spec.path])
            digest = fingerprint(columns.config.to_json(), write_digests(file))
            file[FINGERPRINT][()] = encoded(digest)


def _specs(columns: CollectedColumns, parts: Parts) -> list[DatasetSpec]:
    """Return every dataset of a collection."""
    config = columns.config
    names = (*schema.RECORD_TEXTS, *schema.extra_columns(config))
    left_out = [f"{schema.QUARANTINE}/{name}" for name in schema.QUARANTINE_TEXTS]
    first = columns.parts[0]
    specs = schema.store_specs(
        config,
        int(parts.n_rows.sum()),
        columns.widths([f"{schema.RECORDS}/{name}" for name in names]),
        features=[*zip(first.feature_names, first.feature_units, strict=True)],
        beats_status=first.beats_statuses,
        n_left_out=sum(len(piece) for piece in columns.pieces(left_out[0])),
        left_out_widths=columns.widths(left_out),
    )
    sources = tuple(zip(parts.paths, parts.n_rows.tolist(), strict=True))
    return [
        *parts.specs(),
        *(
            replace(spec, sources=sources)
            if schema.is_large(spec.path, len(spec.shape))
            else spec
            for spec in specs
        ),
    ]


def _linked(
    columns: CollectedColumns, parts: Parts, signatures: ColumnSpool
) -> IntArray:
    """Return for each row the first row of the collection with the same ECG."""
    n_rows = int(parts.n_rows.sum())
    rows = np.arange(n_rows)
    links = [columns.links_within(parts.first_rows.tolist())]
    if len(columns.parts) > 1:
        pieces = [part.signatures for part in columns.parts if part.signatures]
        every = signatures_of_rows(signatures.joined(pieces))
        links.append(same_signals(every, least_similarity(columns.config.leads)))
    pairs = [(rows[link != rows], link[link != rows]) for link in links]
    first, second = np.concatenate(pairs, axis=1)
    graph = coo_array(
        (np.ones(len(first), np.int8), (first, second)), shape=(n_rows, n_rows)
    )
    n_groups, group = connected_components(graph, directed=False)
    first_of = np.empty(n_groups, np.int64)
    first_of[group[::-1]] = rows[::-1]  # the last write stays
    result: IntArray = first_of[group]
    return result


def _folds(columns: CollectedColumns, links: IntArray, keep: bool) -> NDArray[np.int8]:
    """Return the fold of every row, dealt anew or kept."""
    source = columns.whole(f"{schema.RECORDS}/source")
    groups = group_records(
        source,
        columns.whole(f"{schema.RECORDS}/patient_id"),
        columns.whole(f"{schema.RECORDS}/sha256"),
        links,
    )
    if not keep:
        return assign_folds(columns.whole(schema.LABELS), groups, strata=source)
    folds: NDArray[np.int8] = columns.whole(schema.FOLDS)
    order = np.argsort(groups, kind="stable")
    same = groups[order][1:] == groups[order][:-1]
    leaks = np.flatnonzero(same & (folds[order][1:] != folds[order][:-1]))
    if leaks.size:
        ids = columns.whole(f"{schema.RECORDS}/record_id")[order[leaks[0] :][:2]]
        raise EcgStoreError(
            f"{columns.parts[0].place.path} and others: folds cannot be kept, "
            f"{len(leaks)} records "
            "are in another fold than one of the same patient or ECG, such as "
            f"{' and '.join(one.decode() for one in ids.tolist())}; deal them anew: "
            "leave out --keep-folds (keep_folds)"
        )
    return folds


def _first_of_name(columns: CollectedColumns) -> IntArray:
    """Return for each row the first row with the same source and name."""
    (_, sources), (first, names) = (
        distinct(columns.whole(f"{schema.RECORDS}/{column}"))
        for column in ("source", "record_id")
    )
    _, rows, numbers = np.unique(
        sources * len(first) + names, return_index=True, return_inverse=True
    )
    result: IntArray = rows[numbers]
    return result


def _between(
    columns: CollectedColumns, parts: Parts, links: IntArray
) -> list[tuple[str, str]]:
    """Return the records that are linked to one of another part, after that one."""
    first_rows = parts.first_rows
    part = np.searchsorted(first_rows, np.arange(len(links)), side="right") - 1
    others = np.flatnonzero(part != part[links])
    ids = [*columns.pieces(f"{schema.RECORDS}/record_id")]

    def name(row: int) -> str:
        number = part[row]
        record_id = ids[number][row - first_rows[number]].decode()
        return f"{Path(columns.parts[number].place.path).name}: {record_id}"

    return [(name(int(links[row])), name(row)) for row in others.tolist()]
