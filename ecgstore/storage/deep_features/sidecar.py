"""Deep features of a store's records in a file beside it: its format, and reading it.

The format is explained, for a reader in any language, in docs/format.md.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import Float32Array, UInt8Array
from ecgstore.errors import SchemaError
from ecgstore.storage.format import schema
from ecgstore.storage.format.hdf5 import open_hdf5, text
from ecgstore.storage.format.integrity import dataset_digests, dataset_paths
from ecgstore.storage.format.schema import DatasetSpec
from ecgstore.storage.rows import MemoryMap
from ecgstore.storage.tables import Tables, table_places

if TYPE_CHECKING:
    from ecgstore.storage.store import Store

FORMAT: Final = "ecgstore features"
FORMAT_VERSION: Final = 1
SUFFIX: Final = ".features.h5"

FEATURES: Final = "features"
LOGITS: Final = "logits"
SEEN: Final = "seen"
ROW: Final = "row"
RECORD_ID: Final = "records/record_id"

SEEN_MEANINGS: Final = ("unseen", "validation", "training", "unknown")
"""What each value of `/seen` says of a record's patient, from 0 on."""
UNSEEN, VALIDATED, TRAINED, UNKNOWN = range(len(SEEN_MEANINGS))

RESERVED: Final = frozenset(
    (
        schema.SIGNALS,
        schema.LABELS,
        schema.FEATURES,
        schema.FIDUCIALS,
        schema.R_PEAKS,
        *schema.RECORD_TEXTS,
        *schema.RECORD_NUMBERS,
        "fold",
        "row",
        "n_real_samples",
    )
)
"""Names that mean something else where fields of a store are asked for."""

_BLOCK_ROWS: Final = 4096


def sidecar_path(store: "Store", model: str) -> Path:
    """Return where the features of a model are kept, beside the store.

    For ``challenge.h5`` and ``resnet18``: ``challenge.resnet18.features.h5``.
    """
    return store.path.with_name(f"{store.path.stem}.{model}{SUFFIX}")


def check_name(name: str) -> str:
    """Return a name for deep features, if it can be one.

    Raises
    ------
    ValueError
        If it means something else, or could not be written in a query.
    """
    if name in RESERVED or not name.isidentifier():
        raise ValueError(
            f"deep features cannot be called {name!r}; expected letters, digits and _, "
            f"and none of {', '.join(sorted(RESERVED))}"
        )
    return name


def column_names(name: str, features: Float32Array) -> list[str]:
    """Return a name for every deep feature.

    Parameters
    ----------
    name : str
        What they are called together.
    features : ndarray of shape (n_records, n_features)
        The features.

    Examples
    --------
    >>> column_names("cnn", np.zeros((5, 2), np.float32))
    ['cnn_000', 'cnn_001']
    """
    n_features = features.shape[1]
    width = max(3, len(str(n_features - 1)))
    return [f"{name}_{number:0{width}}" for number in range(n_features)]


def sidecar_specs(
    n_rows: int, n_features: int, label_names: Sequence[str], id_width: int
) -> tuple[DatasetSpec, ...]:
    """Return every dataset of a sidecar, in the order of the file.

    Parameters
    ----------
    n_rows, n_features : int
        Number of records, and of features of each.
    label_names : sequence of str
        Names of the classes that logits are of.
    id_width : int
        Bytes of the longest record_id.
    """
    return (
        DatasetSpec(FEATURES, np.dtype("<f4"), (n_rows, n_features)),
        DatasetSpec(
            LOGITS,
            np.dtype("<f4"),
            (n_rows, len(label_names)),
            attributes={"names": list(label_names)},
        ),
        DatasetSpec(
            SEEN,
            np.dtype("u1"),
            (n_rows,),
            attributes={"names": list(SEEN_MEANINGS)},
        ),
        DatasetSpec(ROW, np.dtype("<i8"), (n_rows,)),
        DatasetSpec(RECORD_ID, np.dtype(f"S{id_width}"), (n_rows,)),
    )


