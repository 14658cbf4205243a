"""MATLAB 5 files: every number in them is checked before it is used."""

import contextlib
import io
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.sources.wfdb import matlab5
from ecgstore.sources.wfdb.matlab import read_matlab

COUNTS = np.random.default_rng(0).integers(-3000, 3000, (3, 50))


def saved(variables: dict[str, object], *, compressed: bool = True) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, variables, do_compression=compressed)  # type: ignore[arg-type]
    return buffer.getvalue()


def read(path: Path, content: bytes) -> np.ndarray:
    path.write_bytes(content)
    return read_matlab(str(path), 3, 50)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", ["i2", "i4", "f4", "f8", ">f8"])
def test_counts_of_any_type_are_read(
    tmp_path: Path, kind: str, compressed: bool
) -> None:
    others = {"note": "text", "cells": np.array([1, "a"], dtype=object)}
    content = saved({**others, "ecg": COUNTS.astype(kind)}, compressed=compressed)
    np.testing.assert_array_equal(read(tmp_path / "a.mat", content), COUNTS.T.ravel())


def test_a_matrix_may_follow_another_small_one(tmp_path: Path) -> None:
    """Up to four bytes stand in the second half of a tag."""
    content = saved({"v": np.array([[7]], "u1"), "val": COUNTS.astype("i2")})
    np.testing.assert_array_equal(read(tmp_path / "a.mat", content), COUNTS.T.ravel())


def test_missing_samples_are_missing(tmp_path: Path) -> None:
    values = COUNTS.astype(np.float64)
    values[1, 7] = np.nan
    read_counts = read(tmp_path / "a.mat", saved({"val": values})).reshape(50, 3)
    assert read_counts[7, 1] == -32768
    assert (read_counts == -32768).sum() == 1


@pytest.mark.parametrize(
    ("content", "reason", "detail"),
    [
        (saved({"val": COUNTS.T}), Reason.WRONG_SIGNAL_SIZE, r"\(50, 3\)"),
        (saved({"val": COUNTS / 7}), Reason.UNREADABLE_SIGNAL, "16-bit counts"),
        (saved({"val": COUNTS * 1j}), Reason.WRONG_SIGNAL_SIZE, r"holds \{\}"),
        (saved({"val": COUNTS})[:-9], Reason.UNREADABLE_SIGNAL, "cut off"),
    ],
)
def test_other_files_are_refused(
    tmp_path: Path, content: bytes, reason: Reason, detail: str
) -> None:
    with pytest.raises(RecordError, match=detail) as raised:
        read(tmp_path / "a.mat", content)
    assert raised.value.reason == reason
    assert "MATLAB 4" not in str(raised.value)


def test_a_small_file_cannot_take_more_memory_than_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matlab5, "_MAX_BYTES", 1 << 20)
    bomb = zlib.compress(bytes(1 << 26), 9)
    content = saved({"val": COUNTS})
    content = content[:128] + struct.pack("<2I", 15, len(bomb)) + bomb + content[128:]
    assert len(content) < 1 << 20
    with pytest.raises(RecordError, match="contents of more than"):
        read(tmp_path / "a.mat", content)


@pytest.mark.parametrize("compressed", [False, True])
def test_damaged_files_raise_nothing_else(tmp_path: Path, compressed: bool) -> None:
    rng = random.Random(0)
    content = saved({"val": COUNTS.astype("i2")}, compressed=compressed)
    for _ in range(1000):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        with contextlib.suppress(RecordError):
            read(tmp_path / "a.mat", bytes(damaged))


@pytest.mark.parametrize("shape", [(1,) * 65, (2**31 - 1, 2**31 - 1, 2**31 - 1, 0)])
def test_matrices_of_other_dimensions_are_left_out(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    def element(kind: int, content: bytes) -> bytes:
        return struct.pack("<2I", kind, len(content)) + content.ljust(
            -(-len(content) // 8) * 8, b"\0"
        )

    dimensions = np.array(shape, "<i4").tobytes()
    n_numbers = 1 if 0 not in shape else 0
    matrix = (
        element(6, struct.pack("<2I", 6, 0))
        + element(5, dimensions)
        + element(1, b"odd")
        + element(9, bytes(8 * n_numbers))
    )
    content = saved({"val": COUNTS.astype("i2")}, compressed=False)
    content = content[:128] + element(14, matrix) + content[128:]
    np.testing.assert_array_equal(read(tmp_path / "a.mat", content), COUNTS.T.ravel())
