"""Finding headers in folders, and naming the source they come from."""

import itertools
import os
from pathlib import Path

import pytest

from ecgstore.errors import EcgStoreError
from ecgstore.sources import (
    describe_unreadable,
    find_headers,
    given_headers,
    source_name,
)


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


def _odd_tree(tmp_path: Path) -> tuple[Path, list[str]]:
    """Return a folder of two records and odd links, and the names of those links."""
    root = tmp_path / "root"
    _touch(root, "a/A1.hea", "a/A1.dat", "z/Z1.hea", "notes")
    for name, target in (
        ("b", "b"),
        ("c", "notes/below"),
        ("d", "nowhere"),
        ("Z0.hea", "Z0.hea"),
        ("A1.mat", "nowhere.mat"),
    ):
        (root / name).symlink_to(target)
    return root, ["b", "c", "d"]


def test_odd_links_are_noted_and_the_rest_is_found(tmp_path: Path) -> None:
    root, odd = _odd_tree(tmp_path)
    noted = []
    headers = find_headers(root, lambda path, problem: noted.append((path, problem)))
    found = [path.relative_to(root).as_posix() for path in headers]
    assert found == ["Z0.hea", "a/A1.hea", "z/Z1.hea"]
    assert sorted(path for path, _ in noted) == [str(root / name) for name in odd]
    assert all(problem for _, problem in noted)
    with pytest.raises(EcgStoreError, match="cannot read this folder"):
        list(find_headers(root))
    noted.clear()
    given_headers([root], lambda path, problem: noted.append((path, problem)))
    assert len(noted) == 3


def test_a_folder_that_cannot_be_listed_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _touch(tmp_path, "root/a/A1.hea", "root/b/B1.hea", "root/c/C1.hea")
    root = tmp_path / "root"
    scandir = os.scandir

    def guarded(folder: str) -> object:
        if folder.rstrip("/") == forbidden:
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", guarded)
    forbidden = str(root / "b")
    noted = []
    headers = find_headers(root, lambda *problem: noted.append(problem))
    assert [path.stem for path in headers] == ["A1", "C1"]
    assert noted == [(forbidden, "Permission denied")]
    forbidden = str(root)
    with pytest.raises(EcgStoreError, match="Permission denied"):
        list(find_headers(root, lambda *problem: noted.append(problem)))


@pytest.mark.skipif(not os.path.ismount("/proc"), reason="has no /proc")
def test_links_into_the_folders_of_processes_are_not_followed(tmp_path: Path) -> None:
    _touch(tmp_path, "A1.hea")
    (tmp_path / "processes").symlink_to("/proc")
    (tmp_path / "process").symlink_to("/proc/self")
    noted: list[str] = []
    headers = find_headers(tmp_path, lambda path, _: noted.append(path))
    assert [*headers] == [tmp_path / "A1.hea"]
    assert noted == [str(tmp_path / "process"), str(tmp_path / "processes")]


def test_long_paths_that_cannot_be_read_are_shown_in_part() -> None:
    path = "/".join(map(str, range(5000)))
    sentence = describe_unreadable([(path, "no permission")])
    assert "'0/1/2/" in sentence
    assert "/4998/4999' (no permission)" in sentence
    assert len(sentence) < 300


SEGMENT = "{} 1 500 10\n{}.dat 16 1000/mV 16 0 0 0 0 I\n"
LAYOUT = "{} 2 500 0\n~ 0 1000/mV 16 0 0 0 0 I\n~ 0 1000/mV 16 0 0 0 0 II\n"


