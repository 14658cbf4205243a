"""Cached arrays: names that follow from all inputs, and files that are damaged."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.models.comparison.cache import (
    array_digest,
    cache_path,
    read_cached,
    write_cached,
)

ARRAYS: dict[str, NDArray[Any]] = {
    "rows": np.arange(40),
    "values": np.linspace(0, 1, 40, dtype=np.float32).reshape(8, 5),
    "names": np.array(["trees", "hybrid"]),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = cache_path(tmp_path, "cnn-patients", {"seed": 1})
    write_cached(path, ARRAYS)
    return path


def test_arrays_are_read_as_they_were_written(path: Path) -> None:
    read = read_cached(path, ARRAYS)
    assert [*read] == [*ARRAYS]
    for name, array in ARRAYS.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)
    assert [*path.parent.iterdir()] == [path]


def test_a_name_depends_on_the_identity_alone(tmp_path: Path) -> None:
    path = cache_path(tmp_path, "a", {"seed": 1, "rows": [1, 2]})
    assert path == cache_path(tmp_path, "a", {"rows": [1, 2], "seed": 1})
    assert path != cache_path(tmp_path, "a", {"rows": [2, 1], "seed": 1})
    assert re.fullmatch(r"a-[0-9a-f]{16}\.npz", path.name)
    assert array_digest(np.zeros(3)) != array_digest(np.ones(3))


def test_every_damaged_byte_of_an_array_is_noticed(path: Path) -> None:
    content = path.read_bytes()
    values = ARRAYS["values"].tobytes()
    begin = content.index(values)
    for place in range(begin, begin + len(values), 7):
        damaged = bytearray(content)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(SchemaError, match=rf"{path.name}: is damaged .* remove it"):
            read_cached(path, ARRAYS)


@pytest.mark.parametrize("n_bytes", [0, 2, 100, 500])
def test_an_incomplete_file_is_damaged(path: Path, n_bytes: int) -> None:
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(SchemaError, match=rf"{path.name}: is damaged .* remove it"):
        read_cached(path, ARRAYS)


def test_a_file_without_an_array_or_with_a_pickle_is_damaged(path: Path) -> None:
    with pytest.raises(SchemaError, match="is damaged"):
        read_cached(path, ["rows", "others"])
    np.savez(path, rows=np.array([{}]))
    with pytest.raises(SchemaError, match="is damaged"):
        read_cached(path, ["rows"])


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(EcgStoreError, match=r"gone\.npz: cannot be read .* remove it"):
        read_cached(tmp_path / "gone.npz", ["rows"])
