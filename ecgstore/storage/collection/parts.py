"""The parts of a collection: which stores they are, and where their rows begin."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import IntArray
from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.storage.format.dataset_spec import DatasetSpec, Dimension
from ecgstore.storage.format.stored_values import encoded, text
from ecgstore.storage.remote.parts import RemotePart
from ecgstore.system.urls import beside, url_of

PARTS: Final = "parts"
_PART: Final = Dimension(f"{PARTS}/part")
_FINGERPRINT_LENGTH: Final = 64


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """The stores of a collection, in the order of its rows.

    Attributes
    ----------
    paths : tuple of str
        Paths of the stores, relative to the folder of the collection, or absolute.
    n_bytes, n_rows : ndarray of shape (n_parts,)
        Size of each file, and number of its records.
    fingerprints : tuple of str
        Fingerprint of each store.
    fingerprint_offsets : ndarray of shape (n_parts,)
        Where it stands in the file.
    tables : tuple of str
        Paths of the datasets that stay in the parts, the signals among them.
    offsets : ndarray of shape (n_parts, n_tables)
        Where each of them begins in the file of the part.
    """

    paths: tuple[str, ...]
    n_bytes: IntArray
    n_rows: IntArray
    fingerprints: tuple[str, ...]
    fingerprint_offsets: IntArray
    tables: tuple[str, ...]
    offsets: IntArray

    @property
    def first_rows(self) -> IntArray:
        """Number of the first row of each part, and of all rows at the end."""
        return np.concatenate([[0], np.cumsum(self.n_rows)])

    def located(
        self, collection: Path, url: str | None = None
    ) -> tuple[Path | str, ...]:
        """Return where the stores are: paths, or URLs as str.

        Paths begin where the system finds the folder of the collection, as HDF5 finds
        it: behind a link, ``..`` is another folder than it seems.

        Parameters
        ----------
        collection : Path
            The file of the collection.
        url : str, optional
            Its URL, if it is at one: all parts are below the same host, or bucket.

        Raises
        ------
        SchemaError
            If they are not.
        """
        if url is not None:
            return tuple(beside(url, path) for path in self.paths)
        folder = Path(os.path.realpath(collection.parent))
        if folder == Path(os.path.abspath(collection.parent)):
            folder = collection.parent  # as the user names it
        return tuple(
            url_of(path) or Path(os.path.normpath(folder / path)) for path in self.paths
        )

    def identity(self, number: int) -> tuple[int, str, int]:
        """Return size and fingerprint of a store, and where that stands in it."""
        return (
            int(self.n_bytes[number]),
            self.fingerprints[number],
            int(self.fingerprint_offsets[number]),
        )

    def remote(self, number: int, url: str, row_nbytes: Sequence[int]) -> RemotePart:
        """Return a part at a URL; `row_nbytes` is that of each table."""
        n_bytes, fingerprint, offset = self.identity(number)
        return RemotePart(
            url,
            n_bytes,
            int(self.n_rows[number]),
            fingerprint,
            offset,
            dict(zip(self.tables, self.offsets[number].tolist(), strict=True)),
            dict(zip(self.tables, row_nbytes, strict=True)),
        )

    def specs(self) -> list[DatasetSpec]:
        """Return the datasets that hold all of this."""
        table = Dimension(f"{PARTS}/table", names=self.tables)
        columns: dict[str, NDArray[Any]] = {
            "path": encoded(self.paths, max(2, *(len(p.encode()) for p in self.paths))),
            "n_bytes": self.n_bytes.astype("<i8"),
            "n_rows": self.n_rows.astype("<i8"),
            "fingerprint": encoded(self.fingerprints),
            "fingerprint_offset": self.fingerprint_offsets.astype("<i8"),
        }
        return [
            *(
                DatasetSpec.of(f"{PARTS}/{name}", values, (_PART,))
                for name, values in columns.items()
            ),
            DatasetSpec.of(
                f"{PARTS}/offset", self.offsets.astype("<i8"), (_PART, table)
            ),
        ]


def read_parts(file: h5py.File) -> Parts:
    """Return the parts of a collection, as the file names them."""
    group = file[PARTS]
    return Parts(
        tuple(text(one) for one in group["path"][...].tolist()),
        group["n_bytes"][...].astype(np.int64),
        group["n_rows"][...].astype(np.int64),
        tuple(text(one) for one in group["fingerprint"][...].tolist()),
        group["fingerprint_offset"][...].astype(np.int64),
        tuple(text(one) for one in group["table"][...].tolist()),
        group["offset"][...].astype(np.int64),
    )


def check_parts(
    parts: Parts, path: Path, n_rows: int, row_nbytes: Sequence[int]
) -> None:
    """Refuse numbers that lead out of the files of the parts.

    Parameters
    ----------
    parts : Parts
        As a collection names them.
    path : Path
        The collection, for messages.
    n_rows : int
        Number of rows of the collection.
    row_nbytes : sequence of int, of length n_tables
        Bytes of a row of each table.

    Raises
    ------
    SchemaError
        If they do not fit each other.
    """
    if not (_have_shapes(parts, len(row_nbytes)) and _fit(parts, n_rows, row_nbytes)):
        raise SchemaError(
            f"{path}: /{PARTS} is damaged, its numbers do not fit each other; collect "
            "the stores again"
        )


def _have_shapes(parts: Parts, n_tables: int) -> bool:
    """Return whether all that a collection says of its parts is of the right shape."""
    n_parts = len(parts.paths)
    per_part = (parts.n_bytes, parts.n_rows, parts.fingerprint_offsets)
    return (
        n_parts > 0
        and all(values.shape == (n_parts,) for values in per_part)
        and parts.offsets.shape == (n_parts, n_tables)
        and len(parts.tables) == n_tables
        and len(parts.fingerprints) == n_parts
        and all(len(one) == _FINGERPRINT_LENGTH for one in parts.fingerprints)
    )


def _fit(parts: Parts, n_rows: int, row_nbytes: Sequence[int]) -> bool:
    """Return whether all rows and fingerprints are inside the files."""
    # As Python integers, because those of NumPy are too short for products of any two.
    rows_of, sizes, offsets, fingerprints = (
        values.astype(object)
        for values in (
            parts.n_rows,
            parts.n_bytes,
            parts.offsets,
            parts.fingerprint_offsets,
        )
    )
    ends = offsets + rows_of[:, None] * np.array(row_nbytes, object)
    return (
        bool((rows_of > 0).all())
        and sum(rows_of) == n_rows
        and bool((offsets >= 0).all())
        and bool((ends <= sizes[:, None]).all())
        and bool((fingerprints >= 0).all())
        and bool((fingerprints + _FINGERPRINT_LENGTH <= sizes).all())
    )


def missing_part(
    collection: Path | str, part: Path | str, problem: str
) -> EcgStoreError:
    """Return the error for a part that is not what the collection was made of."""
    return EcgStoreError(
        f"{part}: part of the collection {collection}, {problem}; restore it, or "
        "collect the stores again with `ecgstore collect`"
    )
