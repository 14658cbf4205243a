"""Make a collection: a small file with the columns of many stores, read as one."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ecgstore.arrays import IntArray
from ecgstore.builder.output_place import check_output_place, check_room
from ecgstore.builder.parts_of_collection import check_parts_fit, parts_of
from ecgstore.config import Config
from ecgstore.diagnoses import ClassSet, class_set
from ecgstore.distinct_texts import distinct
from ecgstore.errors import EcgStoreError
from ecgstore.signals.same_signal import least_similarity, same_signals
from ecgstore.signals.signature import signatures_of_rows
from ecgstore.splits import assign_folds, group_records
from ecgstore.storage import Store
from ecgstore.storage.collection.parts import Parts
from ecgstore.storage.format import schema
from ecgstore.storage.format.dataset_spec import DatasetSpec
from ecgstore.storage.format.digest_table import FINGERPRINT
from ecgstore.storage.format.integrity import fingerprint, write_digests
from ecgstore.storage.format.layout import create_file
from ecgstore.storage.format.stored_values import encoded
from ecgstore.storage.frames import same_ecg
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
    allow_open_stores(final, len(paths))
    with ExitStack() as opened:
        parts = [opened.enter_context(Store(path)) for path in paths]
        return write_collection(
            parts, final, final.parent, classes, keep_folds=keep_folds
        )


def write_collection(
    stores: Sequence[Store],
    final: Path,
    folder: Path | None,
    classes: ClassSet | str | Path | None = None,
    *,
    keep_folds: bool = False,
) -> CollectReport:
    """Write a collection of open stores; see `collect` and `parts_of`."""
    if not stores:
        raise EcgStoreError(f"{final}: no store is given; expected one or more")
    check_parts_fit(stores)
    parts = parts_of(stores, folder)
    config = _config(stores, classes)
    columns = _Columns(stores, config)
    links = _linked(stores, parts)
    folds = _folds(stores, columns, links, keep_folds)
    specs = _specs(stores, parts, config, columns)
    check_room(final, sum(spec.nbytes for spec in specs if not spec.sources))
    attributes = schema.file_attributes(
        schema.COLLECTION.version, stores[0].software, format_=schema.COLLECTION
    )
    with replace_file(final, "wb") as unfinished:
        create_file(Path(unfinished.name), specs, attributes)
        with h5py.File(unfinished, "r+", locking=False) as file:
            file[schema.SAME_ECG][...] = links
            file[schema.FOLDS][...] = folds
            for spec in specs:
                is_set = spec.path in (schema.SAME_ECG, schema.FOLDS)
                if spec.values is None and not spec.sources and not is_set:
                    columns.write(file[spec.path], spec)
            digest = fingerprint(config.to_json(), write_digests(file))
            file[FINGERPRINT][()] = encoded(digest)
    before = np.concatenate([store.table(schema.FOLDS) for store in stores])
    return CollectReport(
        final,
        len(folds),
        len(stores),
        _between(stores, parts, links),
        _between(stores, parts, _first_of_name(columns)),
        int((before != folds).sum()),
    )


def _config(stores: Sequence[Store], classes: ClassSet | str | Path | None) -> Config:
    """Return the options of a collection: shared ones, and what any part has."""
    first = stores[0].config
    if classes is None:
        classes = first.classes
    chosen = classes if isinstance(classes, ClassSet) else class_set(classes)
    configs = [store.config for store in stores]
    return replace(
        first,
        classes=chosen,
        columns=tuple(dict.fromkeys(chain(*(one.columns for one in configs)))),
        targets=tuple(dict.fromkeys(chain(*(one.targets for one in configs)))),
        allow_missing_leads=any(one.allow_missing_leads for one in configs),
    )


class _Columns:
    """The columns that are copied, over all parts."""

    def __init__(self, stores: Sequence[Store], config: Config) -> None:
        self._stores = stores
        self._config = config

    def pieces(self, path: str) -> Iterator[NDArray[Any]]:
        """Yield a column of each part in turn."""
        for store in self._stores:
            yield self._of(store, path)

    def whole(self, path: str) -> NDArray[Any]:
        """Return a column of all parts."""
        return np.concatenate([*self.pieces(path)])

    def write(self, dataset: h5py.Dataset, spec: DatasetSpec) -> None:
        """Write a column, part by part."""
        begin = 0
        for values in self.pieces(spec.path):
            dataset[begin : begin + len(values)] = values.astype(dataset.dtype)
            begin += len(values)

    def widths(self, paths: Sequence[str]) -> dict[str, int]:
        """Return the bytes of the longest text of columns, by their last names.

        Columns of numbers are left out.

        Raises
        ------
        EcgStoreError
            If a column has texts in one part and numbers in another.
        """
        widths = {}
        for path in paths:
            kinds, width = set(), 0
            for store, values in zip(self._stores, self.pieces(path), strict=True):
                if path in store.tables:
                    kinds.add(values.dtype.kind == "S")
                if values.dtype.kind == "S":
                    lengths = np.char.str_len(values)
                    width = max(width, int(lengths.max(initial=0)))
            name = path.rpartition("/")[2]
            if len(kinds) > 1:
                raise EcgStoreError(
                    f"column {name} has texts in some of the stores and numbers in "
                    "others; expected one kind: label one of them again"
                )
            if kinds == {True}:
                widths[name] = width
        return widths

    def _of(self, store: Store, path: str) -> NDArray[Any]:
        """Return a column of one part, empty where it has none."""
        if path == schema.LABELS and store.config.classes != self._config.classes:
            return store.labels(self._config.classes, dtype=np.uint8)
        if path == schema.TARGETS:
            return self._targets(store)
        if path in store.tables:
            return store.table(path)
        is_text = any(
            path in other.tables and other.table(path).dtype.kind == "S"
            for other in self._stores
        )
        return np.full(len(store), b"" if is_text else np.nan)

    def _targets(self, store: Store) -> NDArray[np.float32]:
        """Return the targets of one part, NaN for those that it has not."""
        names = self._config.targets
        values = np.full((len(store), len(names)), np.nan, np.float32)
        if store.target_names:
            places = [names.index(name) for name in store.target_names]
            values[:, places] = store.table(schema.TARGETS)
        return values


def _specs(
    stores: Sequence[Store], parts: Parts, config: Config, columns: _Columns
) -> list[DatasetSpec]:
    """Return every dataset of a collection."""
    names = (*schema.RECORD_TEXTS, *schema.extra_columns(config))
    left_out = [f"{schema.QUARANTINE}/{name}" for name in schema.QUARANTINE_TEXTS]
    first = stores[0]
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


def _linked(stores: Sequence[Store], parts: Parts) -> IntArray:
    """Return for each row the first row of the collection with the same ECG."""
    n_rows = int(parts.n_rows.sum())
    within = [
        begin + (np.arange(len(store)) if same is None else same)
        for store, begin in zip(stores, parts.first_rows.tolist(), strict=False)
        for same in [same_ecg(store.tables)]
    ]
    links = [np.concatenate(within)]
    if len(stores) > 1:
        signatures = np.concatenate(
            [signatures_of_rows(store.table(schema.SIGNATURES)) for store in stores]
        )
        links.append(same_signals(signatures, least_similarity(stores[0].leads)))
    rows = np.tile(np.arange(n_rows), len(links))
    pairs = coo_array(
        (np.ones(len(rows), np.int8), (rows, np.concatenate(links))),
        shape=(n_rows, n_rows),
    )
    n_groups, group = connected_components(pairs, directed=False)
    first = np.full(n_groups, n_rows)
    np.minimum.at(first, group, np.arange(n_rows))
    result: IntArray = first[group]
    return result


def _folds(
    stores: Sequence[Store], columns: _Columns, links: IntArray, keep: bool
) -> NDArray[np.int8]:
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
            f"{stores[0].path} and others: folds cannot be kept, {len(leaks)} records "
            "are in another fold than one of the same patient or ECG, such as "
            f"{' and '.join(one.decode() for one in ids.tolist())}; deal them anew: "
            "leave out --keep-folds (keep_folds)"
        )
    return folds


def _first_of_name(columns: _Columns) -> IntArray:
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
    stores: Sequence[Store], parts: Parts, links: IntArray
) -> list[tuple[str, str]]:
    """Return the records that are linked to one of another part, after that one."""
    first_rows = parts.first_rows
    part = np.searchsorted(first_rows, np.arange(len(links)), side="right") - 1
    others = np.flatnonzero(part != part[links])

    def name(row: int) -> str:
        store = stores[part[row]]
        ids = store.table(f"{schema.RECORDS}/record_id")
        record_id = ids[row - first_rows[part[row]]].decode()
        return f"{store.path.name}: {record_id}"

    return [(name(int(links[row])), name(row)) for row in others.tolist()]
