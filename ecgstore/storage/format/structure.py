"""Find what digests do not cover: types, shapes, and parts that the format lacks."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import h5py
import numpy as np

from ecgstore.config import Config
from ecgstore.storage.format import schema
from ecgstore.storage.format.dataset_spec import (
    DIMENSION_LIST,
    LINKS,
    REFERENCE_LIST,
    SCALE_ATTRIBUTES,
    SCALE_CLASS,
    DatasetSpec,
    Scale,
    scales,
)
from ecgstore.storage.format.digest_table import with_digests
from ecgstore.storage.format.hdf5 import feature_names, text_columns
from ecgstore.storage.format.layout import NO_COORDINATE_TYPE, coordinate, scale_name
from ecgstore.storage.format.stored_values import as_stored, encoded, text, texts


def structure_differences(
    file: h5py.File, config: Config, version: int
) -> Iterator[tuple[str, str]]:
    """Yield every group, link, attribute or type that differs from the format.

    Parameters
    ----------
    file : h5py.File
        A store with all its datasets.
    config : Config
        Its options.
    version : int
        Version of its format.

    Yields
    ------
    where : str
        Path of the group or dataset.
    problem : str
        What was found, and what is expected.
    """
    specs = {spec.path: spec for spec in _specs(file, config, version)}
    dimensions = scales(specs.values())
    groups = {path.rpartition("/")[0] for path in specs} - {""}
    children: dict[str, list[str]] = {}
    for path in (*specs, *dimensions, *groups):
        parent, _, name = path.rpartition("/")
        children.setdefault(parent, []).append(name)
    for group, names in children.items():
        item = file[group or "/"]
        expected = schema.file_attributes(version) if group == "" else {}
        yield from _links(item, names)
        yield from _attributes(item, expected)
    for path, spec in specs.items():
        yield from _dataset(file[path], spec)
    for path, scale in dimensions.items():
        if isinstance(file.get(path), h5py.Dataset):  # if not, it was named above
            yield from _scale(file[path], scale)
    yield from _references(file, specs.values(), dimensions)


def _specs(file: h5py.File, config: Config, version: int) -> tuple[DatasetSpec, ...]:
    """Return what a build would make of the same records, texts of any width."""
    status = file[schema.QUALITY][schema.BEATS_STATUS].attrs
    specs = schema.store_specs(
        config,
        len(file[schema.SIGNALS]),
        text_columns(file, config),
        features=[(name, "") for name in feature_names(file)],
        beats_status=dict.fromkeys(map(str, range(len(status["flag_values"]))), 0),
        n_left_out=len(file[schema.QUARANTINE]["path"]),
        version=version,
    )
    return specs if version < schema.FIRST_WITH_HEAD else with_digests(specs)


def _links(group: h5py.Group, expected: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield names in a group that are not expected, and links to other places."""
    where = group.name
    for name in sorted(set(group) - set(expected)):
        yield where, f"holds {name!r}, which is no part of the format"
    for name in expected:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            yield where, f"{name} is a link to another place; expected the data"


