"""Files of arrays that anyone may give: read whole, or refused in a sentence."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save

from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.models import array_files
from ecgstore.models.array_files import read_arrays, write_arrays
from ecgstore.system.file_format import FileFormat
from ecgstore.system.known_files import known_file

FORMAT = FileFormat("ecgstore numbers", 3, "`the test`")
ARRAYS = {
    "flags": np.array([True, False, True]),
    "none": np.empty((0, 3)),
    "numbers": np.arange(6, dtype=np.int32).reshape(2, 3)[::-1],
}
DESCRIPTION = {"names": ["a", "\u00e4\u2028", "\ud800"], "n": 3}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.safetensors"
    write_arrays(path, FORMAT, ARRAYS, DESCRIPTION)
    return path


def write_header(path: Path, head: Any, **arrays: Any) -> None:
    """Write a file with our entry of the metadata as given."""
    text = head if isinstance(head, str) else json.dumps(head)
    path.write_bytes(save(arrays, {"ecgstore": text}))


def refused(path: Path) -> str:
    """Return why a file is refused, after its name."""
    with pytest.raises(SchemaError) as caught:
        read_arrays(path, FORMAT)
    where, what = str(caught.value).split(": ", 1)
    assert where == str(path)
    return what


def test_what_is_read_is_what_was_written(path: Path) -> None:
    arrays, description = read_arrays(path, FORMAT)
    assert description == DESCRIPTION
    assert [*arrays] == sorted(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert np.array_equal(arrays[name], array)
    content = path.read_bytes()
    write_arrays(path, FORMAT, ARRAYS, DESCRIPTION)
    assert path.read_bytes() == content


def test_other_readers_of_safetensors_read_it(path: Path) -> None:
    with safe_open(path, framework="np") as file:
        assert np.array_equal(file.get_tensor("numbers"), ARRAYS["numbers"])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EcgStoreError, match="no such file or folder; expected an ecg"):
        read_arrays(tmp_path / "a", FORMAT)
    with pytest.raises(EcgStoreError, match="cannot be read"):
        read_arrays(tmp_path, FORMAT)


@pytest.mark.parametrize("change", [np.zeros((1,) * 9), np.zeros(1, "f2")])
def test_arrays_of_other_types_or_many_dimensions_are_refused(
    path: Path, change: Any
) -> None:
    write_header(path, {}, none=change)
    assert "array 'none' is F" in refused(path)


def test_arrays_keep_their_shape(path: Path) -> None:
    shapes: list[tuple[int, ...]] = [(), (1,), (2, 0), (2, 3, 1)]
    written = {str(shape): np.ones(shape) for shape in shapes}
    write_arrays(path, FORMAT, written, {})
    arrays, _ = read_arrays(path, FORMAT)
    assert {name: array.shape for name, array in arrays.items()} == {
        str(shape): shape for shape in shapes
    }


def test_a_flag_is_0_or_1(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.rindex(b"\1\0\1")] = 2
    path.write_bytes(content)
    assert "array 'flags' is neither true nor false" in refused(path)


@pytest.mark.parametrize(
    "others",
    [
        {"numbers": np.arange(2, dtype="i4"), "pulses": np.arange(2, 5, dtype="i4")},
        {"numbers": np.arange(3, dtype="f4"), "pulses": np.arange(3, 5, dtype="i4")},
        {"numbers": np.arange(3, dtype="i4"), "pulse": np.arange(3, 5, dtype="i4")},
    ],
)
def test_the_digest_covers_shapes_types_and_names(
    path: Path, others: dict[str, Any]
) -> None:
    """The bytes of two neighbouring arrays are the same with another boundary."""
    whole = {
        "numbers": np.arange(3, dtype=np.int32),
        "pulses": np.arange(3, 5, dtype=np.int32),
    }
    write_arrays(path, FORMAT, whole, {})
    with safe_open(path, framework="np") as file:
        head = json.loads(file.metadata()["ecgstore"])
    write_header(path, head, **others)
    with pytest.raises(SchemaError, match="damaged, its SHA-256 differs"):
        read_arrays(path, FORMAT)
    write_header(path, head, **whole)
    read_arrays(path, FORMAT)


def test_every_change_is_noticed(path: Path) -> None:
    """Except a change of what fills up the header, or of how its JSON is written."""
    content = path.read_bytes()
    for place in range(len(content)):
        for flip in (1, 0x80):
            changed = bytearray(content)
            changed[place] ^= flip
            path.write_bytes(changed)
            try:
                arrays, description = read_arrays(path, FORMAT)
            except SchemaError:
                continue
            assert description == DESCRIPTION
            assert all(np.array_equal(arrays[n], ARRAYS[n]) for n in ARRAYS)
    for n_bytes in range(len(content)):
        path.write_bytes(content[:n_bytes])
        refused(path)
    path.write_bytes(content + b"\0")
    refused(path)


@pytest.mark.parametrize(
    "head",
    [
        "",
        "[]",
        "null",
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"a":' * 900 + "1" + "}" * 900,
        '{"version": ' + "9" * 5000 + "}",
        '{"format": "ecgstore numbers", "version": NaN}',
    ],
)
def test_a_head_that_is_none_is_refused(path: Path, head: str) -> None:
    write_header(path, head, **ARRAYS)
    refused(path)


def test_metadata_of_others_are_refused(path: Path) -> None:
    for metadata in (None, {}, {"ecgstore": "1"}, {"other": "{}"}):
        path.write_bytes(save({"numbers": np.zeros(2)}, metadata))
        assert refused(path).startswith("no ecgstore numbers file, safetensors finds")


def test_a_file_without_its_digest_is_refused(path: Path) -> None:
    head: dict[str, Any] = {"format": FORMAT.name, "version": 3}
    write_header(path, head, **ARRAYS)
    assert "without its SHA-256" in refused(path)
    write_header(path, {**head, "sha256": ["x"]}, **ARRAYS)
    assert "its SHA-256 differs" in refused(path)


def test_another_format_or_version_is_named(path: Path) -> None:
    write_arrays(path, FileFormat("ecgstore hybrid", 1, ""), ARRAYS, DESCRIPTION)
    assert known_file(path).startswith("a hybrid")
    assert refused(path).startswith("is a hybrid")
    write_arrays(path, FileFormat(FORMAT.name, 4, ""), ARRAYS, DESCRIPTION)
    assert "format version 4; this ecgstore reads version 3" in refused(path)
    path.write_text('{"format": "ecgstore comparison"}')
    assert refused(path).startswith("is the predictions of a comparison")
    path.write_bytes(b"\x89HDF")
    assert refused(path).startswith("no ecgstore numbers file")


def test_what_is_too_large_is_neither_written_nor_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = path.read_bytes()
    path.write_bytes((2**62).to_bytes(8, "little") + content[8:])
    refused(path)
    path.write_bytes(content)
    for name, most in (("_MOST_BYTES", len(content) - 1), ("_MOST_HEADER", 100)):
        with monkeypatch.context() as patch:
            patch.setattr(array_files, name, most)
            refused(path)
            with pytest.raises(EcgStoreError, match="use fewer or shorter names"):
                write_arrays(path, FORMAT, ARRAYS, DESCRIPTION)
    read_arrays(path, FORMAT)
