"""Deep features of a store's records in a file beside it: its format, and reading it.

The format is explained, for a reader in any language, in docs/format.md.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np

from ecgstore.arrays import BytesArray, Float32Array, UInt8Array
from ecgstore.errors import ConfigError, SchemaError, short_repr
from ecgstore.storage.deep_features.names import check_name
from ecgstore.storage.deep_features.seen import SEEN_NAMES
from ecgstore.storage.format import schema
from ecgstore.storage.format.dataset_spec import DatasetSpec
from ecgstore.storage.format.hdf5 import (
    OpenDataset,
    check_format,
    open_hdf5,
    spec_difference,
)
from ecgstore.storage.format.integrity import (
    attributes_digest,
    dataset_digests,
    fingerprint,
    write_digests,
    wrong_digests,
)
from ecgstore.storage.format.stored_values import UNSEALED, encoded, text
from ecgstore.storage.memory_map import MemoryMap
from ecgstore.storage.tables import Tables, table_locations
from ecgstore.system.file_format import FileFormat

FORMAT: Final = FileFormat("ecgstore features", 3, "`ecgstore extract`", (2,))
SUFFIX: Final = ".features.h5"

FEATURES: Final = "features"
LOGITS: Final = "logits"
TARGETS: Final = "targets"
SEEN: Final = "seen"
ROW: Final = "row"
RECORD_ID: Final = "records/record_id"

_BLOCK_ROWS: Final = 4096


def sidecar_path(store_path: Path, model: str) -> Path:
    """Return the default path of the deep features of a model, beside the store.

    Examples
    --------
    >>> sidecar_path(Path("challenge.h5"), "resnet18").name
    'challenge.resnet18.features.h5'
    """
    return store_path.with_name(f"{store_path.stem}.{model}{SUFFIX}")


def sidecar_specs(
    n_rows: int,
    n_features: int,
    label_names: Sequence[str],
    id_width: int,
    target_names: Sequence[str] = (),
) -> tuple[DatasetSpec, ...]:
    """Return every dataset of a sidecar, in the order of the file.

    Parameters
    ----------
    n_rows, n_features : int
        Number of records and number of features.
    label_names : sequence of str
        Names of the classes, in the order of the logits.
    id_width : int
        Bytes of the longest record_id.
    target_names : sequence of str
        Names of the predicted targets; without any, there is no dataset of them.
    """
    targets = DatasetSpec(
        TARGETS,
        np.dtype("<f4"),
        (n_rows, len(target_names)),
        attributes={"names": list(target_names)},
    )
    return (
        DatasetSpec(FEATURES, np.dtype("<f4"), (n_rows, n_features)),
        DatasetSpec(
            LOGITS,
            np.dtype("<f4"),
            (n_rows, len(label_names)),
            attributes={"names": list(label_names)},
        ),
        *([targets] if target_names else []),
        DatasetSpec(
            SEEN,
            np.dtype("u1"),
            (n_rows,),
            attributes={"names": list(SEEN_NAMES)},
        ),
        DatasetSpec(ROW, np.dtype("<i8"), (n_rows,)),
        DatasetSpec(RECORD_ID, np.dtype(f"S{id_width}"), (n_rows,)),
    )


def sidecar_attributes(
    model: Mapping[str, Any],
    weights_sha256: str,
    store_fingerprint: str,
    software: str,
) -> dict[str, str | int]:
    """Return the attributes of a sidecar.

    Parameters
    ----------
    model : Mapping
        Settings of the model; ``"model"`` is its name.
    weights_sha256 : str
        SHA-256 of its weights.
    store_fingerprint : str
        Fingerprint of the store that holds the records.
    software : str
        Versions of the libraries on which the numbers depend.
    """
    return {
        "format": FORMAT.name,
        "format_version": FORMAT.version,
        "software": software,
        "model": json.dumps(model, sort_keys=True),
        "weights_sha256": weights_sha256,
        "store_fingerprint": store_fingerprint,
        schema.SHA256: UNSEALED,
    }


def write_sidecar_digests(file: h5py.File) -> None:
    """Write the SHA-256 of every dataset, and that of the attributes of the file."""
    write_digests(file)
    file.attrs.modify(schema.SHA256, encoded(attributes_digest(file)))


@dataclass(frozen=True, slots=True, eq=False)
class Sidecar:
    """Deep features of all records of a store, in a mapped file.

    Attributes
    ----------
    path : Path
        The file.
    model : str
        Name of the model.
    weights_sha256 : str
        SHA-256 of the model's weights.
    sha256 : str
        SHA-256 of the weights' digest and of the content of all datasets.
    features : ndarray of shape (n_records, n_features)
        A view of the mapped file, float32, not writeable.
    seen : ndarray of shape (n_records,)
        Use of each record's patient in the training, uint8: see `Seen`. A view of the
        mapped file, not writeable.
    file : MemoryMap
        The mapped file.
    """

    path: Path
    model: str
    weights_sha256: str
    sha256: str
    features: Float32Array
    seen: UInt8Array
    file: MemoryMap


def open_sidecar(
    path: Path,
    store_path: Path,
    *,
    store_fingerprint: str,
    record_ids: BytesArray,
    weights_sha256: str | None = None,
) -> Sidecar:
    """Open a sidecar and check that it is complete and belongs to a store.

    Parameters
    ----------
    path : Path
        A file written by `ecgstore.models.extract`.
    store_path : Path
        Path of the store, for messages.
    store_fingerprint : str
        Fingerprint of the store.
    record_ids : ndarray of shape (n_records,)
        `/records/record_id` of the store.
    weights_sha256 : str, optional
        Expected SHA-256 of the model's weights; not compared if left out.

    Raises
    ------
    EcgStoreError
        If there is no such file.
    SchemaError
        If the file is no sidecar, has another version of the format, belongs to
        another store, other records or other weights, or is damaged.
    """
    extract = f"`ecgstore extract CHECKPOINT {store_path}`"
    try:
        with open_hdf5(path, f"features made by {extract}", "extract them") as file:
            check_format(file, path, FORMAT)
            _check_attributes(file)
            model = _model_name(file)
            datasets = _datasets(file)
            _check_records(file, store_path, store_fingerprint, record_ids)
            digests = _check_content(file)
            digest = text(file.attrs["weights_sha256"])
            if weights_sha256 not in (None, digest):
                raise _UnfitError(
                    f"made by weights with SHA-256 {digest[:12]}..., expected "
                    f"{weights_sha256[:12]}..."
                )
            sha256 = fingerprint(digest, digests)
            locations = table_locations(
                {name: OpenDataset(dataset.id) for name, dataset in datasets.items()}
            )
            content = MemoryMap(path)
            content.check_same_file(file.id.get_vfd_handle())
    except _UnfitError as error:
        raise SchemaError(
            f"{path}: {error}; extract the features again: {extract}"
        ) from None
    tables = Tables(path, locations, content)
    return Sidecar(path, model, digest, sha256, tables[FEATURES], tables[SEEN], content)


class _UnfitError(SchemaError):
    """A defect of a sidecar; `open_sidecar` adds the path and the advice."""


def _check_attributes(file: h5py.File) -> None:
    """Refuse a file whose own attributes differ from their digest."""
    digest = attributes_digest(file)
    expected = text(file.attrs[schema.SHA256])
    if digest != expected:
        raise _UnfitError(
            f"its attributes are damaged: their SHA-256 is {digest}, expected "
            f"{short_repr(expected)}"
        )


def _model_name(file: h5py.File) -> str:
    """Return the name of the model, if deep features can have it."""
    name = json.loads(text(file.attrs["model"]))["model"]
    try:
        return check_name(name)
    except (ConfigError, TypeError, AttributeError):
        raise _UnfitError(
            f"the name of its model is {short_repr(name)}, which no model has"
        ) from None


def _datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Return all datasets by their paths, if their types and shapes are right."""
    shapes = [getattr(file.get(path), "shape", (0,)) for path in (FEATURES, LOGITS)]
    n_rows, n_features, n_classes = shapes[0][0], shapes[0][-1], shapes[1][-1]
    datasets = {}
    # Predicted targets, which only some networks have.
    n_targets = getattr(file.get(TARGETS), "shape", (0,))[-1]
    for spec in sidecar_specs(
        n_rows, n_features, [""] * n_classes, 1, [""] * n_targets
    ):
        dataset = file.get(spec.path)
        if not isinstance(dataset, h5py.Dataset):
            raise _UnfitError(f"dataset /{spec.path} is missing")
        difference = spec_difference(dataset, spec)
        if difference is not None:
            raise _UnfitError(difference)
        datasets[spec.path] = dataset
    return datasets


