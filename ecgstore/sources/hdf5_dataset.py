"""Read datasets of HDF5 files by others, once it is safe to do so."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.sources.files import file_size, printable

MOST_BYTES: Final = 1 << 28
"""Bytes of a record, and of a chunk, which HDF5 reads as a whole."""

_MOST_ROWS: Final = 1 << 24

_FILTERS: Final = frozenset({1, 2, 3, 32000})
"""Deflate, shuffle, Fletcher's checksum and LZF: what needs no plugin."""


@contextmanager
def opened_hdf5(path: str) -> Iterator[Any]:
    """Open a regular file with h5py."""
    import h5py

    file_size(path, Reason.UNREADABLE_HEADER)
    with h5py.File(path, "r", locking=False) as file:
        yield file


def own_dataset(file: Any, name: str, path: str) -> Any:
    """Return a dataset that lies in its file and needs no plugin.

    Raises
    ------
    RecordError
        If it is absent, virtual, in another file, or compressed by a plugin.
    """
    import h5py

    where = f"{printable(path)}: its {printable(name)}"
    dataset = file
    for part in name.split("/"):  # no link on the way leads elsewhere
        is_here = isinstance(dataset, h5py.Group) and isinstance(
            dataset.get(part, getlink=True), h5py.HardLink
        )
        dataset = dataset[part] if is_here else None
    if not isinstance(dataset, h5py.Dataset) or dataset.is_virtual or dataset.external:
        raise RecordError(
            Reason.UNREADABLE_SIGNAL,
            f"{where} is no dataset in this file itself; expected one, which is "
            "neither virtual nor in another file",
        )
    settings = dataset.id.get_create_plist()
    filters = {settings.get_filter(n)[0] for n in range(settings.get_nfilters())}
    if not filters <= _FILTERS:
        numbers = ", ".join(map(str, sorted(filters - _FILTERS)))
        raise RecordError(
            Reason.UNREADABLE_SIGNAL,
            f"{where} is compressed by HDF5's filter {numbers}, which is not read; "
            "expected deflate (gzip) or LZF: h5repack -f GZIP=4 writes such a file",
        )
    return dataset


def check_numbers(dataset: Any, name: str, path: str, n_rows: int) -> None:
    """Refuse a dataset that holds no numbers, or too many in a row or a chunk.

    Parameters
    ----------
    dataset : h5py.Dataset
        One of `own_dataset`, of any shape.
    name, path : str
        Its name and its file.
    n_rows : int
        Number of its records; 0 is allowed.

    Raises
    ------
    RecordError
        If it holds other things than numbers, more rows than the file has bytes, or
        more than `MOST_BYTES` in a row or in a chunk.
    """
    where, shape = f"{printable(path)}: its {printable(name)}", dataset.shape
    if dataset.dtype.kind not in "fiu":
        raise RecordError(
            Reason.UNREADABLE_SIGNAL,
            f"{where} is of type {str(dataset.dtype)[:40]}; expected numbers",
        )
    if n_rows > min(_MOST_ROWS, file_size(path, Reason.UNREADABLE_HEADER)):
        raise RecordError(
            Reason.TOO_LARGE,
            f"{where} is of the shape {shape}; expected at most {_MOST_ROWS} records, "
            "and no more than the file has bytes",
        )
    chunk, row = math.prod(dataset.chunks or (0,)), math.prod(shape) // max(n_rows, 1)
    if max(chunk, row) * 8 > MOST_BYTES:
        raise RecordError(
            Reason.TOO_LARGE,
            f"{where} is of the shape {shape} in chunks of {dataset.chunks}; expected "
            f"at most {MOST_BYTES} bytes in a record and in a chunk",
        )