def _attributes(
    item: h5py.Group | h5py.Dataset, expected: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    """Yield attributes that are missing, not expected, or of another type or shape."""
    for name in sorted(set(item.attrs) ^ set(expected)):
        problem = "is missing" if name in expected else "is no part of the format"
        yield item.name, f"attribute {name} {problem}"
    unlike = {*LINKS, *SCALE_ATTRIBUTES}  # of other types, and compared by content
    for name in sorted(set(item.attrs) & set(expected) - unlike):
        wanted, attribute = as_stored(expected[name]), item.attrs.get_id(name)
        difference = _type_difference(attribute.get_type(), wanted.dtype)
        if difference is None and attribute.shape != wanted.shape:
            difference = f"of shape {attribute.shape}; expected {wanted.shape}"
        if difference is None and wanted.dtype.kind == "S":
            stored = item.attrs[name]
            again = encoded(texts(stored) if wanted.ndim else text(stored))
            if attribute.dtype.itemsize != again.dtype.itemsize:
                difference = (
                    f"text of {attribute.dtype.itemsize} bytes; expected "
                    f"{again.dtype.itemsize}, the length of the longest one"
                )
        if difference is not None:
            yield item.name, f"attribute {name} is {difference}"


def _dataset(dataset: h5py.Dataset, spec: DatasetSpec) -> Iterator[tuple[str, str]]:
    """Yield differences of one dataset."""
    difference = _type_difference(dataset.id.get_type(), spec.dtype)
    if difference is not None:
        yield dataset.name, f"is {difference}"
    if dataset.shape != spec.shape or dataset.maxshape != spec.shape:
        yield (
            dataset.name,
            f"has the shape {dataset.shape}, at most {dataset.maxshape}; expected "
            f"{spec.shape}",
        )
    fill = dataset.id.get_create_plist().fill_value_defined()
    if fill != h5py.h5d.FILL_VALUE_DEFAULT:
        yield dataset.name, "has a fill value of its own; expected none"
    expected = dict(spec.attributes)
    if spec.dimensions:
        expected[DIMENSION_LIST] = None
    if schema.SHA256 in dataset.attrs:  # if not, its content is found to be damaged
        expected[schema.SHA256] = ""
    yield from _attributes(dataset, expected)


def _scale(dataset: h5py.Dataset, scale: Scale) -> Iterator[tuple[str, str]]:
    """Yield differences of the dataset of one dimension."""
    values = coordinate(scale)
    dtype = NO_COORDINATE_TYPE if values is None else values.dtype
    spec = DatasetSpec(
        scale.dimension.path,
        dtype,
        (scale.size,),
        attributes={
            **scale.dimension.attributes,
            **dict.fromkeys((*SCALE_ATTRIBUTES, REFERENCE_LIST)),
        },
    )
    yield from _dataset(dataset, spec)
    name = scale_name(scale)
    if _bytes(dataset, "CLASS") != SCALE_CLASS:
        yield dataset.name, "is not marked as a dimension"
    elif _bytes(dataset, "NAME") != name.encode():
        yield dataset.name, f"does not have the name {name!r} as a dimension"
    if values is None:
        if dataset.id.get_storage_size():
            yield dataset.name, "has content; expected none"
    elif dataset.shape == values.shape and not np.array_equal(dataset[...], values):
        yield dataset.name, "differs from the names or times that it stands for"


def _bytes(dataset: h5py.Dataset, name: str) -> bytes | None:
    """Return an attribute that is a text of fixed width; None for any other.

    Not by `h5py.h5ds.is_scale`, which ends the process if the text is damaged: HDF5
    2.0.0 frees it twice.
    """
    value = dataset.attrs.get(name)
    return bytes(value) if isinstance(value, bytes) else None


def _references(
    file: h5py.File, specs: Iterable[DatasetSpec], dimensions: Mapping[str, Scale]
) -> Iterator[tuple[str, str]]:
    """Yield axes that do not refer to their dimension, and the other way round."""
    for spec in specs:
        wanted = [[dimension.path] for dimension in spec.dimensions]
        lists = file[spec.path].attrs.get(DIMENSION_LIST, ())
        if [[_path(file, one) for one in axis] for axis in lists] != wanted:
            yield f"/{spec.path}", f"its axes do not have the dimensions {wanted}"
    for path, scale in dimensions.items():
        uses = file[path].attrs.get(REFERENCE_LIST, ()) if path in file else ()
        if [(_path(file, one), int(axis)) for one, axis in uses] != scale.uses:
            yield f"/{path}", f"does not refer to the axes {scale.uses}"


def _path(file: h5py.File, reference: h5py.Reference) -> str | None:
    """Return the path of the object that a reference refers to; None if nothing."""
    try:
        return str(file[reference].name).removeprefix("/")
    except (KeyError, OSError, RuntimeError, ValueError):
        return None


def _type_difference(stored: h5py.h5t.TypeID, expected: np.dtype[Any]) -> str | None:
    """Return how a stored type differs; texts may have any width."""
    if expected.kind == "S":
        size = stored.get_size()
        wanted = h5py.string_dtype("utf-8", size)
        description = f"text of {size} bytes in UTF-8, padded with zero bytes"
    else:
        wanted, description = expected, str(expected)
    if stored.equal(h5py.h5t.py_create(wanted, logical=True)):
        return None
    return f"of another type; expected {description}"
