"""Stores that shall be parts of a collection: whether they fit, and where they are."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import h5py
import numpy as np

from ecgstore.builder.shared_options import differing_option, versions_of
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError
from ecgstore.signals.signature import SIGNATURE_VERSION
from ecgstore.storage import Store
from ecgstore.storage.collection.parts import Parts
from ecgstore.storage.format import schema
from ecgstore.storage.format.digest_table import FINGERPRINT
from ecgstore.storage.format.hdf5 import open_hdf5
from ecgstore.storage.format.row_offsets import EvenOffsets, row_offsets

_VERSIONS: Final = ("beats", "features")


@dataclass(frozen=True, slots=True)
class PartPlace:
    """A store that shall be a part, and where its rows are in its file.

    Attributes
    ----------
    path : Path or str
        The store; a str is a URL.
    n_bytes, n_rows : int
        Size of the file, and number of its records.
    fingerprint, fingerprint_offset : str, int
        Fingerprint of the store, and where it stands in the file.
    offsets : dict
        Where each dataset that stays in the part begins, by its path.
    """

    path: Path | str
    n_bytes: int
    n_rows: int
    fingerprint: str
    fingerprint_offset: int
    offsets: dict[str, int]


class PartsFit:
    """Whether stores can be read as one, of which each is checked when it is open."""

    def __init__(self) -> None:
        self._first: _Kind | None = None
        self._seen: dict[str, Path] = {}

    def check(self, store: Store) -> None:
        """Refuse a store that cannot be read with those before it.

        Raises
        ------
        EcgStoreError
            Naming the store, and how it differs from the first one.
        """
        if store.built_fingerprint in self._seen:
            raise EcgStoreError(
                f"{store.place}: is the same store as "
                f"{self._seen[store.built_fingerprint]}; expected each store "
                "once: leave one of them out"
            )
        self._seen[store.built_fingerprint] = store.path
        kind = _Kind(store.path, store.config, store.feature_names, _versions(store))
        first = self._first = self._first or kind
        difference = differing_option(store.config, first.config)
        if difference is not None:
            raise EcgStoreError(
                f"{store.place}: {difference}, as in {first.path}: build both with the "
                "same options"
            )
        if (kind.features, kind.versions) != (first.features, first.versions):
            raise EcgStoreError(
                f"{store.place}: its beats and features are of another version of "
                f"ecgstore than those of {first.path}; expected the same: build both "
                "with this version"
            )


@dataclass(frozen=True, slots=True)
class _Kind:
    """What all parts must share with the first one."""

    path: Path
    config: Config
    features: tuple[str, ...]
    versions: dict[str, str]


def _versions(store: Store) -> dict[str, str]:
    """Return the versions of beats and features."""
    versions = versions_of(store.software)
    return {name: versions[name] for name in _VERSIONS if name in versions}


def place_of(store: Store) -> PartPlace:
    """Return where the rows of a store are.

    Raises
    ------
    EcgStoreError
        If it is a collection, or has another layout than builds write now.
    """
    if store.parts:
        raise EcgStoreError(
            f"{store.place}: is a collection; expected the stores it is made of, "
            f"which `ecgstore info {store.place}` names"
        )
    signals = store.signal_rows.offsets
    if not isinstance(signals, EvenOffsets):
        raise _older(store.path, "was rewritten by another program")
    offsets = {schema.SIGNALS: signals.first}
    with open_hdf5(store.path, is_mirror=store.url is not None) as file:
        _check_today(file, store.path)
        for path, location in store.tables.locations.items():
            if schema.is_large(path, len(location.shape)):
                offset = location.offset
                offsets[path] = (
                    _first_row(file[path], store.path) if offset is None else offset
                )
        fingerprint = h5py.h5d.open(file.id, FINGERPRINT.encode())
        return PartPlace(
            store.url or store.path,
            os.path.getsize(store.path),
            len(store),
            store.built_fingerprint,
            fingerprint.get_offset(),
            offsets,
        )


def parts_of(places: Sequence[PartPlace], folder: Path | str | None) -> Parts:
    """Return where the rows of a collection are.

    Parameters
    ----------
    places : sequence of PartPlace
        The stores, in the order of the rows.
    folder : Path or str, optional
        Folder of the collection, or its URL: paths begin there. Absolute if left out.
    """
    paths = [_path_from(folder, place.path) for place in places]
    tables = tuple(places[0].offsets)
    return Parts(
        tuple(paths),
        np.array([place.n_bytes for place in places], np.int64),
        np.array([place.n_rows for place in places], np.int64),
        tuple(place.fingerprint for place in places),
        np.array([place.fingerprint_offset for place in places], np.int64),
        tables,
        np.array([[one.offsets[path] for path in tables] for one in places], np.int64),
    )


def _path_from(folder: Path | str | None, place: Path | str) -> str:
    """Return the path of a store from a folder; a URL elsewhere stays what it is."""
    if isinstance(place, str):
        return place.removeprefix(f"{folder}/")
    path = os.path.abspath(place)
    if folder is not None:  # folders that are links lead elsewhere
        real = os.path.realpath(os.path.dirname(path))
        path = os.path.join(real, os.path.basename(path))
        path = os.path.relpath(path, os.path.realpath(folder))
    return Path(path).as_posix()


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
