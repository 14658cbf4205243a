"""Read the offsets of a dataset's chunks from the file's own index, in one pass.

The HDF5 library reports the offset of each chunk by a call of a Python function, which
takes longer than all other steps of opening a store together. The index itself is
simple: a version 1 B-tree with up to 64 chunks per node ("HDF5 File Format
Specification Version 3.0", sections III.A.1, IV.A.1.a and IV.A.2.i).
"""

import os
from collections.abc import Iterator
from io import FileIO
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import IntArray, UInt8Array

_MAX_ENTRIES: Final = 64  # of a node, by the library's default
_BLOCK_NODES: Final = 1024  # read at a time, so that memory does not grow with the file
_NO_ADDRESS: Final = 1 << 62  # larger ones are damage, and too large for the system
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


class _UnexpectedError(Exception):
    """The structure of the file is not the one that this module reads."""


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
    file = dataset.file
    # A file that is being written is not complete on the disk; addresses in a file with
    # a user block do not count from the beginning of the file.
    if file.mode != "r" or file.driver != "sec2" or file.userblock_size:
        return None
    if file.id.get_create_plist().get_sizes() != (8, 8):
        return None
    low, high = h5py.h5g.get_objinfo(dataset.id).objno  # h5o.get_info reads every node
    try:
        with FileIO(file.filename) as content:
            root = _root(content, low | high << 32, dataset.ndim)
            offsets = _leaves(content, root, dataset)
    except _UnexpectedError:
        return None
    first = dataset.id.get_chunk_info_by_coord((0,) * dataset.ndim)
    return offsets if offsets[0] == first.byte_offset else None


def _root(content: FileIO, address: int, n_axes: int) -> int:
    """Return the address of the index of the dataset whose header is at `address`."""
    header = _read(content, address, _HEADER)
    _expect(header["version"] == 1)
    blocks = [(address + _HEADER.itemsize, int(header["nbytes"]))]
    n_left = int(header["n_messages"])
    for begin, nbytes in blocks:  # continuation messages append blocks
        at, end = begin, begin + nbytes
        while n_left and at + _MESSAGE.itemsize <= end:
            message = _read(content, at, _MESSAGE)
            at += _MESSAGE.itemsize
            n_left -= 1
            if message["type"] == _LAYOUT:
                layout = _read(content, at, _CHUNKED_LAYOUT)
                _expect(layout["version"] == 3 and layout["class"] == _CHUNKED)
                _expect(layout["n_axes"] == n_axes + 1)  # the last is the element size
                return int(layout["root"])
            if message["type"] == _CONTINUATION:
                block = _read(content, at, _BLOCK)
                blocks.append((int(block["address"]), int(block["nbytes"])))
            at += int(message["nbytes"])
    raise _UnexpectedError


def _leaves(content: FileIO, root: int, dataset: h5py.Dataset) -> IntArray:
    """Return the offsets of all chunks below the root of the index."""
    n_rows = int(dataset.shape[0])
    row_nbytes = dataset.nbytes // n_rows
    last_offset = content.seek(0, 2) - row_nbytes
    node = _node_dtype(dataset.ndim)
    root_level = int(_read(content, root, node)["level"])
    addresses = np.array([root], np.uint64)
    for level in range(root_level, 0, -1):
        blocks = _blocks(content, addresses, node, level)
        addresses = np.concatenate([entries["address"] for entries in blocks])
        _expect(len(addresses) <= n_rows)  # a damaged file may have endless nodes
    offsets = np.full(n_rows, -1, np.int64)
    n_entries = 0
    for entries in _blocks(content, addresses, node, 0):
        begins, chunks = entries["begins"], entries["address"]
        _expect((entries["nbytes"] == row_nbytes).all())
        _expect(not entries["filter_mask"].any() and not begins[:, 1:].any())
        _expect((begins[:, 0] < n_rows).all() and (chunks <= last_offset).all())
        offsets[begins[:, 0].astype(np.int64)] = chunks
        n_entries += len(entries)
    # As many entries as rows, and every row has one: each row has exactly one.
    _expect(n_entries == n_rows and bool((offsets >= 0).all()))
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
            _fill(content, address, row)
        n_entries = nodes["n_entries"]
        _expect((nodes["signature"] == b"TREE").all())
        _expect((nodes["type"] == 1).all() and (nodes["level"] == level).all())
        _expect((n_entries <= _MAX_ENTRIES).all())
        yield nodes["entries"][np.arange(_MAX_ENTRIES) < n_entries[:, np.newaxis]]


def _read(content: FileIO, address: int, dtype: np.dtype[Any]) -> np.void:
    """Return the structure at an address."""
    array: NDArray[np.void] = np.empty(1, dtype)
    _fill(content, address, array.view(np.uint8))
    structure: np.void = array[0]
    return structure


def _fill(content: FileIO, address: int, out: UInt8Array) -> None:
    """Fill `out` with the bytes from an address on."""
    if address >= _NO_ADDRESS:
        raise _UnexpectedError
    if hasattr(os, "preadv"):  # takes half the time
        n_read = os.preadv(content.fileno(), [out.data], address)
    else:
        content.seek(address)
        n_read = content.readinto(out.data)
    if n_read != out.size:
        raise _UnexpectedError


def _expect(condition: bool | np.bool_) -> None:
    """Raise unless a condition holds."""
    if not condition:
        raise _UnexpectedError