def sidecar_attributes(
    store: "Store", model: Mapping[str, Any], weights_sha256: str, software: str
) -> dict[str, str | int]:
    """Return the attributes of a sidecar.

    Parameters
    ----------
    store : Store
        The store that the records are in.
    model : Mapping
        Settings of the model; ``"model"`` is its name.
    weights_sha256 : str
        Digest of its weights.
    software : str
        Versions of what the numbers depend on.
    """
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "software": software,
        "model": json.dumps(model, sort_keys=True),
        "weights_sha256": weights_sha256,
        "store_fingerprint": store.fingerprint,
    }


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
        Digest of the model's weights.
    sha256 : str
        Digest of the features.
    features : ndarray of shape (n_records, n_features)
        A view of the mapped file, float32, not writeable.
    seen : ndarray of shape (n_records,)
        Whether the model was trained on or chosen by each record's patient, uint8: see
        `SEEN_MEANINGS`. A view of the mapped file, not writeable.
    """

    path: Path
    model: str
    weights_sha256: str
    sha256: str
    features: Float32Array
    seen: UInt8Array


def open_sidecar(
    path: Path, store: "Store", weights_sha256: str | None = None
) -> Sidecar:
    """Open a sidecar after a look whether it is whole and one of this store.

    Parameters
    ----------
    path : Path
        The file that `ecgstore.models.extract` wrote.
    store : Store
        The open store.
    weights_sha256 : str, optional
        Digest that the model's weights must have; any if left out.

    Raises
    ------
    EcgStoreError
        If there is no such file.
    SchemaError
        If it is no sidecar, of another version, of another store, of other records, of
        other weights or damaged.
    """
    extract = f"`ecgstore extract CHECKPOINT {store.path}`"
    try:
        with open_hdf5(path, f"features made by {extract}", "extract them") as file:
            model = _model(file)
            datasets = _datasets(file)
            _check_records(file, store)
            _check_content(file)
            digest = text(file.attrs["weights_sha256"])
            if weights_sha256 not in (None, digest):
                raise _UnfitError(
                    f"made by weights with SHA-256 {digest[:12]}..., expected "
                    f"{weights_sha256[:12]}..."
                )
            sha256 = text(datasets[FEATURES].attrs[schema.SHA256])
            places = table_places(datasets)
    except _UnfitError as error:
        raise SchemaError(
            f"{path}: {error}; extract the features again: {extract}"
        ) from None
    tables = Tables(path, places, MemoryMap(path).bytes)
    return Sidecar(path, model, digest, sha256, tables[FEATURES], tables[SEEN])


class _UnfitError(SchemaError):
    """What is wrong with a sidecar, without the file's name and what to do."""


def _model(file: h5py.File) -> str:
    """Return the name of the model, if the file is a sidecar that can be read."""
    name = text(file.attrs.get("format", b""))
    if name != FORMAT:
        raise _UnfitError(
            f"attribute format is {name!r}; expected {FORMAT!r}: no file of deep "
            "features"
        )
    version = int(file.attrs.get("format_version", 0))
    if version != FORMAT_VERSION:
        raise _UnfitError(
            f"format version {version}; this ecgstore reads version {FORMAT_VERSION}"
        )
    return str(json.loads(text(file.attrs["model"]))["model"])


def _datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Return all datasets by their paths, if they are what they should be."""
    shapes = [getattr(file.get(path), "shape", (0,)) for path in (FEATURES, LOGITS)]
    n_rows, n_features, n_classes = shapes[0][0], shapes[0][-1], shapes[1][-1]
    datasets = {}
    for spec in sidecar_specs(n_rows, n_features, [""] * n_classes, 1):
        found = file.get(spec.path)
        if not isinstance(found, h5py.Dataset):
            raise _UnfitError(f"dataset /{spec.path} is missing")
        is_text = spec.dtype.kind == "S"
        same_type = found.dtype.kind == "S" if is_text else found.dtype == spec.dtype
        if not same_type or found.shape != spec.shape:
            raise _UnfitError(
                f"dataset /{spec.path} is {found.dtype} of shape {found.shape}; "
                f"expected {spec.dtype} of shape {spec.shape}"
            )
        datasets[spec.path] = found
    return datasets


def _check_records(file: h5py.File, store: "Store") -> None:
    """Refuse features of other records than those of a store, or in another order."""
    made_from = text(file.attrs["store_fingerprint"])
    if made_from != store.fingerprint:
        raise _UnfitError(
            f"made from a store with fingerprint {made_from[:12]}..., and that of "
            f"{store.path} is {store.fingerprint[:12]}..."
        )
    if not np.array_equal(file[ROW][...], np.arange(len(store))):
        raise _UnfitError(f"its rows are not 0 to {len(store) - 1}, each in its place")
    names: NDArray[Any] = file[RECORD_ID][...]
    expected = store.table(f"{schema.RECORDS}/record_id")
    different = np.flatnonzero(names != expected)
    if different.size:
        row = int(different[0])
        raise _UnfitError(
            f"row {row} is of record {names[row].decode(errors='replace')!r}, and "
            f"that of {store.path} is {expected[row].decode()!r}"
        )


def _check_content(file: h5py.File) -> None:
    """Refuse numbers that are not those that were written, or that are none."""
    digests = dataset_digests(file)
    for path in dataset_paths(file):
        written = text(file[path].attrs.get(schema.SHA256, "missing"))
        if digests[path] != written:
            raise _UnfitError(
                f"/{path} is damaged, its SHA-256 is {digests[path]}, {written} when "
                "written"
            )
    features = file[FEATURES]
    for begin in range(0, len(features), _BLOCK_ROWS):
        finite = np.isfinite(features[begin : begin + _BLOCK_ROWS]).all(axis=1)
        if not finite.all():
            row = begin + int(np.flatnonzero(~finite)[0])
            raise _UnfitError(f"features of row {row} are not all finite")
