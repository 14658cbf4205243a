"""Deep features that are attached to an open store, by their names."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

import pandas as pd

from ecgstore.arrays import Float32Array, IntArray, UInt8Array
from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.storage.deep_features.sidecar import (
    Sidecar,
    check_name,
    column_names,
    open_sidecar,
)

if TYPE_CHECKING:
    from ecgstore.storage.store import Store

Origins: TypeAlias = Mapping[str, tuple[Path, str]]
"""By name, the file of the features and their digest."""


class Attached:
    """The sidecars of a store; see `Store.attach`."""

    def __init__(self) -> None:
        self._sidecars: dict[str, Sidecar] = {}

    def add(
        self, store: "Store", path: Path, name: str | None, weights_sha256: str | None
    ) -> str:
        """Attach the features in a file; return their name."""
        sidecar = open_sidecar(path, store, weights_sha256)
        name = check_name(sidecar.model if name is None else name)
        if name in self._sidecars:
            raise EcgStoreError(
                f"{store.path}: {name} is attached already, from "
                f"{self._sidecars[name].path}; give these features a name of their own"
            )
        self._sidecars[name] = sidecar
        return name

    def add_again(self, store: "Store", origins: Origins) -> None:
        """Attach what `origins` says, refusing files that were replaced since."""
        for name, (path, sha256) in origins.items():
            self.add(store, path, name, None)
            if self._sidecars[name].sha256 != sha256:
                raise SchemaError(
                    f"{path}: replaced by other features since the store was pickled; "
                    "open the store and attach them again"
                )

    @property
    def origins(self) -> Origins:
        """Where the features come from."""
        return {name: (each.path, each.sha256) for name, each in self._sidecars.items()}

    @property
    def features(self) -> Mapping[str, Float32Array]:
        """Features by name, of shape (n_records, n_features)."""
        return MappingProxyType(
            {name: each.features for name, each in self._sidecars.items()}
        )

    @property
    def seen(self) -> Mapping[str, UInt8Array]:
        """By name, what the model has seen of each record, of shape (n_records,)."""
        return MappingProxyType(
            {name: each.seen for name, each in self._sidecars.items()}
        )

    def frames(
        self, rows: IntArray | slice, index: "pd.Index[str]"
    ) -> Iterator[pd.DataFrame]:
        """Yield the features of some rows as data frames."""
        for name, values in self.features.items():
            yield pd.DataFrame(
                values[rows], index=index, columns=column_names(name, values)
            )
