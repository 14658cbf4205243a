"""Open a file with the HDF5 library, and check that it follows the schema."""

import functools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgstore.config import Config
from ecgstore.errors import EcgStoreError, SchemaError, cause_of
from ecgstore.storage.byte_source import IN_MEMORY, MIRROR
from ecgstore.storage.format import schema
from ecgstore.storage.format.dataset_spec import DatasetSpec
from ecgstore.storage.format.stored_values import text, texts
from ecgstore.system.file_format import FileFormat
from ecgstore.system.known_files import known_file
from ecgstore.system.regular_files import require_regular_file
from ecgstore.system.urls import require_no_url


class OpenDataset:
    """An open dataset, whose type and shape the library is asked for once.

    Attributes
    ----------
    id : h5py.h5d.DatasetID
        The dataset.
    dtype : numpy.dtype
        Its type.
    shape : tuple of int
        Its shape.
    """

    __slots__ = ("dtype", "id", "shape")

    def __init__(self, identifier: h5py.h5d.DatasetID) -> None:
        self.id = identifier
        self.dtype = identifier.dtype
        self.shape = identifier.shape


class _FileInMemory(FileIO):
    """A file without a real path, which the HDF5 library needs to open one."""

    def __repr__(self) -> str:
        """Return the path: h5py takes it for the name of the file."""
        return str(self.name)


@contextmanager
def open_hdf5(
    path: Path,
    expected: str = "a store made by `ecgstore build SOURCE -o STORE`",
    remake: str = "build the store",
    *,
    is_mirror: bool = False,
) -> Iterator[h5py.File]:
    """Open a file for reading.

    Parameters
    ----------
    path : Path
        The file.
    expected, remake : str
        Description of the expected file, and the way to make it again, for messages.
    is_mirror : bool
        Whether the file may hold a part only of a store at a URL; whoever opens it
        reads nothing that was not fetched.

    Raises
    ------
    EcgStoreError
        If there is no such file.
    SchemaError
        If it is not an HDF5 file, or so damaged that reading fails in the context.
    """
    if not path.exists():
        require_no_url(path)
        raise EcgStoreError(f"{path}: no such file; expected {expected}")
    if path.is_dir():
        known = known_file(path) or "a folder"
        raise EcgStoreError(f"{path}: is {known}; expected {expected}")
    require_regular_file(path, SchemaError)
    if path.suffix == MIRROR and not is_mirror:
        raise EcgStoreError(
            f"{path}: holds a part only of a store at a URL; fetch all of it first: "
            "`ecgstore fetch URL -o STORE`"
        )
    with ExitStack() as opened:
        try:
            source: FileIO | Path = path
            if path.is_relative_to(IN_MEMORY):
                source = opened.enter_context(_FileInMemory(path))
            file = opened.enter_context(h5py.File(source, "r", locking=False))
        except OSError as error:
            known = known_file(path)
            problem = f"is {known}" if known else "not a readable HDF5 file"
            raise SchemaError(f"{path}: {problem}; expected {expected}") from error
        try:
            yield file
        except EcgStoreError:
            raise
        except Exception as error:  # h5py raises many types of errors here
            raise SchemaError(
                f"{path}: damaged, it cannot be read ({cause_of(error)}); {remake} "
                "again or restore it from a copy"
            ) from error


def check_format(file: h5py.File, path: Path, format_: FileFormat) -> None:
    """Refuse a file of another format or version than expected.

    Raises
    ------
    SchemaError
        Naming the format or the version of the file.
    """
    name = text(_attribute(file, "format", b""))
    format_.check(path, name, int(_attribute(file, "format_version", 0)))


def read_config(file: h5py.File, path: Path) -> Config:
    """Return the options of a store, after checking the format of the file.

    Raises
    ------
    SchemaError
        If the file is not a store, or of another format version.
    """
    check_format(
        file, path, schema.COLLECTION if is_collection(file) else schema.FORMAT
    )
    try:
        return _config(described(file, schema.CONFIG))
    except (KeyError, TypeError, ValueError) as error:
        raise SchemaError(
            f"{path}: its config cannot be read ({cause_of(error)}); build the store "
            "again"
        ) from error


@functools.lru_cache(maxsize=16)
def _config(text_of_config: str) -> Config:
    """Return options; those of the parts of a collection are mostly the same text."""
    return Config.from_json(text_of_config)


def is_collection(file: h5py.File) -> bool:
    """Return whether a file is a collection of stores, by the name of its format."""
    return text(_attribute(file, "format", b"")) == schema.COLLECTION.name


def described(file: h5py.File, name: str) -> str:
    """Return a text about a store: a dataset, in version 1 an attribute of the file.

    Raises
    ------
    KeyError
        If there is none.
    """
    if _is_version_1(file):
        return text(file.attrs[name])
    return text(_content(file, name)[()])


def label_names(file: h5py.File) -> tuple[str, ...]:
    """Return the names of the columns of `/labels`."""
    return _names_along(file, schema.LABELS, "label")


def feature_names(file: h5py.File) -> tuple[str, ...]:
    """Return the names of the columns of `/features`."""
    return _names_along(file, schema.FEATURES, "feature")


def feature_units(file: h5py.File) -> tuple[str, ...]:
    """Return the units of the columns of `/features`."""
    if _is_version_1(file):
        return texts(file[schema.FEATURES].attrs["units"])
    return _texts_of(file, schema.FEATURE_UNITS)


def _names_along(file: h5py.File, path: str, dimension: str) -> tuple[str, ...]:
    """Return the names of a dataset's columns: of a dimension, or an attribute."""
    if _is_version_1(file):
        return texts(file[path].attrs["names"])
    return _texts_of(file, dimension)


