"""12-lead ECG datasets in one HDF5 file.

>>> import ecgstore
>>> store = ecgstore.open("challenge.h5")  # doctest: +SKIP
>>> store.signals(store.select(folds=[9]).rows)  # doctest: +SKIP

Everything heavier than this file is imported when it is first asked for.
"""

from typing import TYPE_CHECKING, Any

from ecgstore.lazy_names import lazy_names

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
    "ClassSet": "diagnoses",
    "Config": "config",
    "ConfigError": "errors",
    "EcgStoreError": "errors",
    "LEADS": "record",
    "MARKS": "record",
    "Record": "record",
    "RecordError": "errors",
    "RecordNotFoundError": "errors",
    "ScanReport": "build",
    "SchemaError": "errors",
    "Selection": "storage",
    "Store": "storage",
    "StoreClosedError": "errors",
    "StoredRecord": "storage",
    "build_store": "build",
    "class_set": "diagnoses",
    "make_config": "config",
    "survey": "build",
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

_get, __dir__ = lazy_names(__name__, {**_HOMES, "open": "storage"})


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used; ``open`` opens a `Store`."""
    return _get("Store" if name == "open" else name)
