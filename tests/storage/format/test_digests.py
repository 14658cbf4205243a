"""Checksums, digests and the fingerprint, computed again from docs/format.md alone."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

import ecgstore
from ecgstore.storage.format import integrity

Datasets = Callable[[h5py.File], dict[str, h5py.Dataset]]


def crc32c_table() -> list[int]:
    """Return the table of the polynomial 0x1EDC6F41, reflected."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


def crc32c(content: bytes) -> int:
    table = crc32c_table()
    remainder = 0xFFFFFFFF
    for byte in content:
        remainder = table[(remainder ^ byte) & 255] ^ remainder >> 8
    return remainder ^ 0xFFFFFFFF


def test_own_checksum_is_crc32c() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4


def test_checksums_are_those_of_the_bytes_in_the_file(sample_store: Path) -> None:
    content = sample_store.read_bytes()
    with h5py.File(sample_store) as file:
        signals = file["signals"]
        n_bytes = 24 * signals.shape[2]
        for number in range(0, len(signals), 3):
            chunk = signals.id.get_chunk_info(number)
            assert chunk.size == n_bytes
            assert chunk.filter_mask == 0
            row = chunk.chunk_offset[0]
            stored = content[chunk.byte_offset : chunk.byte_offset + n_bytes]
            assert stored == signals[row].astype("<i2").tobytes()
            assert crc32c(stored) == file["checksums"][row]


def test_block_checksums_are_those_of_a_thousand_samples(sample_store: Path) -> None:
    with h5py.File(sample_store) as file:
        signals, checksums = file["signals"], file["block_checksums"]
        assert checksums.shape == (*signals.shape[:2], 5)
        for row, lead, block in ((0, 0, 0), (3, 11, 4), (7, 5, 2)):
            part = signals[row, lead, block * 1000 : (block + 1) * 1000]
            assert crc32c(part.astype("<i2").tobytes()) == checksums[row, lead, block]


def digest_of(path: str, dataset: h5py.Dataset) -> str:
    digest = hashlib.sha256()
    no_content = ("record", "beat", "block", "signature_byte", "quarantine/entry")
    if path not in ("signals", *no_content):
        digest.update(dataset[...].tobytes())
    for name in sorted(dataset.attrs, key=str.encode):
        if name in ("DIMENSION_LIST", "REFERENCE_LIST"):
            continue
        attribute = dataset.attrs.get_id(name)
        stored = np.zeros(attribute.shape, attribute.dtype)
        attribute.read(stored)
        digest.update(name.encode() + stored.tobytes())
    return digest.hexdigest()


def test_digests_and_fingerprint_can_be_computed_again(
    sample_store: Path, datasets: Datasets
) -> None:
    with h5py.File(sample_store) as file:
        lines = [file["config"][()].decode()]
        names = [name.decode() for name in file["digests/dataset"]]
        stored = [digest.decode() for digest in file["digests/sha256"]]
        digests = dict(zip(names, stored, strict=True))
        for path, dataset in sorted(datasets(file).items()):
            if path in ("fingerprint", "digests/sha256"):
                continue
            digest = digest_of(path, dataset)
            assert digests.pop(path) == digest, path
            lines.append(f"{path} {digest}")
        assert digests == {}
        expected = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        assert file["fingerprint"][()].decode() == expected
    with ecgstore.open(sample_store) as store:
        assert store.fingerprint == expected


def test_a_digest_covers_all_of_a_table_that_is_read_in_blocks(
    sample_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with h5py.File(sample_store) as file:
        expected = integrity.dataset_digests(file)
        for n_bytes in (1, 5000):
            monkeypatch.setattr(integrity, "BLOCK_BYTES", n_bytes)
            assert integrity.dataset_digests(file) == expected
