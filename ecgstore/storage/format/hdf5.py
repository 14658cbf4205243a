"""Open a store's file with the HDF5 library, and see that it is what it should be."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from ecgstore.config import Config
from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.storage.format import schema


@contextmanager
def open_hdf5(
    path: Path,
    expected: str = "a store made by `ecgstore build SOURCE -o STORE`",
    again: str = "build the store",
) -> Iterator[h5py.File]:
    """Open a file for reading.

    Parameters
    ----------
    path : Path
        The file.
    expected, again : str
        What it should be, and how it is made again, for messages.

    Raises
    ------
    EcgStoreError
        If there is no such file.
    SchemaError
        If it is not an HDF5 file, or so damaged that what is asked of it in the
        context cannot be read.
    """
    if not path.exists():
        raise EcgStoreError(f"{path}: no such file; expected {expected}")
    if path.is_dir():
        raise EcgStoreError(f"{path}: a folder; expected {expected}")
    try:
        file = h5py.File(path, "r", locking=False)
    except OSError as error:
        raise SchemaError(
            f"{path}: not a readable HDF5 file; expected {expected}"
        ) from error
    with file:
        try:
            yield file
        except EcgStoreError:
            raise
        except Exception as error:  # h5py raises nearly anything on damaged files
            raise SchemaError(
                f"{path}: damaged, it cannot be read ({error}); {again} again or "
                "restore it from a copy"
            ) from error


def read_config(file: h5py.File, path: Path) -> Config:
    """Return the options in a file, after a look whether it is one of ours.

    Raises
    ------
    SchemaError
        If it is not.
    """
    name = text(file.attrs.get("format", b""))
    if name != schema.FORMAT:
        raise SchemaError(
            f"{path}: not an ecgstore file (attribute format is {name!r}); expected a "
            "store made by `ecgstore build`"
        )
    version = int(file.attrs.get("format_version", 0))
    if version != schema.FORMAT_VERSION:
        raise SchemaError(
            f"{path}: format version {version}; this ecgstore reads version "
            f"{schema.FORMAT_VERSION}: build the store again, or use the release in "
            "the file's attribute software"
        )
    try:
        return Config.from_json(text(file.attrs["config"]))
    except (KeyError, TypeError, ValueError) as error:
        raise SchemaError(
            f"{path}: attribute config cannot be read ({error}); build the store again"
        ) from error


def check_layout(
    file: h5py.File, path: Path, config: Config
) -> dict[str, h5py.Dataset]:
    """Return all datasets by their paths, if they are what the schema says.

    Raises
    ------
    SchemaError
        Naming the dataset, what it is and what was expected.
    """
    expected = schema.row_specs(
        config,
        _length(file, schema.SIGNALS, 0),
        dict.fromkeys(schema.RECORD_TEXTS, 1),
        features=[("", "")] * _length(file, schema.FEATURES, 1),
        beats_status={},
    )
    quarantine = schema.quarantine_specs(0, dict.fromkeys(schema.QUARANTINE_TEXTS, 1))
    datasets = {}
    for spec in (*expected, *quarantine):
        try:
            # Half as long as file[...], and there are dozens.
            found = h5py.Dataset(h5py.h5d.open(file.id, spec.path.encode()))
        except KeyError as error:
            raise SchemaError(
                f"{path}: dataset /{spec.path} is missing; build the store again"
            ) from error
        is_text = spec.dtype.kind == "S"
        same_type = found.dtype.kind == "S" if is_text else found.dtype == spec.dtype
        in_quarantine = spec.path.startswith(schema.QUARANTINE)
        same_shape = found.ndim == 1 if in_quarantine else found.shape == spec.shape
        if not (same_type and same_shape):
            raise SchemaError(
                f"{path}: dataset /{spec.path} is {found.dtype} of shape "
                f"{found.shape}; expected {spec.dtype} of shape {spec.shape}: build "
                "the store again"
            )
        datasets[spec.path] = found
    return datasets


def _length(file: h5py.File, path: str, axis: int) -> int:
    """Return the length of one axis of a dataset, 0 if there is no such thing."""
    dataset = file.get(path)
    is_long = isinstance(dataset, h5py.Dataset) and len(dataset.shape or ()) > axis
    return int(dataset.shape[axis]) if is_long else 0


def text(value: Any) -> str:
    """Return an attribute's text."""
    return value.decode() if isinstance(value, bytes) else str(value)


def texts(values: Any) -> tuple[str, ...]:
    """Return an attribute's array of texts."""
    return tuple(text(value) for value in values)
