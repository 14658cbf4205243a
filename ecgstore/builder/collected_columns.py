"""The columns that a collection copies, read once from each of its stores."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Final, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import IntArray
from ecgstore.builder.column_spool import ColumnSpool, Piece
from ecgstore.builder.parts_of_collection import PartPlace, PartsFit, place_of
from ecgstore.config import Config
from ecgstore.diagnoses import ClassSet, class_set
from ecgstore.errors import EcgStoreError
from ecgstore.storage import Store
from ecgstore.storage.format import schema
from ecgstore.storage.frames import same_ecg

_ROWS_AT_ONCE: Final = 1 << 17
"""Rows of a column that are written at a time."""


@dataclass(frozen=True, slots=True)
class CollectedPart:
    """What a collection needs of one of its stores, which is closed again.

    Attributes
    ----------
    place : PartPlace
        Where its rows are.
    config : Config
        Its options.
    software : str
        Versions of the libraries.
    feature_names, feature_units, beats_statuses
        See `Store`.
    columns : dict
        Its small columns in the spool, by path.
    widths : dict
        Bytes of the longest text, by path of a column of texts.
    signatures : Piece or None
        Its signatures, if they are needed.
    """

    place: PartPlace
    config: Config
    software: str
    feature_names: tuple[str, ...]
    feature_units: tuple[str, ...]
    beats_statuses: dict[str, int]
    columns: dict[str, Piece]
    widths: dict[str, int]
    signatures: Piece | None


def read_columns(
    paths: Sequence[Path | str],
    classes: ClassSet | str | Path | None,
    labels: Literal["beside", "built"],
    spool: ColumnSpool,
    signatures: ColumnSpool | None,
) -> "CollectedColumns":
    """Return the columns of stores, after a check that these fit each other.

    Parameters
    ----------
    paths : sequence of Path or str
        The stores.
    classes : ClassSet, str or Path, optional
        The class set of their labels; that of the first store if left out.
    labels : {"beside", "built"}
        See `Store`.
    spool, signatures : ColumnSpool
        Get the small columns, and the signatures unless None is given.

    Raises
    ------
    EcgStoreError
        If a store cannot be read, or not with the others.
    """
    fit = PartsFit()
    parts: list[CollectedPart] = []
    chosen = class_set(classes) if isinstance(classes, str | Path) else classes
    for path in paths:
        with Store(path, labels=labels) as store:
            fit.check(store)
            chosen = chosen or store.config.classes
            parts.append(_read(store, chosen, spool, signatures))
    assert chosen is not None  # of the first store, at least
    return CollectedColumns(parts, chosen, spool)


def _read(
    store: Store,
    classes: ClassSet,
    spool: ColumnSpool,
    signatures: ColumnSpool | None,
) -> CollectedPart:
    """Return a part, whose columns are written into the spools."""
    place = place_of(store)
    same_ecg(store.tables)  # a check
    columns, widths = {}, {}
    for path in store.tables:
        if path in place.offsets:
            continue
        if path == schema.LABELS and store.config.classes != classes:
            values: NDArray[Any] = store.labels(classes, dtype=np.uint8)
        else:
            values = store.table(path)
        columns[path] = spool.add(values)
        if values.dtype.kind == "S":
            widths[path] = int(np.char.str_len(values).max(initial=0))
    return CollectedPart(
        place,
        store.config,
        store.software,
        store.feature_names,
        store.feature_units,
        store.beats_statuses,
        columns,
        widths,
        None if signatures is None else signatures.add(_signatures(store)),
    )


def _signatures(store: Store) -> NDArray[Any]:
    """Return the signatures of all records; those at a URL are fetched."""
    return store.table(schema.SIGNATURES)[:]


class CollectedColumns:
    """The small columns of all parts.

    Parameters
    ----------
    parts : sequence of CollectedPart
        The parts, in the order of the rows.
    classes : ClassSet
        The class set of their labels.
    spool : ColumnSpool
        Has their columns.

    Attributes
    ----------
    parts : sequence of CollectedPart
        The same.
    config : Config
        Options of the collection: shared ones, and what any part has.
    """

    def __init__(
        self, parts: Sequence[CollectedPart], classes: ClassSet, spool: ColumnSpool
    ) -> None:
        self.parts = parts
        self._spool = spool
        configs = [part.config for part in parts]
        self.config = replace(
            configs[0],
            classes=classes,
            columns=tuple(dict.fromkeys(chain(*(one.columns for one in configs)))),
            targets=tuple(dict.fromkeys(chain(*(one.targets for one in configs)))),
            allow_missing_leads=any(one.allow_missing_leads for one in configs),
        )
        self._texts = {path for part in parts for path in part.widths}

    def pieces(self, path: str) -> Iterator[NDArray[Any]]:
        """Yield a column of each part in turn, empty where it has none."""
        for part in self.parts:
            if path == schema.TARGETS:
                yield self._targets(part)
            elif path in part.columns:
                yield self._spool.read(part.columns[path])
            else:
                missing = b"" if path in self._texts else np.nan
                yield np.full(part.place.n_rows, missing)

    def whole(self, path: str) -> NDArray[Any]:
        """Return a column of all parts."""
        return np.concatenate([*self.pieces(path)])

    def links_within(self, first_rows: Sequence[int]) -> IntArray:
        """Return for each row one of its part that holds the same ECG.

        All rows count from the beginning of the collection, where those of each part
        begin at `first_rows`.
        """
        every = np.arange(first_rows[-1])
        for part, begin in zip(self.parts, first_rows, strict=False):
            if schema.SAME_ECG in part.columns:
                same = self._spool.read(part.columns[schema.SAME_ECG])
                every[begin : begin + len(same)] = begin + same
        return every

    def write(self, dataset: h5py.Dataset) -> None:
        """Write a column, many rows at a time."""
        path, dtype, begin = dataset.name.removeprefix("/"), dataset.dtype, 0
        for block in _in_blocks(self.pieces(path)):
            rows = np.concatenate(block, dtype=dtype, casting="unsafe")
            dataset[begin : begin + len(rows)] = rows
            begin += len(rows)

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
            having = [part for part in self.parts if path in part.columns]
            of_texts = [part.widths[path] for part in having if path in part.widths]
            name = path.rpartition("/")[2]
            if of_texts and len(of_texts) < len(having):
                raise EcgStoreError(
                    f"column {name} has texts in some of the stores and numbers in "
                    "others; expected one kind: label one of them again"
                )
            if of_texts:
                widths[name] = max(of_texts)
        return widths

    def _targets(self, part: CollectedPart) -> NDArray[np.float32]:
        """Return the targets of one part, NaN for those that it has not."""
        names = self.config.targets
        values = np.full((part.place.n_rows, len(names)), np.nan, np.float32)
        if part.config.targets:
            places = [names.index(name) for name in part.config.targets]
            values[:, places] = self._spool.read(part.columns[schema.TARGETS])
        return values


def _in_blocks(pieces: Iterator[NDArray[Any]]) -> Iterator[list[NDArray[Any]]]:
    """Yield arrays together that have some rows."""
    block: list[NDArray[Any]] = []
    n_rows = 0
    for piece in pieces:
        block.append(piece)
        n_rows += len(piece)
        if n_rows >= _ROWS_AT_ONCE:
            yield block
            block, n_rows = [], 0
    if block:
        yield block
