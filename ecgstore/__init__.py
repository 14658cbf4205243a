"""12-lead ECG datasets in one HDF5 file.

>>> import ecgstore
>>> store = ecgstore.open("challenge.h5")  # doctest: +SKIP
>>> store.signals(store.select(folds=[9]).rows)  # doctest: +SKIP

Everything heavier than this file is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecgstore.build import ScanReport, build_store, survey
    from ecgstore.config import Config, make_config
    from ecgstore.diagnoses import ClassSet, class_set
    from ecgstore.errors import (
        ConfigError,
        EcgStoreError,
        RecordError,
        RecordNotFoundError,
        SchemaError,
        StoreClosedError,
    )
    from ecgstore.record import LEADS, MARKS, Record
    from ecgstore.storage import Selection, Store, StoredRecord
    from ecgstore.storage import Store as open  # noqa: A004

__version__ = "0.1.0"

_HOMES = {
    "ClassSet": "ecgstore.diagnoses",
    "Config": "ecgstore.config",
    "ConfigError": "ecgstore.errors",
    "EcgStoreError": "ecgstore.errors",
    "LEADS": "ecgstore.record",
    "MARKS": "ecgstore.record",
    "Record": "ecgstore.record",
    "RecordError": "ecgstore.errors",
    "RecordNotFoundError": "ecgstore.errors",
    "ScanReport": "ecgstore.build",
    "SchemaError": "ecgstore.errors",
    "Selection": "ecgstore.storage",
    "Store": "ecgstore.storage",
    "StoreClosedError": "ecgstore.errors",
    "StoredRecord": "ecgstore.storage",
    "build_store": "ecgstore.build",
    "class_set": "ecgstore.diagnoses",
    "make_config": "ecgstore.config",
    "survey": "ecgstore.build",
}

__all__ = [
    "LEADS",
    "MARKS",
    "ClassSet",
    "Config",
    "ConfigError",
    "EcgStoreError",
    "Record",
    "RecordError",
    "RecordNotFoundError",
    "ScanReport",
    "SchemaError",
    "Selection",
    "Store",
    "StoreClosedError",
    "StoredRecord",
    "build_store",
    "class_set",
    "make_config",
    "open",
    "survey",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name == "open":
        return import_module("ecgstore.storage").Store
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'ecgstore' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names before they are imported."""
    return sorted(__all__)
