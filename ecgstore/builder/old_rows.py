"""Find rows of an older store that may hold the same signals as those of a build."""

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import IntArray
from ecgstore.builder.old_values import DECISIVE, OldStore
from ecgstore.builder.rows import Row
from ecgstore.builder.shared_options import differing_option, versions_of
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError, SchemaError, cause_of, counted
from ecgstore.features import defined_features
from ecgstore.storage import Store
from ecgstore.storage.format import schema
from ecgstore.storage.format.hdf5 import (
    check_layout,
    expected_layout,
    open_hdf5,
    read_config,
)
from ecgstore.storage.format.integrity import dataset_digest, wrong_digests

_DIGITS: Final = 16
"""Digits of the SHA-256 that are compared; the signal decides if a row is used."""

_WITHOUT: Final = "or build without --reuse (reuse=None)"


class OldIndex:
    """The recordings of an older store, by their hashes.

    Parameters
    ----------
    old : OldStore
        Which store.
    """

    def __init__(self, old: OldStore) -> None:
        self._store = old.opened()

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def find(self, rows: Sequence[Row]) -> IntArray:
        """Return for each row one of the store with the same recording, or -1."""
        found = np.full(len(rows), -1)
        hashes, starts, numbers = self._sorted
        for position, row in enumerate(rows):
            key = row.entry.sha256[:_DIGITS].encode()
            begin = int(np.searchsorted(hashes, key, "left"))
            end = int(np.searchsorted(hashes, key, "right"))
            at = begin + int(np.searchsorted(starts[begin:end], row.start_s))
            if at < end and starts[at] == row.start_s:
                found[position] = numbers[at]
        return found

    @cached_property
    def _sorted(self) -> tuple[NDArray[np.bytes_], NDArray[Any], IntArray]:
        """Hash and start of every row, and its number, in the order of the first two.

        32 bytes a row. Rows that are equal in both stay in the order of the store.
        """
        hashes = self._store.table(f"{schema.RECORDS}/sha256").astype(f"S{_DIGITS}")
        starts = self._store.table(f"{schema.RECORDS}/{schema.START}")
        order = np.lexsort((starts, hashes))
        return hashes[order], starts[order], order


class OldRows:
    """The rows of an older store from which a build may copy; a context manager.

    Parameters
    ----------
    path : str, Path or None
        The store or collection; None to copy nothing.
    config : Config
        Options of the build.
    software : str
        Versions of the software of the build.

    Attributes
    ----------
    place : OldStore or None
        Where to copy from.
    n_reused, n_damaged : int
        Rows that were copied, and rows that were not because they are damaged.

    Raises
    ------
    EcgStoreError
        If there is no such store, or beats and features of it are not those that the
        build would compute.
    SchemaError
        If it is damaged.
    """

    def __init__(self, path: str | Path | None, config: Config, software: str) -> None:
        self.place: OldStore | None = None
        self._index: OldIndex | None = None
        self.forget_counts()
        if path is None:
            return
        with Store(Path(os.path.abspath(path)), labels="built") as store:
            _check_fits(store, config, software)
            _check_intact(store)
            self.place = OldStore(store.path, store.fingerprint)
        self._index = OldIndex(self.place)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._index is not None:
            self._index.close()

    def find(self, rows: Sequence[Row]) -> IntArray:
        """Return for each row one of the store with the same recording, or -1."""
        if self._index is None:
            return np.full(len(rows), -1)
        return self._index.find(rows)

    def count(self, n_reused: int, n_damaged: int) -> None:
        """Add numbers of rows that were copied, and that are damaged."""
        self.n_reused += n_reused
        self.n_damaged += n_damaged

    def forget_counts(self) -> None:
        """Begin to count anew, for a file that is filled from the beginning."""
        self.n_reused = self.n_damaged = 0

    def warnings(self) -> list[str]:
        """Return what is wrong with the store, in sentences."""
        if self.place is None or self.n_damaged == 0:
            return []
        return [
            f"{self.place.path}: signals damaged in {counted(self.n_damaged, 'row')}, "
            "which were computed, not copied: `ecgstore verify` names them"
        ]


def _check_fits(store: Store, config: Config, software: str) -> None:
    """Refuse a store whose beats and features a build would not compute."""
    difference = differing_option(store.config, config)
    if difference is not None:
        raise EcgStoreError(
            f"{store.place}: {difference}, as in the build that shall copy from it: "
            f"build with its options, {_WITHOUT}"
        )
    # Numbers of beats and features rise when values change; that of ecgstore does with
    # every release.
    versions = versions_of(store.software)
    for name, expected in versions_of(software).items():
        version = versions.get(name, "unknown")  # of beats in stores of version 1
        if name != "ecgstore" and version != expected:
            raise EcgStoreError(
                f"{store.place}: was built with version {version} of {name}; expected "
                f"{expected}, as in the build that shall copy from it: build without "
                "--reuse (reuse=None)"
            )
    features = defined_features(config.duration_s, config.fs, config.leads)
    if store.feature_names != tuple(feature.name for feature in features):
        raise EcgStoreError(
            f"{store.place}: has other features than a build computes; build without "
            "--reuse (reuse=None)"
        )


def _check_intact(store: Store) -> None:
    """Compare tables that are copied from with their digests."""
    for path in store.files:
        try:
            problems = _wrong_digests(path)
        except OSError as error:
            problems = {"": cause_of(error)}
        if problems:
            name, problem = next(iter(problems.items()))
            raise SchemaError(
                f"{path}: /{name} is damaged: {problem}; restore it from a copy, "
                f"{_WITHOUT}"
            )


def _wrong_digests(path: Path) -> dict[str, str]:
    """Return a message for every dataset of one file that differs from its digest."""
    with open_hdf5(path) as file:
        # Of a collection, without the datasets that are in its parts.
        datasets = check_layout(
            file, path, expected_layout(file, read_config(file, path))
        )
        digests = {
            name: dataset_digest(h5py.Dataset(datasets[name].id))
            for name in DECISIVE
            if name in datasets
        }
        return wrong_digests(file, digests)