def _write_headers(folder: Path, **texts: str) -> None:
    """Write headers, and signal files for those that name one."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.hea").write_text(text.format(name, name))
        if ".dat" in text:
            (folder / f"{name}.dat").touch()


@pytest.mark.parametrize("master", ["a", "m", "z"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("signals_are_there", [True, False])
def test_parts_of_a_record_are_no_records(
    tmp_path: Path, master: str, line_end: str, signals_are_there: bool
) -> None:
    text = "# x\n\n {}/4 1 500 25\nlayout 0\nseg_1 10\n~ 5\nseg_2 10\n"
    _write_headers(
        tmp_path / "records",
        seg_1=SEGMENT,
        seg_2=SEGMENT,
        other=SEGMENT,
        layout=LAYOUT,
        orphaned_layout=LAYOUT,
        **{master: text.replace("\n", line_end)},
    )
    _write_headers(tmp_path / "records" / "below", seg_1=SEGMENT)
    if not signals_are_there:
        for path in tmp_path.rglob("*.dat"):
            path.unlink()
    expected = sorted([f"{master}.hea", "other.hea", "below/seg_1.hea"])
    root = tmp_path / "records"
    assert _headers_below(root) == expected
    assert sorted(given_headers([root])) == [root / name for name in expected]
    segment = root / "seg_1.hea"
    assert [*find_headers(segment)] == [segment]
    assert given_headers([root / "seg_1.dat" if signals_are_there else segment]) == [
        segment
    ]
    assert segment in given_headers([root, segment])


def test_records_that_name_each_other_as_segments_are_all_found(
    tmp_path: Path,
) -> None:
    _write_headers(
        tmp_path,
        a="a/2 1 500 10\nb 5\nb 5\n",
        b="b/2 1 500 5\na 5\nc 5\n",
        c=SEGMENT,
        itself="itself/1 1 500 10\nitself 10\n",
        broken="broken/2 1 500 10\nunnamed 10\n",
        unnamed=SEGMENT,
    )
    assert _headers_below(tmp_path) == [
        "a.hea", "b.hea", "broken.hea", "itself.hea", "unnamed.hea",
    ]  # fmt: skip


def test_ptb_xl_at_100_hz_is_found_last(tmp_path: Path) -> None:
    _touch(tmp_path, "records100/1.hea", "records500/1.hea", "z/1.hea", "z.hea")
    assert _headers_below(tmp_path) == [
        "records500/1.hea", "z.hea", "z/1.hea", "records100/1.hea",
    ]  # fmt: skip


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
        ("cpsc_2018-1.0.2", "cpsc_2018"),
        ("ptb-xl-1.0.1", "ptb-xl"),
        ("PTB-XL_v1.0.3", "ptb-xl"),
        *(
            (f"{name}{version}", source)
            for version in ("", "-1.0", "-1.0.1", "-1.0.2", "-1.0.3", "-1.0.0 (1)")
            for name, source in (
                (
                    "ptb-xl-a-large-publicly-available-electrocardiography-dataset",
                    "ptb-xl",
                ),
                ("ptb-diagnostic-ecg-database", "ptb"),
                (
                    "st-petersburg-incart-12-lead-arrhythmia-database",
                    "st_petersburg_incart",
                ),
                ("lobachevsky-university-electrocardiography-database", "ludb"),
                ("qt-database", "qtdb"),
                (
                    "mimic-iv-ecg-diagnostic-electrocardiogram-matched-subset",
                    "mimic-iv-ecg",
                ),
                ("CODE-15%", "code15"),
            )
        ),
    ],
)
def test_the_folder_names_the_source(folder: str, source: str) -> None:
    root = Path("anywhere")
    assert source_name(root / folder / "g1" / "X1.hea", root) == source
    assert source_name(root / folder / "X1.hea", root / folder) == source
    assert source_name(root / folder / "g1" / "X1.hea", root / folder / "g1") == source


def test_a_version_as_a_folder_is_skipped() -> None:
    for root in ("ptb-xl/1.0.3", "ptb-xl", "."):
        assert (
            source_name(Path("ptb-xl/1.0.3/records500/1.hea"), Path(root)) == "ptb-xl"
        )
    assert source_name(Path("ward/2.1/a/1.hea"), Path("ward/2.1")) == "ward"


def test_the_database_of_two_hospitals_has_the_challenges_sources() -> None:
    folder = Path(
        "a-large-scale-12-lead-electrocardiogram-database-for-arrhythmia-study-1.0.0"
    )
    assert source_name(folder / "01" / "JS10646.hea", folder) == "chapman_shaoxing"
    assert source_name(folder / "01" / "JS10647.hea", folder) == "ningbo"


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
        ("00001_hr", "ptb-xl"),
        ("00001_lr", "ptb-xl"),
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


def test_suffixes_may_be_in_capitals(tmp_path: Path) -> None:
    root = tmp_path / "disc"
    _touch(root, "S0001.HEA", "S0001.MAT", "b/S0002.Hea", "b/S0002.mat", "c.hea.txt")
    assert _headers_below(root) == ["S0001.HEA", "b/S0002.Hea"]
    for header in find_headers(root):
        assert [*find_headers(header)] == [header]
        assert source_name(header, root) == "ptb"
        assert source_name(header, header) == "ptb"
    assert given_headers([root / "S0001.MAT"]) == [root / "S0001.HEA"]


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
    root = tmp_path / "hospital-1.2"
    assert source_name(root / "data" / "1.hea", root) == "hospital"
    assert source_name(root / "1.hea", root / "1.hea") == "hospital"


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
