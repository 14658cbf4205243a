"""Read structures of an HDF5 file from its bytes, and check what they must be."""

import os
from io import FileIO
from typing import Any, Final

import h5py
import numpy as np

from ecgstore.arrays import UInt8Array

_NO_ADDRESS: Final = 1 << 62  # larger ones are damage, and too large for the system


class UnexpectedStructureError(Exception):
    """The structure of the file is not the one that a module reads."""


def is_plain_file(file: h5py.File) -> bool:
    """Return whether addresses in a file are offsets from the beginning of a disk file.

    A file that is being written is not complete on the disk; addresses in a file with a
    user block do not count from the beginning of the file.
    """
    return (
        file.mode == "r"
        and file.driver in ("sec2", "fileobj")
        and not file.userblock_size
        and file.id.get_create_plist().get_sizes() == (8, 8)
    )


def header_address(dataset: h5py.Dataset) -> int:
    """Return the address of a dataset's object header."""
    # `h5o.get_info` reads every node of an index.
    low, high = h5py.h5g.get_objinfo(dataset.id).objno
    return int(low | high << 32)


def read_structure(content: FileIO, address: int, dtype: np.dtype[Any]) -> np.void:
    """Return the structure at an address."""
    array = np.empty(1, dtype)
    fill(content, address, array.view(np.uint8))
    structure: np.void = array[0]
    return structure


def fill(content: FileIO, address: int, out: UInt8Array) -> None:
    """Fill `out` with the bytes from an address on."""
    expect(address < _NO_ADDRESS)
    if hasattr(os, "preadv"):  # takes half the time
        n_read = os.preadv(content.fileno(), [out.data], address)
    else:
        content.seek(address)
        n_read = content.readinto(out.data)
    expect(n_read == out.size)


def expect(condition: bool | np.bool_) -> None:
    """Raise unless a condition holds."""
    if not condition:
        raise UnexpectedStructureError
