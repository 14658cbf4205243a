"""Files of ecgstore are recognised wherever they are given; others are not."""

import json
import os
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from ecgstore.system.known_files import known_file

UNKNOWN = {
    "nothing": b"",
    "text": b"ecgstore model",
    "json": b'{"note": "ecgstore", "formats": "ecgstore model"}',
    "other json": b'{"format": "ecgstore models"}',
    "hdf5": b"\x89HDF\r\n\x1a\n and no more",
    "zip": b"PK\x03\x04 and no more",
    "sqlite": b"SQLite format 3\0",
    "table": b"record_id,reviewed\nA,review\n",
    "binary": b"\0\xff\r\n" * 4096,
    "pickle": pickle.dumps({"format": "ecgstore model"}, 2),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_other_files_are_not_known(name: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(UNKNOWN[name])
    assert known_file(path) == ""


def test_other_content_is_not_known(tmp_path: Path) -> None:
    assert known_file(tmp_path) == known_file(tmp_path / "nothing") == ""
    np.savez(tmp_path / "a.npz", rows=[1], logits=[2])
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["format"] = "other"
    assert known_file(tmp_path / "a.npz") == known_file(tmp_path / "a.h5") == ""


def test_folders_are_known_by_what_they_hold(tmp_path: Path) -> None:
    (tmp_path / "extracted").mkdir()
    assert known_file(tmp_path).startswith("the folder of a comparison")
    (tmp_path / "last.pt").touch()
    assert "training that is not finished" in known_file(tmp_path)
    (tmp_path / "model.safetensors").touch()
    assert known_file(tmp_path).startswith("the folder of a training; ")


def test_files_of_json_are_known_by_their_format(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for indent in (None, 1):
        content = {"format": "ecgstore comparison", "version": 1, "ecgstore": "0.1"}
        path.write_text(json.dumps(content, indent=indent))
        assert known_file(path).startswith("the predictions of a comparison")


def test_files_of_a_build_are_known_by_their_names(tmp_path: Path) -> None:
    journal = tmp_path / "a.h5.partial.scan"
    journal.write_bytes(b"SQLite format 3\0")
    assert known_file(journal).startswith("the journal of an unfinished build")
    unfinished = tmp_path / "a.h5.partial"
    unfinished.write_bytes(UNKNOWN["hdf5"])
    assert known_file(unfinished).startswith("a store that is not finished")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("mine.csv", b"record_id,source,path,sha256,review,review_comment\n"),
        ("mine.csv", b'\xef\xbb\xbfreader;"review"; record_id\r\nmb;A;rejected\r\n'),
        ("mine", b"review\trecord_id"),
        ("q.review.csv", b"spoilt"),
        ("q.review.csv", b""),
    ],
)
def test_decisions_are_known_by_their_columns_or_name(
    name: str, content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert known_file(path).startswith("the decisions of a label round; ")


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() == 0, reason="root may read everything"
)
def test_files_that_cannot_be_read_are_not_known(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"format": "ecgstore comparison"}')
    path.chmod(0)
    assert known_file(path) == ""
