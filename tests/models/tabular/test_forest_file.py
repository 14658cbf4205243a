"""Trees as files: the same after reading, or refused."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgstore.errors import SchemaError
from ecgstore.models.array_files import write_arrays
from ecgstore.models.tabular import trees
from ecgstore.models.tabular.forest import Forest
from ecgstore.models.tabular.forest_file import FORMAT, read_forest, write_forest
from ecgstore.models.tabular.trees import Trees


@pytest.fixture(scope="module")
def forest() -> Forest:
    """Return small trained trees of three classes, one of them constant."""
    generator = np.random.default_rng(0)
    table = generator.normal(size=(100, 4)).astype(np.float32)
    table[::3, 1] = np.nan
    labels = (table[:, :3] > 0).astype(np.uint8)
    labels[:, 2] = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(trees.OPTIONS, "max_iter", 5)
        return Trees(table, "wxyz", labels, "abc", 0).forest


def assert_equal(read: Forest, written: Forest) -> None:
    """Check names and arrays to the last bit."""
    assert (read.columns, read.label_names) == (written.columns, written.label_names)
    for name, array in written.arrays.items():
        assert read.arrays[name].tobytes() == array.tobytes()


def test_trees_are_the_same_after_reading(forest: Forest, tmp_path: Path) -> None:
    path = tmp_path / "trees.safetensors"
    write_forest(path, forest)
    read = read_forest(path)
    assert_equal(read, forest)
    table = np.random.default_rng(1).normal(size=(20, len(forest.columns)))
    assert np.array_equal(read.probabilities(table), forest.probabilities(table))
    write_forest(str(tmp_path / "again"), read)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_a_damaged_file_is_refused_or_the_same(forest: Forest, tmp_path: Path) -> None:
    path = tmp_path / "trees.safetensors"
    write_forest(path, forest)
    content = path.read_bytes()
    generator = np.random.default_rng(0)
    refusals = []
    for number in range(500):
        changed = bytearray(content)
        for place in generator.integers(len(changed), size=generator.integers(1, 4)):
            # Half of the changes in the header, which is a small part of the file.
            changed[place % 1500 if number % 2 else place] ^= generator.integers(1, 256)
        if number % 5 == 0:
            del changed[generator.integers(len(changed)) :]
        path.write_bytes(changed)
        try:
            assert_equal(read_forest(path), forest)
        except SchemaError as error:
            refusals.append(str(error))
    assert len(refusals) > 450
    assert all(refusal.startswith(f"{path}: ") for refusal in refusals)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"left": np.zeros}, "left of the trees is not usable"),
        (
            {"feature": partial(np.full, fill_value=4)},
            "feature of the trees is not usable",
        ),
        ({"columns": "wxyz"}, "names of the columns are 'wxyz'"),
        ({"columns": None}, "names of the columns are None"),
        ({"label_names": ["a", "b"]}, "baseline of the trees is not usable"),
        ({"label_names": [["a"], "b", "c"]}, "names of the classes are "),
    ],
)
def test_trees_that_cannot_be_walked_are_refused(
    forest: Forest, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    """Their digest is right: someone made them so."""
    path = tmp_path / "trees.safetensors"
    arrays = {
        name: change[name](len(array), dtype=array.dtype) if name in change else array
        for name, array in forest.arrays.items()
    }
    names: dict[str, Any] = {
        "columns": list(forest.columns),
        "label_names": list(forest.label_names),
    }
    write_arrays(path, FORMAT, arrays, {n: change.get(n, names[n]) for n in names})
    with pytest.raises(SchemaError, match="file with unusable content") as caught:
        read_forest(path)
    assert reason in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
