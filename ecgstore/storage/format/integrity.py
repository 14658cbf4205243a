"""Digests of a store's content: written at the end of a build, compared by `verify`."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import google_crc32c
import h5py
import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import UInt8Array, UInt32Array
from ecgstore.storage.format.dataset_spec import LINKS
from ecgstore.storage.format.digest_table import DATASETS, DIGESTS, NOT_LISTED
from ecgstore.storage.format.schema import CHECKED_SAMPLES, SHA256, SIGNALS
from ecgstore.storage.format.stored_values import encoded, text, texts

BLOCK_BYTES: Final = 1 << 20


def row_checksum(row: bytes | UInt8Array) -> int:
    """Return the CRC-32C of a row's bytes, as in `/checksums`.

    Examples
    --------
    >>> hex(row_checksum(b"123456789"))  # the check value of CRC-32C (RFC 3720)
    '0xe3069283'
    """
    return int(google_crc32c.value(bytes(row)))


def block_checksums(row: NDArray[Any]) -> UInt32Array:
    """Return the CRC-32C of the blocks of a row, as in `/block_checksums`.

    Parameters
    ----------
    row : ndarray of shape (n_leads, n_samples)
        Samples as they are stored.

    Returns
    -------
    ndarray of shape (n_leads, n_blocks)
        Checksums of each lead's `CHECKED_SAMPLES` samples from 0 on, and so on; the
        last block may have fewer.
    """
    begins = range(0, row.shape[1], CHECKED_SAMPLES)
    return np.array(
        [
            [row_checksum(lead[at : at + CHECKED_SAMPLES].tobytes()) for at in begins]
            for lead in row
        ],
        np.uint32,
    ).reshape(len(row), len(begins))


def dataset_paths(file: h5py.File) -> list[str]:
    """Return the paths of all datasets, sorted."""
    paths: list[str] = []

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            paths.append(name)

    file.visititems(visit)
    return sorted(paths)


def dataset_digests(file: h5py.File) -> dict[str, str]:
    """Return the SHA-256 of every dataset but those made of the digests, by path.

    It covers the elements in C order and then the name and the stored bytes of each
    attribute except the digest itself, sorted by name. The elements of `/signals` are
    left out: `/checksums`, which is one of these datasets, covers them row by row. So
    are the references from axes to dimensions and back, which are addresses in the
    file: `structure_differences` follows them.
    """
    listed = (path for path in dataset_paths(file) if path not in NOT_LISTED)
    return {path: dataset_digest(file[path]) for path in listed}


def wrong_digests(file: h5py.File, digests: Mapping[str, str]) -> dict[str, str]:
    """Return a message for every dataset that differs from its digest, by path.

    Parameters
    ----------
    file : h5py.File
        The file, which has the digests of its datasets.
    digests : Mapping
        The digests computed from the content; see `dataset_digests`.
    """
    stored = stored_digests(file)
    expected = {path: stored.get(path, "no digest") for path in digests}
    return {
        path: f"SHA-256 is {digest}, expected {expected[path]}"
        for path, digest in digests.items()
        if digest != expected[path]
    }


def stored_digests(file: h5py.File) -> dict[str, str]:
    """Return the digests in the table of a file, or in the attributes of older ones."""
    if DIGESTS in file:
        # A damaged text may be no UTF-8.
        names, digests = (
            [value.decode(errors="replace") for value in file[path][...].tolist()]
            for path in (DATASETS, DIGESTS)
        )
        return dict(zip(names, digests, strict=True))
    return {
        path: text(file[path].attrs[SHA256])
        for path in dataset_paths(file)
        if SHA256 in file[path].attrs
    }


def digest_table(digests: Mapping[str, str], paths: Sequence[str]) -> NDArray[Any]:
    """Return the content of the table of digests.

    Parameters
    ----------
    digests : Mapping
        The digest of every dataset, by path.
    paths : sequence of str
        The coordinate of the table.
    """
    return encoded([digests[path] for path in paths])


def write_digests(file: h5py.File) -> dict[str, str]:
    """Write the SHA-256 of every dataset into the table; return them by path."""
    digests = dataset_digests(file)
    file[DIGESTS][...] = digest_table(digests, texts(file[DATASETS][...]))
    return digests


def dataset_digest(dataset: h5py.Dataset) -> str:
    """Return the SHA-256 of a dataset and its attributes."""
    digest = hashlib.sha256()
    # A dimension without a coordinate has a size, but no elements in the file.
    if dataset.shape == ():
        digest.update(np.asarray(dataset[...]).tobytes())
    elif (
        dataset.name != f"/{SIGNALS}"
        and not dataset.is_virtual
        and dataset.id.get_storage_size()
    ):
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
    """Return names and stored bytes of all attributes except digest and references."""
    content = b""
    for name in sorted(set(item.attrs) - {SHA256, *LINKS}):
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
        The options of the build, as `/config` holds them.
    digests : Mapping
        The digest of every dataset, by path.

    Returns
    -------
    str
        SHA-256 of the line ``config`` and lines ``path digest``, sorted by path.
    """
    lines = [config, *(f"{path} {digests[path]}" for path in sorted(digests))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
