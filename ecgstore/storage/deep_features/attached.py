"""Deep features that are attached to an open store, by name."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pandas as pd

from ecgstore.arrays import Float32Array, IntArray, UInt8Array
from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.storage.deep_features.names import check_name, column_names
from ecgstore.storage.deep_features.sidecar import Sidecar


class Origin(NamedTuple):
    """The file of attached features and the SHA-256 of its content."""

    path: Path
    sha256: str


class AttachedFeatures:
    """The sidecars that are attached to a store; see `Store.attach`.

    Parameters
    ----------
    store_path : Path
        Path of the store, for messages.
    """

    def __init__(self, store_path: Path) -> None:
        self._store_path = store_path
        self._sidecars: dict[str, Sidecar] = {}

    def add(self, sidecar: Sidecar, name: str | None) -> str:
        """Attach a sidecar, by default under the name of its model; return the name.

        Raises
        ------
        EcgStoreError
            If features of this name are attached already.
        ConfigError
            If the name is not allowed.
        """
        name = check_name(sidecar.model if name is None else name)
        if name in self._sidecars:
            raise EcgStoreError(
                f"{self._store_path}: {name} is attached already, from "
                f"{self._sidecars[name].path}; attach these features under another name"
            )
        self._sidecars[name] = sidecar
        return name

    @property
    def origins(self) -> Mapping[str, Origin]:
        """The origin of the features, by name."""
        return {
            name: Origin(sidecar.path, sidecar.sha256)
            for name, sidecar in self._sidecars.items()
        }

    def check_origin(self, name: str, origin: Origin) -> None:
        """Refuse features that differ from those that a pickled store had.

        Raises
        ------
        SchemaError
            If their SHA-256 differs.
        """
        if self._sidecars[name].sha256 != origin.sha256:
            raise SchemaError(
                f"{origin.path}: replaced by other features since the store was "
                "pickled; open the store and attach them again"
            )

    @property
    def features(self) -> Mapping[str, Float32Array]:
        """Features of shape (n_records, n_features), by name.

        Raises
        ------
        EcgStoreError
            If one of their files was changed since it was attached.
        """
        self._check_unchanged()
        return MappingProxyType(
            {name: sidecar.features for name, sidecar in self._sidecars.items()}
        )

    @property
    def seen(self) -> Mapping[str, UInt8Array]:
        """Codes of `Seen` of shape (n_records,), by name of the features.

        Raises
        ------
        EcgStoreError
            If one of their files was changed since it was attached.
        """
        self._check_unchanged()
        return MappingProxyType(
            {name: sidecar.seen for name, sidecar in self._sidecars.items()}
        )

    def _check_unchanged(self) -> None:
        """Refuse files that were changed since they were attached."""
        for sidecar in self._sidecars.values():
            sidecar.file.check_unchanged()

    def frames(
        self, rows: IntArray | slice, index: "pd.Index[str]"
    ) -> Iterator[pd.DataFrame]:
        """Yield a data frame of some rows for each set of features."""
        for name, features in self.features.items():
            yield pd.DataFrame(
                features[rows], index=index, columns=column_names(name, features)
            )
