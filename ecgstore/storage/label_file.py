"""New labels of a finished store in a file beside it: its format, and reading it.

The format is explained, for a reader in any language, in docs/format.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import h5py

from ecgstore.config import Config
from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.storage.format import schema
from ecgstore.storage.format.dataset_spec import DatasetSpec
from ecgstore.storage.format.hdf5 import (
    OpenDataset,
    check_format,
    open_hdf5,
    spec_difference,
    text_columns,
)
from ecgstore.storage.format.integrity import (
    dataset_digests,
    fingerprint,
    wrong_digests,
)
from ecgstore.storage.format.stored_values import text
from ecgstore.storage.memory_map import MemoryMap
from ecgstore.storage.tables import Tables, table_locations
from ecgstore.system.atomic_files import write_errors
from ecgstore.system.file_format import FileFormat

FORMAT: Final = FileFormat("ecgstore labels", 2, "`ecgstore label`", also_read=(1,))
SUFFIX: Final = ".labels.h5"

STORE_FINGERPRINT: Final = "store_fingerprint"
"""Attribute of the file: fingerprint of the store whose labels it replaces."""

REPLACED_COLUMNS: Final = ("patient_id", "sex", "dx", "age")
"""Columns of `/records` that the file holds besides further ones of tables."""


def label_file_path(store_path: Path) -> Path:
    """Return the path of the labels beside a store.

    Examples
    --------
    >>> label_file_path(Path("challenge.h5")).name
    'challenge.labels.h5'
    """
    return store_path.with_name(f"{store_path.stem}{SUFFIX}")


def label_specs(
    config: Config, n_rows: int, text_widths: Mapping[str, int]
) -> tuple[DatasetSpec, ...]:
    """Return every dataset of the file, as a store with these options would have it.

    Parameters
    ----------
    config : Config
        Options of the store, with those of the labels.
    n_rows : int
        Number of records of the store.
    text_widths : Mapping
        Bytes of the longest value, by text column of `/records`.
    """
    columns = (*REPLACED_COLUMNS, *schema.extra_columns(config))
    paths = {schema.LABELS, schema.TARGETS, schema.FOLDS}
    paths |= {f"{schema.RECORDS}/{name}" for name in columns}
    widths = {**dict.fromkeys(schema.RECORD_TEXTS, 1), **text_widths}
    specs = schema.row_specs(config, n_rows, widths, features=[], beats_status={})
    return tuple(spec for spec in specs if spec.path in paths)


@dataclass(frozen=True, slots=True, eq=False)
class LabelFile:
    """The labels beside a store, in a mapped file.

    Attributes
    ----------
    config : Config
        Options of the store, with those of the labels.
    fingerprint : str
        Digest of the store's fingerprint, the options and all content.
    tables : Tables
        The datasets that replace those of the store.
    file : MemoryMap
        The mapped file.
    """

    config: Config
    fingerprint: str
    tables: Tables
    file: MemoryMap


def open_label_file(path: Path, store_path: Path, store_fingerprint: str) -> LabelFile:
    """Open the labels beside a store.

    Raises
    ------
    SchemaError
        If the file is no such file, incomplete, or of another store.
    """
    advice = f"label the store again (`ecgstore label {store_path}`), or delete {path}"
    with open_hdf5(path, "labels made by `ecgstore label`", "label the store") as file:
        check_format(file, path, FORMAT)
        made_for = text(file.attrs[STORE_FINGERPRINT])
        if made_for != store_fingerprint:
            raise SchemaError(
                f"{path}: made for a store with fingerprint {made_for[:12]}...; that "
                f"of {store_path} is {store_fingerprint[:12]}...: {advice}"
            )
        config = Config.from_json(text(file.attrs["config"]))
        datasets = _datasets(file, path, config, advice)
        locations = table_locations(datasets)
        digest = text(file.attrs["fingerprint"])
        content = MemoryMap(path)
        content.check_same_file(file.id.get_vfd_handle())
    content.watch(digest)
    return LabelFile(config, digest, Tables(path, locations, content), content)


def _datasets(
    file: h5py.File, path: Path, config: Config, advice: str
) -> dict[str, OpenDataset]:
    """Return all datasets by their paths, if their types and shapes are right."""
    labels = file.get(schema.LABELS)
    n_rows = labels.shape[0] if isinstance(labels, h5py.Dataset) else 0
    datasets = {}
    for spec in label_specs(config, n_rows, text_columns(file, config)):
        dataset = file.get(spec.path)
        if not isinstance(dataset, h5py.Dataset):
            raise SchemaError(f"{path}: dataset /{spec.path} is missing: {advice}")
        difference = spec_difference(dataset, spec)
        if difference is not None:
            raise SchemaError(f"{path}: {difference}: {advice}")
        datasets[spec.path] = OpenDataset(dataset.id)
    return datasets


def remove_label_file(store_path: Path) -> Path:
    """Delete the labels beside a store; return their path.

    Raises
    ------
    EcgStoreError
        If there are none.
    """
    path = label_file_path(store_path)
    if not path.exists():
        raise EcgStoreError(
            f"{path}: no such file; {store_path} has the labels of its build"
        )
    with open_hdf5(path, "labels made by `ecgstore label`", "label the store") as file:
        check_format(file, path, FORMAT)
    with write_errors(path):
        path.unlink()
    return path


def label_fingerprint(
    store_fingerprint: str, config: str, digests: Mapping[str, str]
) -> str:
    """Return the fingerprint of a store with other labels.

    Parameters
    ----------
    store_fingerprint : str
        Fingerprint of the store.
    config : str
        The attribute ``config`` of the labels.
    digests : Mapping
        The digest of every dataset of the labels, by path.
    """
    return fingerprint(f"{store_fingerprint}\n{config}", digests)


def label_file_damage(path: Path) -> dict[str, str]:
    """Return what is damaged in the labels beside a store, by path in the file."""
    with open_hdf5(path, "labels made by `ecgstore label`", "label the store") as file:
        digests = dataset_digests(file)
        damage = dict(wrong_digests(file, digests))
        computed = label_fingerprint(
            text(file.attrs[STORE_FINGERPRINT]), text(file.attrs["config"]), digests
        )
        expected = text(file.attrs["fingerprint"])
    if computed != expected:
        damage[""] = f"fingerprint is {computed}, expected {expected}"
    return damage
