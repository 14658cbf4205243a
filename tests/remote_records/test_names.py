"""Names that a server gives."""

import os
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from ecgstore.remote_records.names import is_hidden, is_safe


@pytest.mark.parametrize("name", ["A0001.hea", "g1/A0001.mat", "a b/ä.dat", "..a/b.."])
def test_names_of_files_below_a_folder_are_safe(name: str) -> None:
    assert is_safe(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../a",
        "a/../../b",
        "a/./b",
        "/etc/passwd",
        "//host/share",
        "a//b",
        "a/",
        "C:a.hea",
        "c:/a.hea",
        "..\\a",
        "a\\..\\b",
        "a\0.hea",
        "a\nb",
        "a\x1b[2J",
        "a\udc80",
        "a" * 256,
        "ä" * 128,
        "/".join("a" * 33),
    ],
)
def test_other_names_are_not(name: str) -> None:
    assert not is_safe(name)


@given(st.text(st.sampled_from("./\\aC:\0~ \n")))
def test_a_safe_name_stays_below_its_folder(name: str) -> None:
    if is_safe(name):
        folder = Path(os.sep, "some", "folder")
        place = os.path.normpath(folder / name)
        assert Path(place).is_relative_to(folder)
        assert Path(place) == folder / name


def test_hidden_files_are_known() -> None:
    assert is_hidden(".git/a.hea")
    assert is_hidden("a/.b")
    assert not is_hidden("a.b/c.hea")
