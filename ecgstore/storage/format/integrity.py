"""Digests of a store's content: written at the end of a build, compared by `verify`."""

import hashlib
from collections.abc import Mapping
from typing import Final

import google_crc32c
import h5py
import numpy as np

from ecgstore.arrays import UInt8Array
from ecgstore.storage.format.hdf5 import text
from ecgstore.storage.format.layout import encoded
from ecgstore.storage.format.schema import SHA256, SIGNALS

BLOCK_BYTES: Final = 1 << 20


def row_checksum(row: bytes | UInt8Array) -> int:
    """Return the CRC-32C of a row's bytes, as in `/checksums`.

    Examples
    --------
    >>> hex(row_checksum(b"123456789"))  # the check value of CRC-32C (RFC 3720)
    '0xe3069283'
    """
    return int(google_crc32c.value(bytes(row)))


def dataset_paths(file: h5py.File) -> list[str]:
    """Return the paths of all datasets, sorted."""
    paths: list[str] = []

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            paths.append(name)

    file.visititems(visit)
    return sorted(paths)


def dataset_digests(file: h5py.File) -> dict[str, str]:
    """Return the SHA-256 of every dataset, by path.

    It covers the elements in C order and then the name and the stored bytes of each
    attribute except the digest itself, sorted by name. The elements of `/signals` are
    left out: `/checksums`, which is one of these datasets, covers them row by row.
    """
    return {path: _digest(file[path]) for path in dataset_paths(file)}


def wrong_digests(file: h5py.File, digests: Mapping[str, str]) -> dict[str, str]:
    """Return a message for every dataset that differs from its digest, by path.

    Parameters
    ----------
    file : h5py.File
        The file, whose datasets have their digests as attributes.
    digests : Mapping
        The digests computed from the content; see `dataset_digests`.
    """
    expected = {
        path: text(file[path].attrs.get(SHA256, "no digest")) for path in digests
    }
    return {
        path: f"SHA-256 is {digest}, expected {expected[path]}"
        for path, digest in digests.items()
        if digest != expected[path]
    }


def write_digests(file: h5py.File) -> dict[str, str]:
    """Write the SHA-256 of every dataset into its attribute; return them by path."""
    digests = dataset_digests(file)
    for path, digest in digests.items():
        # Type and width stay the same, so that only these bytes of the file change.
        file[path].attrs.modify(SHA256, encoded(digest))
    return digests


def _digest(dataset: h5py.Dataset) -> str:
    """Return the SHA-256 of a dataset and its attributes."""
    digest = hashlib.sha256()
    if dataset.size and dataset.name != f"/{SIGNALS}":
        row_nbytes = dataset.nbytes // dataset.shape[0]
        step = max(1, BLOCK_BYTES // max(1, row_nbytes))
        for begin in range(0, dataset.shape[0], step):
            digest.update(np.ascontiguousarray(dataset[begin : begin + step]).data)
    digest.update(_attribute_bytes(dataset))
    return digest.hexdigest()


def attributes_digest(file: h5py.File) -> str:
    """Return the SHA-256 of a file's own attributes, without the digest itself.

    It covers the name and the stored bytes of each attribute, sorted by name.
    """
    return hashlib.sha256(_attribute_bytes(file)).hexdigest()


def _attribute_bytes(item: h5py.HLObject) -> bytes:
    """Return names and stored bytes of all attributes except the digest."""
    content = b""
    for name in sorted(set(item.attrs) - {SHA256}):
        attribute = item.attrs.get_id(name)
        value = np.empty(attribute.shape, attribute.dtype)
        attribute.read(value)
        content += name.encode() + value.tobytes()
    return content


def fingerprint(config: str, digests: Mapping[str, str]) -> str:
    """Return the digest that identifies a store's content.

    Parameters
    ----------
    config : str
        The attribute ``config``.
    digests : Mapping
        The digest of every dataset, by path.

    Returns
    -------
    str
        SHA-256 of the line ``config`` and lines ``path digest``, sorted by path.
    """
    lines = [config, *(f"{path} {digests[path]}" for path in sorted(digests))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
