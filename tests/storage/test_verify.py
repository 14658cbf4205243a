"""Damage: every flipped bit of the content is found and named."""

import contextlib
import random
import shutil
from pathlib import Path

import h5py
import pytest

import ecgstore
from ecgstore.errors import EcgStoreError
from ecgstore.storage.format.integrity import dataset_paths
from ecgstore.storage.format.layout import row_offsets
from ecgstore.storage.verify import verify


@pytest.fixture
def copy(sample_store: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(sample_store, tmp_path / "copy.h5"))


def flip(path: Path, offset: int, bit: int = 0) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ (1 << bit)]))


def test_intact_store_has_no_damage(sample_store: Path) -> None:
    rows: list[int] = []
    assert list(verify(sample_store, rows.append)) == []
    with ecgstore.open(sample_store) as store:
        assert sum(rows) == len(store)


def test_flipped_bit_of_any_dataset_is_named(copy: Path) -> None:
    chance = random.Random(1)
    with h5py.File(copy) as file:
        places = {
            path: (
                int(offset := chance.choice(list(row_offsets(file[path])))),
                max(1, file[path].nbytes // len(file[path])),
                list(row_offsets(file[path])).index(offset),
            )
            for path in dataset_paths(file)
            if len(file[path])
        }
    for path, (offset, row_nbytes, row) in places.items():
        place = offset + chance.randrange(row_nbytes)
        bit = chance.randrange(8)
        flip(copy, place, bit)
        try:
            damages = [str(damage) for damage in verify(copy)]
        except EcgStoreError as error:
            damages = [str(error)]
        flip(copy, place, bit)
        expected = f"/signals row {row} " if path == "signals" else f"/{path}: "
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


def test_changed_options_are_found(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        config = file.attrs["config"].decode().replace('"low_hz": 0.5', '"low_hz": 0.6')
        file.attrs["config"] = config
    assert [damage.where for damage in verify(copy)] == ["/"]


@pytest.mark.parametrize(
    ("path", "attribute", "value"),
    [
        ("signals", "scale_factor", 0.002),
        ("signals", "fs", 250.0),
        ("quality/beats_status", "flag_values", [5, 4, 3, 2, 1, 0]),
    ],
)
def test_changed_attribute_is_found(
    copy: Path, path: str, attribute: str, value: object
) -> None:
    with h5py.File(copy, "r+") as file:
        file[path].attrs.modify(attribute, value)
    assert f"/{path}" in [damage.where for damage in verify(copy)]


def test_swapped_names_are_found(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        for path in ("features", "labels"):
            names = file[path].attrs["names"]
            file[path].attrs.modify("names", names[::-1])
    where = [damage.where for damage in verify(copy)]
    assert where == ["/features", "/labels", "/"]


def test_damaged_structure_never_ends_in_a_traceback(copy: Path) -> None:
    """Flip bits in the file's own structures: an error of ours, or damage found."""
    chance = random.Random(2)
    for _ in range(150):
        offset = chance.choice([chance.randrange(4096), chance.randrange(40_000)])
        bit = chance.randrange(8)
        flip(copy, offset, bit)
        with contextlib.suppress(EcgStoreError):
            list(verify(copy))
        flip(copy, offset, bit)
