"""Verification names every flipped bit of the content."""

import contextlib
import random
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

import ecgstore
from ecgstore.errors import EcgStoreError
from ecgstore.storage.format.integrity import (
    dataset_digests,
    dataset_paths,
    fingerprint,
    write_digests,
)
from ecgstore.storage.format.row_offsets import row_offsets
from ecgstore.storage.verify import verify


def flip(path: Path, offset: int, bit: int = 0) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ (1 << bit)]))


def seal_again(file: h5py.File) -> None:
    """Make all digests right."""
    write_digests(file)
    changed = fingerprint(file["config"][()].decode(), dataset_digests(file))
    file["fingerprint"][()] = np.bytes_(changed)


def test_intact_store_has_no_damage(sample_store: Path) -> None:
    rows: list[int] = []
    assert list(verify(sample_store, rows.append)) == []
    with ecgstore.open(sample_store) as store:
        assert sum(rows) == len(store)


def test_flipped_bit_of_any_dataset_is_named(copy: Path) -> None:
    chance = random.Random(1)
    with h5py.File(copy) as file:
        locations = {}
        for path in dataset_paths(file):
            dataset = file[path]
            if not dataset.shape:
                locations[path] = (dataset.id.get_offset(), dataset.nbytes, 0)
            elif dataset.id.get_storage_size():
                row = chance.randrange(len(dataset))
                n_bytes = max(1, dataset.nbytes // len(dataset))
                locations[path] = (int(row_offsets(dataset)[row]), n_bytes, row)
    for path, (offset, row_nbytes, row) in locations.items():
        position = offset + chance.randrange(row_nbytes)
        bit = chance.randrange(8)
        flip(copy, position, bit)
        try:
            damages = [str(damage) for damage in verify(copy)]
        except EcgStoreError as error:
            damages = [str(error)]
        flip(copy, position, bit)
        expected = f"/signals row {row} " if path == "signals" else f"/{path}: "
        if path in ("fingerprint", "digests/sha256"):
            expected = "/"  # what was computed differs from what they say
        if path == "config":  # it may be no option any more
            expected = f"{copy}: its config" if len(damages) == 1 else expected
        assert any(damage.startswith(expected) for damage in damages), (path, damages)
        if path == "signals":
            assert len(damages) == 1
    assert list(verify(copy)) == []


def test_each_damaged_row_is_named(copy: Path) -> None:
    with h5py.File(copy) as file:
        offsets = row_offsets(file["signals"])
    with ecgstore.open(copy) as store:
        names = list(store)
    for row in (2, 7):
        flip(copy, int(offsets[row]) + 1000)
    damages = list(verify(copy))
    assert [damage.where for damage in damages] == [
        f"/signals row 2 ({names[2]})",
        f"/signals row 7 ({names[7]})",
    ]


def test_changed_options_are_damage(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        config = file["config"][()].replace(b'"low_hz": 0.5', b'"low_hz": 0.6')
        file["config"][()] = np.bytes_(config)
    assert [damage.where for damage in verify(copy)] == ["/config", "/"]


@pytest.mark.parametrize(
    ("path", "attribute", "value"),
    [
        ("signals", "scale_factor", 0.002),
        ("signals", "fs", 250.0),
        ("quality/beats_status", "flag_values", [5, 4, 3, 2, 1, 0]),
    ],
)
def test_a_changed_attribute_is_damage(
    copy: Path, path: str, attribute: str, value: object
) -> None:
    with h5py.File(copy, "r+") as file:
        file[path].attrs.modify(attribute, value)
    assert f"/{path}" in [damage.where for damage in verify(copy)]


def test_swapped_names_are_damage(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        for path in ("feature", "label"):
            file[path][...] = file[path][...][::-1]
    where = [damage.where for damage in verify(copy)]
    # Names of classes are in the options, too.
    assert where == ["/label", "/feature", "/label", "/"]


def test_damaged_structures_raise_only_our_errors(copy: Path) -> None:
    """Flip bits in the structures of HDF5: verification raises or reports damage."""
    chance = random.Random(2)
    for _ in range(50):
        offset = chance.choice([chance.randrange(4096), chance.randrange(40_000)])
        bit = chance.randrange(8)
        flip(copy, offset, bit)
        with contextlib.suppress(EcgStoreError):
            list(verify(copy))
        flip(copy, offset, bit)


@pytest.mark.parametrize("path", ["signals", "records/age", "state", "quarantine/path"])
def test_a_missing_digest_is_damage(copy: Path, path: str) -> None:
    with h5py.File(copy, "r+") as file:
        names = file["digests/dataset"][...]
        names[names == path.encode()] = b"other"
        file["digests/dataset"][...] = names
    damages = {damage.where: damage.problem for damage in verify(copy)}
    assert "no digest" in damages[f"/{path}"]
    assert "/digests/dataset" in damages


def _software(file: h5py.File) -> None:
    software = file.attrs["software"].replace(b"numpy 2", b"numpy 3")
    file.attrs.modify("software", np.bytes_(software))


def _big_endian(file: h5py.File) -> None:
    """Give the same bytes another meaning, which no digest covers."""
    signals = file["signals"].attrs
    swapped = np.float64(signals["fs"]).byteswap()
    signals.create("fs", swapped, dtype=">f8")


def _fixed_shape(file: h5py.File) -> None:
    names = file["signals"].attrs["leads"]
    file["signals"].attrs.create("leads", names[None], dtype=names.dtype)


@pytest.mark.parametrize(
    ("change", "where", "problem"),
    [
        (_software, "/", "SHA-256 of the attribute software"),
        (_big_endian, "/signals", "attribute fs is of another type"),
        (_fixed_shape, "/signals", "attribute leads is of shape"),
        (
            lambda file: file.attrs.create("note", 1),
            "/",
            "attribute note is no part of the format",
        ),
        (
            lambda file: file.attrs.pop("software_sha256"),
            "/",
            "attribute software_sha256 is missing",
        ),
        (
            lambda file: file["records"].attrs.create("note", 1),
            "/records",
            "attribute note is no part of the format",
        ),
        (lambda file: file.create_group("more"), "/", "holds 'more'"),
        (
            lambda file: file.__setitem__("linked", h5py.SoftLink("/labels")),
            "/",
            "holds 'linked'",
        ),
        (
            lambda file: file.__setitem__("quality/more", [1]),
            "/quality",
            "holds 'more'",
        ),
        (
            lambda file: (
                file.move("folds", "records/other"),
                file.__setitem__("folds", h5py.SoftLink("/records/other")),
            ),
            "/",
            "folds is a link to another place",
        ),
    ],
)
def test_what_no_digest_of_a_dataset_covers_is_damage(
    copy: Path, change: Callable[[h5py.File], object], where: str, problem: str
) -> None:
    with h5py.File(copy, "r+") as file:
        change(file)
    damages = [damage for damage in verify(copy) if damage.where == where]
    assert any(problem in damage.problem for damage in damages)


@pytest.mark.parametrize("value", [0, 2])
def test_a_row_that_was_not_filled_is_damage(copy: Path, value: int) -> None:
    """Even if all digests are right."""
    with h5py.File(copy, "r+") as file:
        file["state"][5] = value
        seal_again(file)
    assert [damage.where for damage in verify(copy)] == ["/state row 5"]


@pytest.mark.parametrize("place", [(0, 0), (4, 2), (11, 4)])
def test_a_wrong_checksum_of_any_block_is_damage(
    copy: Path, place: tuple[int, int]
) -> None:
    """Even if all digests are right."""
    with h5py.File(copy, "r+") as file:
        file["block_checksums"][7, *place] ^= 1
        seal_again(file)
    assert [damage.where for damage in verify(copy)] == ["/block_checksums row 7"]
