"""Values of JSON files are checked before they take memory."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgstore.errors import SchemaError
from ecgstore.system import json_files
from ecgstore.system.json_files import JsonFiles, JsonValue, stacked


def value_of(value: Any) -> JsonValue:
    return JsonValue(Path("a.json"), "labels", value, "make it again")


def test_a_long_text_among_numbers_is_an_error_in_little_memory() -> None:
    value = value_of(["a" * 100_000, *[""] * 3000])
    tracemalloc.start()
    try:
        with pytest.raises(SchemaError, match="numbers, 0 to 1, in lists of shape"):
            value.numbers((3001,), 0, 1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000


@pytest.mark.parametrize(
    "value",
    [[True, 1], [0, "1"], [0, None], [0], [0, 1, 1], [[0, 1]], [0, [1]], 0, {}, "01"],
)
def test_numbers_are_numbers_in_lists_of_the_shape(value: Any) -> None:
    with pytest.raises(SchemaError, match="shape 2"):
        value_of(value).numbers((2,), 0, 1)


def test_whole_numbers_are_compared_however_large_they_are() -> None:
    with pytest.raises(SchemaError, match="numbers, 0 to 1"):
        value_of([0, 10**400]).numbers((2,), 0, 1)
    found = value_of([[0, 0.5], [1, 10**30]]).numbers((2, 2), 0, 1e40)
    np.testing.assert_array_equal(found, [[0, 0.5], [1, 1e30]])


def test_names_are_short() -> None:
    assert value_of("a" * 1000).name() == "a" * 1000
    with pytest.raises(SchemaError, match="at most 1,000 characters"):
        value_of("a" * 1001).name()
    with pytest.raises(SchemaError, match="at most 1,000 characters"):
        value_of(["a" * 1001]).texts(10)
    with pytest.raises(SchemaError, match="at most 1,000 characters"):
        dict(value_of({"a" * 1001: 1}).items())


def test_the_message_for_a_huge_value_is_made_of_its_start() -> None:
    value = value_of([["x" * 1000] * 1000] * 1000)  # its text: a gigabyte
    with pytest.raises(SchemaError, match="expected a text") as error:
        value.text()
    assert len(str(error.value)) < 500


def test_a_file_of_very_many_empty_lists_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    path.write_text(f"[{'[],' * 500_000}[]]")
    assert len(JsonFiles("make it again").read(path).value) == 500_001
    monkeypatch.setattr(json_files, "MOST_VALUES", 1_000_000)
    with pytest.raises(SchemaError, match="more than 1,000,000 values"):
        JsonFiles("make it again").read(path)


def test_objects_have_a_limited_number_of_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(json_files, "_MOST_NAMES", 2)
    assert len(dict(value_of({"a": 1, "b": 2}).items())) == 2
    with pytest.raises(SchemaError, match="at most 2 values, not 3"):
        dict(value_of({"a": 1, "b": 2, "c": 3}).items())


def test_rows_are_stacked_without_an_array_for_each() -> None:
    rows = [value_of([0])] * 50_000
    tracemalloc.start()
    try:
        found = stacked(rows, (1,), 0, 1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.shape == (50_000, 1)
    assert peak < 2 * found.nbytes
