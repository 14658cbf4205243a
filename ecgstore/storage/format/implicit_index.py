"""Read where the rows of a dataset lie that has an implicit chunk index.

With such an index, chunks lie one behind the other, so that the address of the first
one is all there is to know. The HDF5 library does not say which index a dataset has;
the dataset's header does ("HDF5 File Format Specification Version 3.0", sections
IV.A.1.b and IV.A.2.i).
"""

from io import FileIO
from typing import Final

import h5py
import numpy as np

from ecgstore.storage.format.file_structures import (
    UnexpectedStructureError,
    expect,
    fill,
    header_address,
    is_plain_file,
    read_structure,
)

_HAS_TIMES: Final = 0x20  # flags of an object header
_HAS_PHASE_CHANGE: Final = 0x10
_HAS_ORDER: Final = 0x04
_SIZE_OF_SIZE: Final = 0x03
_TIMES_NBYTES: Final = 16
_PHASE_CHANGE_NBYTES: Final = 4
_CHECKSUM_NBYTES: Final = 4
_LAYOUT: Final = 0x08  # types of messages
_CONTINUATION: Final = 0x10
_LAYOUT_VERSION: Final = 4
_CHUNKED: Final = 2
_SINGLE_CHUNK: Final = 1  # types of an index
_IMPLICIT: Final = 2

_HEADER: Final = np.dtype([("signature", "S4"), ("version", "u1"), ("flags", "u1")])
_MESSAGE: Final = np.dtype([("type", "u1"), ("nbytes", "<u2"), ("flags", "u1")])
_BLOCK: Final = np.dtype([("address", "<u8"), ("nbytes", "<u8")])


def first_row(dataset: h5py.Dataset) -> int | None:
    """Return the offset of the first row, if all lie one behind the other.

    Parameters
    ----------
    dataset : h5py.Dataset
        A dataset with one uncompressed chunk per row, in a file open for reading only.

    Returns
    -------
    int or None
        Offset in bytes from the beginning of the file; None if the index is another
        one, so that the offsets are not known from it.
    """
    if not is_plain_file(dataset.file):
        return None
    try:
        with FileIO(dataset.file.filename) as content:
            offset = _first_chunk(content, header_address(dataset), dataset)
            n_file_bytes = content.seek(0, 2)
    except UnexpectedStructureError:
        return None
    by_library = dataset.id.get_chunk_info_by_coord((0,) * dataset.ndim).byte_offset
    is_in_file = offset + dataset.nbytes <= n_file_bytes
    return offset if is_in_file and offset == by_library else None


def _first_chunk(content: FileIO, address: int, dataset: h5py.Dataset) -> int:
    """Return the address in the layout message of the header at `address`."""
    header = read_structure(content, address, _HEADER)
    expect(header["signature"] == b"OHDR" and header["version"] == 2)
    flags = int(header["flags"])
    begin = address + _HEADER.itemsize
    begin += _TIMES_NBYTES * bool(flags & _HAS_TIMES)
    begin += _PHASE_CHANGE_NBYTES * bool(flags & _HAS_PHASE_CHANGE)
    n_bytes_of_size = 1 << (flags & _SIZE_OF_SIZE)
    size = _number(content, begin, n_bytes_of_size)
    blocks = [(begin + n_bytes_of_size, size)]
    extra = 2 * bool(flags & _HAS_ORDER)
    for first, nbytes in blocks:  # continuation messages append blocks
        expect(len(blocks) < 1000)  # a damaged header may have endless ones
        at, end = first, first + nbytes
        while at + _MESSAGE.itemsize <= end:
            message = read_structure(content, at, _MESSAGE)
            at += _MESSAGE.itemsize + extra
            if message["type"] == _LAYOUT:
                return _address_of_chunks(content, at, dataset)
            if message["type"] == _CONTINUATION:
                block = read_structure(content, at, _BLOCK)
                signature, checksum = 4, _CHECKSUM_NBYTES
                blocks.append(
                    (
                        int(block["address"]) + signature,
                        int(block["nbytes"]) - signature - checksum,
                    )
                )
            at += int(message["nbytes"])
    raise UnexpectedStructureError


def _address_of_chunks(content: FileIO, at: int, dataset: h5py.Dataset) -> int:
    """Return the address in a layout message, if the index needs nothing else."""
    version, kind, _, n_axes, n_bytes_of_axis = _numbers(content, at, 5)
    expect(version == _LAYOUT_VERSION and kind == _CHUNKED)
    expect(n_axes == dataset.ndim + 1 and n_bytes_of_axis <= 8)  # and element size
    at += 5
    sizes = [
        _number(content, at + axis * n_bytes_of_axis, n_bytes_of_axis)
        for axis in range(n_axes)
    ]
    expect(sizes == [1, *dataset.shape[1:], dataset.dtype.itemsize])
    at += n_axes * n_bytes_of_axis
    index = _number(content, at, 1)
    expect(index == (_SINGLE_CHUNK if len(dataset) == 1 else _IMPLICIT))
    return _number(content, at + 1, 8)


def _numbers(content: FileIO, at: int, n: int) -> list[int]:
    """Return some bytes as numbers."""
    values = np.empty(n, np.uint8)
    fill(content, at, values)
    return [int(value) for value in values]


def _number(content: FileIO, at: int, n_bytes: int) -> int:
    """Return an unsigned number, stored with its lowest byte first."""
    return int.from_bytes(bytes(_numbers(content, at, n_bytes)), "little")
