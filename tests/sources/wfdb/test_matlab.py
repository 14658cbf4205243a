"""MATLAB 4 files: every number in them is checked before it is used."""

import io
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.sources.wfdb.matlab import read_matlab

N_LEADS, N_SAMPLES = 3, 5
NUMBERS = ("f8", "f4", "i4", "i2", "u2", "u1")
INT32_ENDS = (-(1 << 31), -2, -1, 1 << 30, (1 << 31) - 1)


def _counts(lowest: int = 0) -> np.ndarray:
    """Return counts that every type of numbers can hold."""
    return np.arange(lowest, lowest + N_LEADS * N_SAMPLES).reshape(N_LEADS, N_SAMPLES)


def _variable(
    values: np.ndarray, name: bytes = b"val\0", *, order: str = "<", kind: int = 0
) -> bytes:
    """Return a variable as bytes, with the digits of its type in place."""
    number = NUMBERS.index(values.dtype.str[1:])
    type_ = 1000 * (order == ">") + 10 * number + kind
    head = struct.pack(f"{order}5i", type_, *values.shape, 0, len(name))
    return head + name + values.astype(f"{order}{NUMBERS[number]}").tobytes("F")


def _refused(path: Path, content: bytes, reason: Reason, detail: str = "") -> None:
    """Check that a file is refused with a reason and a detail."""
    path.write_bytes(content)
    with pytest.raises(RecordError) as caught:
        read_matlab(str(path), N_LEADS, N_SAMPLES)
    assert (caught.value.reason, detail in caught.value.detail) == (reason, True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a file to write."""
    return tmp_path / "a.mat"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("number", NUMBERS)
def test_every_type_of_numbers_equals_scipy(
    path: Path, order: str, number: str
) -> None:
    content = b"".join(
        (
            _variable(np.zeros((2, 7), number), b"other\0", order=order),
            _variable(_counts().astype(number), b"text\0", order=order, kind=1),
            _variable(_counts().astype("f8"), b"sparse\0", order=order, kind=2),
            _variable(_counts(7).astype(number), b"signal\0", order=order),
        )
    )
    path.write_bytes(content)
    counts = read_matlab(str(path), N_LEADS, N_SAMPLES)
    expected = loadmat(io.BytesIO(content), variable_names=["signal"])["signal"]  # type: ignore[arg-type]
    np.testing.assert_array_equal(counts.reshape(-1, N_LEADS).T, expected)
    unknown_length = read_matlab(str(path), N_LEADS, 0)
    np.testing.assert_array_equal(unknown_length, counts)


def test_a_complex_variable_is_passed_over(path: Path) -> None:
    variables = {"z": np.full((2, 2), 1j), "val": _counts()}
    savemat(str(path), variables, format="4")
    counts = read_matlab(str(path), N_LEADS, N_SAMPLES)
    np.testing.assert_array_equal(counts.reshape(-1, N_LEADS).T, _counts())


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("value", INT32_ENDS)
def test_impossible_numbers_in_a_variable_are_refused(
    path: Path, order: str, place: int, value: int
) -> None:
    for first in (b"", _variable(np.zeros((2, 2)), order=order)):
        content = bytearray(_variable(_counts().astype("i2"), order=order))
        struct.pack_into(f"{order}i", content, 4 * place, value)
        path.write_bytes(first + content)
        with pytest.raises(RecordError) as caught:
            read_matlab(str(path), N_LEADS, N_SAMPLES)
        assert caught.value.reason in (
            Reason.UNREADABLE_SIGNAL,
            Reason.TRUNCATED_SIGNAL_FILE,
        )


def test_a_negative_size_is_refused(path: Path) -> None:
    content = struct.pack("<5i4s", 30, 12, -1, 0, 4, b"val") + bytes(100)
    _refused(path, content, Reason.UNREADABLE_SIGNAL, "a size of 12 x -1")


@pytest.mark.parametrize(
    ("type_", "problem"),
    [(2030, "type 2030"), (130, "type 130"), (60, "type 60"), (33, "type 33")],
    ids=["byte order of a VAX", "no zero", "no type of numbers", "no kind of matrix"],
)
def test_unknown_types_are_refused(path: Path, type_: int, problem: str) -> None:
    content = _variable(_counts().astype("i2"))
    content = struct.pack("<i", type_) + content[4:]
    _refused(path, content, Reason.UNREADABLE_SIGNAL, problem)


def test_bytes_that_are_no_variable_are_refused(path: Path) -> None:
    content = _variable(_counts().astype("i2"))
    for more in (b"\0", bytes(19)):
        _refused(path, content + more, Reason.UNREADABLE_SIGNAL, "after its last")
    _refused(path, content[:22], Reason.UNREADABLE_SIGNAL, "ends in the name")
    _refused(path, content[:-1], Reason.TRUNCATED_SIGNAL_FILE, "has 53 bytes")


def test_endless_variables_are_refused(path: Path) -> None:
    content = _variable(np.zeros((0, 0), "i2"), b"\0") * 2000
    _refused(path, content, Reason.UNREADABLE_SIGNAL, "more than 1000 variables")


def test_a_huge_file_is_not_read_whole(path: Path) -> None:
    head = struct.pack("<5i2s", 0, 1, 10**9, 0, 2, b"a")
    path.write_bytes(head)
    with path.open("r+b") as file:
        file.truncate(len(head) + 8 * 10**9)  # sparse: takes no space
        file.seek(0, io.SEEK_END)
        file.write(_variable(_counts(9).astype("f8")))
    tracemalloc.start()
    counts = read_matlab(str(path), N_LEADS, N_SAMPLES)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(counts.reshape(-1, N_LEADS).T, _counts(9))
    assert peak < 1_000_000
