"""The CRC-32C of `row_checksum` as a C function, for kernels.

The package google-crc32c holds Python's lock while it computes a row, so that no other
thread could run while a row is read from a disk. Its extension module is linked against
a C library, whose function kernels can call without the lock.
"""

import ctypes
import functools
from importlib import import_module
from typing import Any, NamedTuple

from ecgstore.storage.format.integrity import row_checksum

_TYPE = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p, ctypes.c_size_t)


class NativeFunction(NamedTuple):
    """A C function and its address, which is valid while the function is referred to.

    Its type is ``uint32_t (const uint8_t *data, size_t n_bytes)``.
    """

    function: Any
    address: int


@functools.cache
def native_crc32c() -> NativeFunction:
    """Return the C function that computes the CRC-32C of some bytes.

    Where the library's function cannot be reached, it is `row_checksum`, called back
    with Python's lock.
    """
    function = _library_function() or _TYPE(_callback)
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None  # that of a function never is
    return NativeFunction(function, address)


def _library_function() -> Any:
    """Return the function of the library google-crc32c; None if there is none."""
    try:
        extension = import_module("google_crc32c._crc32c")
        return ctypes.CDLL(extension.__file__).crc32c_value
    except (ImportError, OSError, AttributeError, TypeError):
        return None


def _callback(data: int, n_bytes: int) -> int:
    """Return the checksum of the bytes at an address."""
    return row_checksum(ctypes.string_at(data, n_bytes))