def _content(file: h5py.File, path: str) -> NDArray[Any]:
    """Return a dataset, in a tenth of the time of ``file[path][...]``."""
    dataset = h5py.h5d.open(file.id, path.encode())
    values = np.empty(dataset.shape, dataset.dtype)
    dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
    return values


def _texts_of(file: h5py.File, path: str) -> tuple[str, ...]:
    """Return the texts of a dataset."""
    values = _content(file, path)
    if values.dtype.kind != "S":  # written by another program
        return texts(values)
    return _decoded(values.tobytes(), values.dtype.str)


@functools.lru_cache(maxsize=16)
def _decoded(content: bytes, dtype: str) -> tuple[str, ...]:
    """Return texts; the hundreds of names in the parts of a collection are the same."""
    return texts(np.frombuffer(content, dtype))


def _is_version_1(file: h5py.File) -> bool:
    """Return whether what describes datasets is in attributes."""
    return int(_attribute(file, "format_version", 0)) < schema.FIRST_WITH_HEAD


def _attribute(file: h5py.File, name: str, default: Any = None) -> Any:
    """Return an attribute, in a fifth of the time of ``file.attrs.get(name)``."""
    if not h5py.h5a.exists(file.id, name.encode()):
        return default
    attribute = h5py.h5a.open(file.id, name.encode())
    value = np.empty(attribute.shape, attribute.dtype)
    attribute.read(value)
    return value[()]


def expected_layout(file: h5py.File, config: Config) -> tuple[DatasetSpec, ...]:
    """Return the datasets that a store or a collection must have."""
    return _layout(
        config,
        _length(file, schema.FOLDS, 0),
        tuple(text_columns(file, config)),
        len(feature_names(file)),
        int(_attribute(file, "format_version", 0)),
    )


@functools.lru_cache(maxsize=16)
def _layout(
    config: Config, n_rows: int, texts: tuple[str, ...], n_features: int, version: int
) -> tuple[DatasetSpec, ...]:
    """Return the datasets of a store; those of the parts of a collection are alike."""
    return schema.store_specs(
        config,
        n_rows,
        dict.fromkeys(texts, 1),
        features=[("", "")] * n_features,
        beats_status={},
        version=version,
    )


def check_layout(
    file: h5py.File, path: Path, expected: Sequence[DatasetSpec]
) -> dict[str, OpenDataset]:
    """Return all datasets with rows by their paths, if all follow the schema.

    Those of a collection whose rows are in its parts are left out. They are never
    opened: the HDF5 library ends the process if a list of their files is damaged, and
    the files are listed in `/parts`, too.

    Parameters
    ----------
    file : h5py.File
        A store or a collection.
    path : Path
        Its path, for messages.
    expected : sequence of DatasetSpec
        Its `expected_layout`.

    Raises
    ------
    SchemaError
        If a dataset is missing, in another file, or has another type or shape.
    """
    if is_collection(file):
        expected = [
            spec for spec in expected if not schema.is_large(spec.path, len(spec.shape))
        ]
    datasets = {}
    of_file = h5py.h5g.get_objinfo(file.id).fileno
    for spec in expected:
        try:
            # There are dozens, and file[...] takes five times as long.
            opened = OpenDataset(h5py.h5d.open(file.id, spec.path.encode()))
        except KeyError as error:
            if spec.path in file:
                raise  # it is damaged
            raise SchemaError(
                f"{path}: dataset /{spec.path} is missing; build the store again"
            ) from error
        if h5py.h5g.get_objinfo(opened.id).fileno != of_file:
            raise SchemaError(
                f"{path}: dataset /{spec.path} is a link into another file; expected "
                "the data: build the store again"
            )
        datasets[spec.path] = opened
    for spec in expected:
        any_length = spec.path.startswith(schema.QUARANTINE)
        difference = spec_difference(datasets[spec.path], spec, any_length=any_length)
        if difference is not None:
            raise SchemaError(f"{path}: {difference}: build the store again")
    return {one.path: datasets[one.path] for one in expected if one.values is None}


def text_columns(file: h5py.File, config: Config) -> dict[str, int]:
    """Return the text columns of `/records`, each with a width of one byte."""
    extra = (
        name
        for name in schema.extra_columns(config)
        if isinstance(dataset := file.get(f"{schema.RECORDS}/{name}"), h5py.Dataset)
        and dataset.dtype.kind == "S"
    )
    return dict.fromkeys((*schema.RECORD_TEXTS, *extra), 1)


def spec_difference(
    dataset: h5py.Dataset | OpenDataset,
    spec: DatasetSpec,
    *,
    any_length: bool = False,
) -> str | None:
    """Return how type or shape of a dataset differ from its specification.

    Parameters
    ----------
    dataset : h5py.Dataset or OpenDataset
        The dataset.
    spec : DatasetSpec
        Its specification; texts may have any width.
    any_length : bool
        Whether the first axis may have any length.

    Returns
    -------
    str or None
        A message; None if nothing differs.
    """
    is_text = spec.dtype.kind == "S"
    dtype, found = dataset.dtype, dataset.shape
    same_type = dtype.kind == "S" if is_text else dtype == spec.dtype
    shape = spec.shape
    if any_length and found:
        shape = (found[0], *spec.shape[1:])
    if same_type and found == shape:
        return None
    return (
        f"dataset /{spec.path} is {dtype} of shape {found}; expected "
        f"{spec.dtype} of shape {spec.shape}"
    )


def _length(file: h5py.File, path: str, axis: int) -> int:
    """Return the length of one axis of a dataset, 0 if either is missing."""
    dataset = file.get(path)
    exists = isinstance(dataset, h5py.Dataset) and len(dataset.shape or ()) > axis
    return int(dataset.shape[axis]) if exists else 0
