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


def check_bytes(dataset: Any, name: str, path: str, n_values: int) -> None:
    """Refuse a dataset of which a part of `n_values`, or a chunk, is too large."""
    chunk = math.prod(dataset.chunks or (0,))
    if max(chunk, n_values) * 8 > MOST_BYTES:
        raise RecordError(
            Reason.TOO_LARGE,
            f"{printable(path)}: its {printable(name)} is of the shape {dataset.shape} "
            f"in chunks of {dataset.chunks}; expected at most {MOST_BYTES} bytes in a "
            "record and in a chunk",
        )
