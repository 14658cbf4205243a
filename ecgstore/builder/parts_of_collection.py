"""Stores that shall be parts of a collection: whether they fit, and where they are."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import h5py
import numpy as np

from ecgstore.errors import EcgStoreError
from ecgstore.signals.signature import SIGNATURE_VERSION
from ecgstore.storage import Store
from ecgstore.storage.collection.parts import Parts
from ecgstore.storage.format import schema
from ecgstore.storage.format.digest_table import FINGERPRINT
from ecgstore.storage.format.hdf5 import open_hdf5
from ecgstore.storage.format.row_offsets import EvenOffsets, row_offsets

_SHARED: Final = (
    "leads",
    "fs",
    "duration_s",
    "windows",
    "low_hz",
    "high_hz",
    "filter_order",
    "margin_s",
    "dtype",
    "beats",
    "rr_convention",
)
"""Options that all parts must share: signals, marks and features depend on them."""

_VERSIONS: Final = ("beats", "features")


def check_parts_fit(stores: Sequence[Store]) -> None:
    """Refuse stores that cannot be read as one.

    Raises
    ------
    EcgStoreError
        Naming the store that differs from the first one, and how.
    """
    first = stores[0]
    seen: dict[str, Path] = {}
    for store in stores:
        other = seen.setdefault(store.built_fingerprint, store.path)
        if other is not store.path:
            raise EcgStoreError(
                f"{store.path}: is the same store as {other}; expected each store "
                "once: leave one of them out"
            )
        for name in _SHARED:
            value, expected = getattr(store.config, name), getattr(first.config, name)
            if value != expected:
                raise EcgStoreError(
                    f"{store.path}: option {name} is {value}; expected {expected}, as "
                    f"in {first.path}: build both with the same options"
                )
        if store.feature_names != first.feature_names or _versions(store) != _versions(
            first
        ):
            raise EcgStoreError(
                f"{store.path}: its beats and features are of another version of "
                f"ecgstore than those of {first.path}; expected the same: build both "
                "with this version"
            )


def _versions(store: Store) -> dict[str, str]:
    """Return the versions of beats and features."""
    versions = (entry.rpartition(" ")[::2] for entry in store.software.split(", "))
    return {name: version for name, version in versions if name in _VERSIONS}


def parts_of(stores: Sequence[Store], folder: Path | None) -> Parts:
    """Return where the rows of some stores are.

    Parameters
    ----------
    stores : sequence of Store
        The stores, in the order of the rows.
    folder : Path, optional
        Folder of the collection: paths begin there. Absolute if left out.

    Raises
    ------
    EcgStoreError
        If one has another layout than builds write now.
    """
    tables: list[str] = []
    offsets, fingerprint_offsets = [], []
    for store in stores:
        if store.parts:
            raise EcgStoreError(
                f"{store.path}: is a collection; expected the stores it is made of, "
                f"which `ecgstore info {store.path}` names"
            )
        with open_hdf5(store.path) as file:
            tables = [
                path
                for path in (schema.SIGNALS, *store.tables)
                if path in file and schema.is_large(path, file[path].ndim)
            ]
            _check_today(file, store.path)
            offsets.append([_first_row(file[path], store.path) for path in tables])
            fingerprint_offsets.append(file[FINGERPRINT].id.get_offset())
    paths = (os.path.abspath(store.path) for store in stores)
    if folder is not None:
        begin = os.path.realpath(folder)
        paths = (os.path.relpath(_in_real_folder(path), begin) for path in paths)
    return Parts(
        tuple(Path(path).as_posix() for path in paths),
        np.array([os.path.getsize(store.path) for store in stores], np.int64),
        np.array([len(store) for store in stores], np.int64),
        tuple(store.built_fingerprint for store in stores),
        np.array(fingerprint_offsets, np.int64),
        tuple(tables),
        np.array(offsets, np.int64),
    )


def _in_real_folder(path: str) -> str:
    """Return a path whose folders are no links."""
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def _check_today(file: h5py.File, path: Path) -> None:
    """Refuse a store whose format or signatures are not those of today."""
    if file.attrs["format_version"] < schema.FIRST_WITH_HEAD:
        raise _older(path, "is of an older version of the format")
    version = int(file[schema.SIGNATURES].attrs["version"])
    if version != SIGNATURE_VERSION:
        raise EcgStoreError(
            f"{path}: has signatures of version {version}, by which records with the "
            f"same ECG are found; expected {SIGNATURE_VERSION}: build it again"
        )


def _first_row(dataset: h5py.Dataset, path: Path) -> int:
    """Return where the first row of a dataset is; the others are behind it."""
    offsets = row_offsets(dataset)
    if not isinstance(offsets, EvenOffsets):
        raise _older(path, "was rewritten by another program")
    return offsets.first


def _older(path: Path, problem: str) -> EcgStoreError:
    """Return the error for a store that is not as builds write it now."""
    return EcgStoreError(
        f"{path}: {problem}; expected a store as builds write it now: `ecgstore "
        f"convert {path} -o NEW.h5` makes one"
    )
