"""Finding headers in folders, and naming the source they come from."""

import itertools
import os
from pathlib import Path

import pytest

from ecgstore.errors import EcgStoreError
from ecgstore.sources import find_headers, source_name


def _touch(root: Path, *names: str) -> None:
    """Create empty files and their folders."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def _headers_below(root: Path) -> list[str]:
    """Return the headers below a folder as relative paths."""
    return [path.relative_to(root).as_posix() for path in find_headers(root)]


def test_every_header_in_any_layout_in_sorted_order(tmp_path: Path) -> None:
    _touch(
        tmp_path,
        "b/g2/B2.hea",
        "b/g10/B1.hea",
        "top.hea",
        "a/A2.hea",
        "a/A1.hea",
        "a/A1.mat",
        "a/deep/er/still/D.hea",
        "a/notes.hea.txt",
        "empty/readme",
    )
    assert _headers_below(tmp_path) == [
        "a/A1.hea",
        "a/A2.hea",
        "a/deep/er/still/D.hea",
        "b/g10/B1.hea",
        "b/g2/B2.hea",
        "top.hea",
    ]


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    root = tmp_path / ".hidden_root_is_fine"
    _touch(root, "A1.hea", "._A1.hea", ".git/B1.hea", ".hea")
    assert _headers_below(root) == ["A1.hea"]


def test_the_root_may_be_a_single_header(tmp_path: Path) -> None:
    _touch(tmp_path, "A1.hea", "A2.hea")
    assert list(find_headers(tmp_path / "A1.hea")) == [tmp_path / "A1.hea"]


def test_links_are_followed_but_no_folder_is_read_twice(tmp_path: Path) -> None:
    _touch(tmp_path, "elsewhere/C1.hea", "root/a/A1.hea", "root/z/Z1.hea")
    root = tmp_path / "root"
    (root / "a" / "loop").symlink_to(root, target_is_directory=True)
    (root / "b").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (root / "c").symlink_to(root / "z", target_is_directory=True)
    (root / "linked.hea").symlink_to(root / "a" / "A1.hea")
    assert _headers_below(root) == ["a/A1.hea", "b/C1.hea", "c/Z1.hea", "linked.hea"]


def test_a_dangling_link_is_reported_as_a_header(tmp_path: Path) -> None:
    (tmp_path / "gone.hea").symlink_to(tmp_path / "nowhere.hea")
    assert _headers_below(tmp_path) == ["gone.hea"]


def test_headers_are_yielded_before_later_folders_are_read(tmp_path: Path) -> None:
    _touch(tmp_path, "a/A1.hea", "b/B1.hea")
    headers = find_headers(tmp_path)
    assert next(headers).name == "A1.hea"
    _touch(tmp_path, "b/B2.hea")
    assert [path.name for path in headers] == ["B1.hea", "B2.hea"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "no such folder or file; give the folder"),
        ("A1.mat", "expected a folder"),
    ],
)
def test_a_root_that_is_no_folder_and_no_header_is_an_error(
    tmp_path: Path, name: str, message: str
) -> None:
    _touch(tmp_path, "A1.mat")
    with pytest.raises(EcgStoreError, match=message):
        find_headers(tmp_path / name)


def test_a_folder_that_vanishes_is_an_ecgstore_error(tmp_path: Path) -> None:
    _touch(tmp_path, "a/A1.hea", "b/B1.hea")
    headers = find_headers(tmp_path)
    next(headers)
    (tmp_path / "b" / "B1.hea").unlink()
    (tmp_path / "b").rmdir()
    with pytest.raises(EcgStoreError, match="cannot read this folder"):
        list(headers)


@pytest.mark.parametrize(
    ("folder", "source"),
    [
        ("cpsc_2018", "cpsc_2018"),
        ("cpsc_2018_extra", "cpsc_2018_extra"),
        ("CPSC_2018-Extra", "cpsc_2018_extra"),
        ("st_petersburg_incart", "st_petersburg_incart"),
        ("ptb", "ptb"),
        ("ptb-xl", "ptb-xl"),
        ("ptb_xl", "ptb-xl"),
        ("PTB XL", "ptb-xl"),
        ("ptbxl", "ptb-xl"),
        ("georgia", "georgia"),
        ("Georgia", "georgia"),
        ("chapman_shaoxing", "chapman_shaoxing"),
        ("ningbo", "ningbo"),
        ("WFDB_Ga", "georgia"),
        ("WFDB_CPSC2018_2", "cpsc_2018_extra"),
    ],
)
def test_the_folder_names_the_source(folder: str, source: str) -> None:
    root = Path("anywhere")
    assert source_name(root / folder / "g1" / "X1.hea", root) == source
    assert source_name(root / folder / "X1.hea", root / folder) == source
    assert source_name(root / folder / "g1" / "X1.hea", root / folder / "g1") == source


def test_the_nearest_folder_decides(tmp_path: Path) -> None:
    path = tmp_path / "ptb" / "copies" / "georgia" / "X1.hea"
    assert source_name(path, tmp_path) == "georgia"


@pytest.mark.parametrize(
    ("record_id", "source"),
    [
        ("A0001", "cpsc_2018"),
        ("Q0001", "cpsc_2018_extra"),
        ("I0001", "st_petersburg_incart"),
        ("S0001", "ptb"),
        ("HR00001", "ptb-xl"),
        ("E00001", "georgia"),
        ("JS00001", "flat"),
        ("A0001x", "flat"),
        ("a0001", "flat"),
    ],
)
def test_record_names_determine_the_source_in_a_flat_folder(
    tmp_path: Path, record_id: str, source: str
) -> None:
    root = tmp_path / "flat"
    _touch(root, f"{record_id}.hea", f"{record_id}.mat")
    assert source_name(root / f"{record_id}.hea", root) == source


def test_record_names_count_for_mat_files_only(tmp_path: Path) -> None:
    root = tmp_path / "hospital"
    _touch(root, "S0001.hea", "S0001.dat")
    assert source_name(root / "S0001.hea", root) == "hospital"


def test_folder_below_the_root_goes_before_record_name_before_folder_above(
    tmp_path: Path,
) -> None:
    root = tmp_path / "georgia" / "data"
    _touch(root, "ningbo/A0001.hea", "ningbo/A0001.mat", "A0002.hea", "A0002.mat")
    _touch(root, "1.hea")
    assert source_name(root / "ningbo" / "A0001.hea", root) == "ningbo"
    assert source_name(root / "A0002.hea", root) == "cpsc_2018"
    assert source_name(root / "1.hea", root) == "georgia"


def test_other_sources_have_the_name_of_the_root(tmp_path: Path) -> None:
    root = tmp_path / "ludb"
    assert source_name(root / "data" / "1.hea", root) == "ludb"
    assert source_name(root / "1.hea", root / "1.hea") == "ludb"


def test_the_source_of_a_relative_root_is_the_name_of_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "ptb-xl" / "g1"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    assert source_name(Path("X1.hea"), Path(".")) == "ptb-xl"


def test_every_file_is_found_in_a_wide_and_deep_tree(tmp_path: Path) -> None:
    names = {
        os.path.join(*folders, f"R{k}.hea")
        for folders in itertools.product("ab", "cd", "ef")
        for k in range(20)
    }
    _touch(tmp_path, *names)
    headers = _headers_below(tmp_path)
    assert set(headers) == {Path(name).as_posix() for name in names}
    assert headers == sorted(headers)