def _check_records(
    file: h5py.File, store_path: Path, store_fingerprint: str, record_ids: BytesArray
) -> None:
    """Refuse features of other records than those of a store, or in another order."""
    fingerprint = text(file.attrs["store_fingerprint"])
    if fingerprint != store_fingerprint:
        raise _UnfitError(
            f"made from a store with fingerprint {fingerprint[:12]}...; that of "
            f"{store_path} is {store_fingerprint[:12]}..."
        )
    if not np.array_equal(file[ROW][...], np.arange(len(record_ids))):
        raise _UnfitError(
            f"dataset /{ROW} is not 0 to {len(record_ids) - 1} in this order"
        )
    names: BytesArray = file[RECORD_ID][...]
    different = np.flatnonzero(names != record_ids)
    if different.size:
        row = int(different[0])
        raise _UnfitError(
            f"row {row} is record {names[row].decode(errors='replace')!r}, but row "
            f"{row} of {store_path} is {record_ids[row].decode()!r}"
        )


def _check_content(file: h5py.File) -> dict[str, str]:
    """Refuse a file that differs from its digests, or features that are not finite.

    Returns the digests.
    """
    digests = dataset_digests(file)
    for path, message in wrong_digests(file, digests).items():
        raise _UnfitError(f"/{path} is damaged: {message}")
    features = file[FEATURES]
    for begin in range(0, len(features), _BLOCK_ROWS):
        finite = np.isfinite(features[begin : begin + _BLOCK_ROWS]).all(axis=1)
        if not finite.all():
            row = begin + int(np.flatnonzero(~finite)[0])
            raise _UnfitError(f"features of row {row} are not all finite")
    return digests
