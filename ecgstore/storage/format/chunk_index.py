"""Read the offsets of chunks from the index of a file of version 1, in one pass.

The HDF5 library reports the offset of each chunk by a call of a Python function, which
takes longer than all other steps of opening a store together. The index itself is
simple: a version 1 B-tree with up to 64 chunks per node ("HDF5 File Format
Specification Version 3.0", sections III.A.1, IV.A.1.a and IV.A.2.i).
"""

from collections.abc import Iterator
from io import FileIO
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import IntArray
from ecgstore.storage.format.file_structures import (
    UnexpectedStructureError,
    expect,
    fill,
    header_address,
    is_plain_file,
    read_structure,
)

_MAX_ENTRIES: Final = 64  # of a node, by the library's default
_BLOCK_NODES: Final = 1024  # read at a time, so that memory does not grow with the file
_LAYOUT: Final = 0x08  # types of an object header's messages
_CONTINUATION: Final = 0x10
_CHUNKED: Final = 2

_HEADER: Final = np.dtype(
    [
        ("version", "u1"),
        ("reserved", "u1"),
        ("n_messages", "<u2"),
        ("n_references", "<u4"),
        ("nbytes", "<u4"),
        ("padding", "<u4"),
    ]
)
_MESSAGE: Final = np.dtype(
    [("type", "<u2"), ("nbytes", "<u2"), ("flags", "u1"), ("reserved", "u1", 3)]
)
_BLOCK: Final = np.dtype([("address", "<u8"), ("nbytes", "<u8")])
_CHUNKED_LAYOUT: Final = np.dtype(
    [("version", "u1"), ("class", "u1"), ("n_axes", "u1"), ("root", "<u8")]
)


def chunk_offsets(dataset: h5py.Dataset) -> IntArray | None:
    """Return the offset of every row's chunk, if the index has the expected structure.

    Every structure is checked, so the result is that of the library.

    Parameters
    ----------
    dataset : h5py.Dataset
        A dataset with one uncompressed chunk per row, in a file open for reading only.

    Returns
    -------
    ndarray of shape (n_rows,) or None
        Offsets in bytes from the beginning of the file; None if any structure is
        unexpected, so that the library has to be used.
    """
    if not is_plain_file(dataset.file):
        return None
    try:
        with FileIO(dataset.file.filename) as content:
            root = _root(content, header_address(dataset), dataset.ndim)
            offsets = _leaves(content, root, dataset)
    except UnexpectedStructureError:
        return None
    first = dataset.id.get_chunk_info_by_coord((0,) * dataset.ndim)
    return offsets if offsets[0] == first.byte_offset else None


def _root(content: FileIO, address: int, n_axes: int) -> int:
    """Return the address of the index of the dataset whose header is at `address`."""
    header = read_structure(content, address, _HEADER)
    expect(header["version"] == 1)
    blocks = [(address + _HEADER.itemsize, int(header["nbytes"]))]
    n_left = int(header["n_messages"])
    for begin, nbytes in blocks:  # continuation messages append blocks
        at, end = begin, begin + nbytes
        while n_left and at + _MESSAGE.itemsize <= end:
            message = read_structure(content, at, _MESSAGE)
            at += _MESSAGE.itemsize
            n_left -= 1
            if message["type"] == _LAYOUT:
                layout = read_structure(content, at, _CHUNKED_LAYOUT)
                expect(layout["version"] == 3 and layout["class"] == _CHUNKED)
                expect(layout["n_axes"] == n_axes + 1)  # the last is the element size
                return int(layout["root"])
            if message["type"] == _CONTINUATION:
                block = read_structure(content, at, _BLOCK)
                blocks.append((int(block["address"]), int(block["nbytes"])))
            at += int(message["nbytes"])
    raise UnexpectedStructureError


def _leaves(content: FileIO, root: int, dataset: h5py.Dataset) -> IntArray:
    """Return the offsets of all chunks below the root of the index."""
    n_rows = int(dataset.shape[0])
    row_nbytes = dataset.nbytes // n_rows
    last_offset = content.seek(0, 2) - row_nbytes
    node = _node_dtype(dataset.ndim)
    root_level = int(read_structure(content, root, node)["level"])
    addresses = np.array([root], np.uint64)
    for level in range(root_level, 0, -1):
        blocks = _blocks(content, addresses, node, level)
        addresses = np.concatenate([entries["address"] for entries in blocks])
        expect(len(addresses) <= n_rows)  # a damaged file may have endless nodes
    offsets = np.full(n_rows, -1, np.int64)
    n_entries = 0
    for entries in _blocks(content, addresses, node, 0):
        begins, chunks = entries["begins"], entries["address"]
        expect((entries["nbytes"] == row_nbytes).all())
        expect(not entries["filter_mask"].any() and not begins[:, 1:].any())
        expect((begins[:, 0] < n_rows).all() and (chunks <= last_offset).all())
        offsets[begins[:, 0].astype(np.int64)] = chunks
        n_entries += len(entries)
    # As many entries as rows, and every row has one: each row has exactly one.
    expect(n_entries == n_rows and bool((offsets >= 0).all()))
    return offsets


def _node_dtype(n_axes: int) -> np.dtype[Any]:
    """Return the layout of a node of the index: its head and its entries."""
    entry = np.dtype(
        [
            ("nbytes", "<u4"),
            ("filter_mask", "<u4"),
            ("begins", "<u8", n_axes + 1),  # indices of the chunk's first element
            ("address", "<u8"),
        ]
    )
    return np.dtype(
        [
            ("signature", "S4"),
            ("type", "u1"),
            ("level", "u1"),
            ("n_entries", "<u2"),
            ("siblings", "<u8", 2),
            ("entries", entry, _MAX_ENTRIES),
        ]
    )


def _blocks(
    content: FileIO, addresses: NDArray[np.uint64], node: np.dtype[Any], level: int
) -> Iterator[NDArray[Any]]:
    """Yield the used entries of the nodes of one level, a block of nodes at a time."""
    for begin in range(0, len(addresses), _BLOCK_NODES):
        block = addresses[begin : begin + _BLOCK_NODES]
        nodes = np.empty(len(block), node)
        raw = nodes.view(np.uint8).reshape(len(block), -1)  # (n_nodes, node_nbytes)
        for row, address in zip(raw, block.tolist(), strict=True):
            fill(content, address, row)
        n_entries = nodes["n_entries"]
        expect((nodes["signature"] == b"TREE").all())
        expect((nodes["type"] == 1).all() and (nodes["level"] == level).all())
        expect((n_entries <= _MAX_ENTRIES).all())
        yield nodes["entries"][np.arange(_MAX_ENTRIES) < n_entries[:, np.newaxis]]
