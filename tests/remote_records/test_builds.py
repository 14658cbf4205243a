"""Stores of records below URLs have the same bytes as those of the same folder."""

import filecmp
import hashlib
import os
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import ecgstore
from bench.common.range_server import Server
from ecgstore.builder import ScanReport, survey
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError
from ecgstore.remote_records import download, listing
from tests.remote_records.conftest import lists_records

FAST = Config(beats="none", select="all")


def build(
    sources: str | Path | list[str], out: Path, config: Config = FAST
) -> ScanReport:
    return ecgstore.build_store(sources, out, config, n_workers=1, quiet=True)


def assert_same(url: str | list[str], folder: Path, tmp_path: Path) -> ScanReport:
    """Check that the stores of a URL and of a folder have the same bytes."""
    report = build(url, tmp_path / "url.h5")
    build(folder, tmp_path / "folder.h5")
    assert filecmp.cmp(tmp_path / "url.h5", tmp_path / "folder.h5", shallow=False)
    return report


def copied(cache: Path) -> list[str]:
    """Return the names of all files that are in the cache, in any folder."""
    files = (path for path in cache.rglob("*") if path.is_file())
    return sorted(path.name for path in files)


# -- the same bytes -----------------------------------------------------------


@pytest.mark.parametrize("e_tag", ["strong", "weak", None])
def test_a_url_gives_the_bytes_of_the_folder_whatever_fails(
    server: Server, url: str, served: Path, tmp_path: Path, e_tag: str | None
) -> None:
    server.e_tag = e_tag
    server.faults = {"503": 0.15, "reset": 0.1, "truncated": 0.15}
    report = assert_same(url, served, tmp_path)
    assert report.n_selected
    assert not report.n_quarantined
    assert not report.n_unreadable_paths


def test_one_record_without_and_with_a_suffix(
    url: str, served: Path, tmp_path: Path
) -> None:
    header = next(served.rglob("*.hea"))
    name = header.relative_to(served).with_suffix("").as_posix()
    for number, suffix in enumerate(["", ".hea", ".mat"]):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert_same(f"{url}/{name}{suffix}", header, folder)


def test_several_urls_of_a_host(url: str, served: Path, tmp_path: Path) -> None:
    names = sorted(path.parent.name for path in served.rglob("g1"))[:2]
    build([f"{url}/{name}/g1" for name in names], tmp_path / "url.h5")
    ecgstore.build_store(
        [served / name / "g1" for name in names],
        tmp_path / "folder.h5",
        FAST,
        n_workers=1,
        quiet=True,
    )
    assert filecmp.cmp(tmp_path / "url.h5", tmp_path / "folder.h5", shallow=False)


def test_the_place_of_the_cache_does_not_matter(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = server.folder / "hospital" / "g1"
    folder.mkdir(parents=True)
    header = next(server.folder.rglob("*.hea"))
    for path in (header, header.with_suffix(".mat")):
        # No source has records of this name, so that its folders say where it is from.
        content = path.read_bytes().replace(header.stem.encode(), b"patient")
        (folder / f"patient{path.suffix}").write_bytes(content)
    lists_records(folder.parent)
    monkeypatch.setenv("ECGSTORE_CACHE", str(tmp_path / "ptb-xl"))
    build(server.url("hospital"), tmp_path / "store.h5", Config(select="all"))
    with ecgstore.open(tmp_path / "store.h5") as store:
        assert [*store.records["source"]] == ["hospital"]
        assert [*store.records["path"]] == ["hospital/g1/patient.hea"]


def test_nothing_is_kept_if_the_cache_is_off(
    url: str,
    served: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("ECGSTORE_CACHE", "off")
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    assert_same(url, served, tmp_path)
    assert not [*scratch.iterdir()]


def test_a_dry_run_counts_the_same(url: str, served: Path) -> None:
    here, there = (
        survey(place, FAST, n_workers=1, quiet=True).to_json()
        for place in (served, url)
    )
    assert here == there


# -- what is fetched ----------------------------------------------------------


@pytest.mark.parametrize("e_tag", ["strong", None])
def test_only_what_changed_is_fetched_again(
    server: Server, url: str, served: Path, tmp_path: Path, e_tag: str | None
) -> None:
    server.e_tag = e_tag
    build(url, tmp_path / "first.h5")
    lists = {name for name in server.names if name.endswith("RECORDS")}
    assert len(server.names) == len(set(server.names))
    server.names.clear()
    build(url, tmp_path / "again.h5")
    assert set(server.names) == lists
    header = next(served.rglob("*.hea"))
    os.utime(header, (1e9, 1e9))
    server.names.clear()
    build(url, tmp_path / "changed.h5")
    assert {*server.names} - lists == {header.relative_to(served.parent).as_posix()}


def test_a_stopped_download_goes_on(
    server: Server,
    url: str,
    served: Path,
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(download, "_MOST_IN_A_ROW", 3)
    monkeypatch.setattr(download, "_AT_ONCE", 1)
    lists = len([*served.rglob("RECORDS")])
    fault = server.fault
    monkeypatch.setattr(
        server, "fault", lambda: "reset" if len(server.names) > lists + 6 else fault()
    )
    with pytest.raises(EcgStoreError, match="3 files one after the other"):
        build(url, tmp_path / "url.h5")
    there = copied(cache)
    assert 4 <= len(there) <= 7
    assert not (tmp_path / "url.h5").exists()
    monkeypatch.undo()
    monkeypatch.setenv("ECGSTORE_CACHE", str(cache))
    server.names.clear()
    assert_same(url, served, tmp_path)
    assert not set(there) & {Path(name).name for name in server.names}


def test_records_that_are_listed_no_longer_are_not_stored(
    url: str, served: Path, tmp_path: Path
) -> None:
    n_before = build(url, tmp_path / "first.h5", FAST)
    header = next(served.rglob("*.hea"))
    header.unlink()
    header.with_suffix(".mat").unlink()
    lists_records(served)
    report = assert_same(url, served, tmp_path)
    assert report.n_found == n_before.n_found - 1


def test_several_files_are_fetched_at_the_same_time(
    server: Server, url: str, tmp_path: Path
) -> None:
    folder = sorted((server.folder / "training").iterdir())[-1]
    n_records = len([*folder.rglob("*.hea")])
    assert n_records > 1
    begin = threading.Thread(
        target=build, args=(f"{url}/{folder.name}/g1", tmp_path / "store.h5")
    )
    get = server.fault

    def close_gate() -> str:
        server.gate.clear()  # after the answer to the list
        server.fault = get  # type: ignore[method-assign]
        return ""

    server.fault = close_gate  # type: ignore[method-assign]
    (folder / "g1" / "SHA256SUMS.txt").touch()
    begin.start()
    end = time.monotonic() + 20
    # One waits for the checksums; the others follow when they are there.
    while not server.waiting and time.monotonic() < end:
        time.sleep(0.01)
    server.waiting.clear()
    server.gate.set()
    server.gate.clear()
    while len(server.waiting) < n_records and time.monotonic() < end:
        time.sleep(0.01)
    n_waiting = len(server.waiting)
    server.gate.set()
    begin.join()
    assert n_waiting >= n_records


def test_a_long_file_goes_on_where_it_broke(
    server: Server, served: Path, tmp_path: Path, cache: Path
) -> None:
    file = served / "long.edf"
    file.write_bytes(os.urandom(5_000_000))
    server.fault = lambda: "truncated" if len(server.names) < 2 else ""  # type: ignore[method-assign]
    with pytest.raises(EcgStoreError, match=r"none of 1 record .*long\.edf"):
        build(server.url("training/long.edf"), tmp_path / "store.h5")
    begins = [begin for begin, _ in server.ranges]
    assert 0 == begins[0] < begins[1] < begins[2]
    [copy] = cache.rglob("long.edf")
    assert filecmp.cmp(copy, file, shallow=False)


def test_a_file_that_is_replaced_meanwhile_is_one_version(
    server: Server, served: Path, tmp_path: Path, cache: Path
) -> None:
    """Also from a server that knows no conditions."""
    file = served / "long.edf"
    file.write_bytes(b"1" * 5_000_000)
    later = file.stat().st_mtime + 100
    server.has_conditions = False
    server.fault = lambda: "" if server.names else "truncated"  # type: ignore[method-assign]

    class Replacing(list[tuple[str, str]]):
        def append(self, request: tuple[str, str]) -> None:
            super().append(request)
            if len(self) == 2:  # the rest is asked for
                file.write_bytes(b"2" * 5_000_000)
                os.utime(file, (later, later))

    server.asked = Replacing()
    with pytest.raises(EcgStoreError, match=r"none of 1 record"):
        build(server.url("training/long.edf"), tmp_path / "store.h5")
    [copy] = cache.rglob("long.edf")
    assert copy.read_bytes() == b"2" * 5_000_000


# -- what cannot be fetched ---------------------------------------------------


def test_a_missing_signal_is_in_quarantine_as_in_a_folder(
    url: str, served: Path, tmp_path: Path
) -> None:
    next(served.rglob("*.mat")).unlink()
    report = assert_same(url, served, tmp_path)
    assert report.reasons == {"missing_signal_file": 1}
    assert not report.n_unreadable_paths


def test_a_missing_header_is_told(url: str, served: Path, tmp_path: Path) -> None:
    lists = sorted(served.rglob("g1/RECORDS"))[0]
    lists.write_text(lists.read_text() + "nobody\n")
    report = assert_same(url, served, tmp_path)
    assert report.n_unreadable_paths == 1
    assert any("nobody" in warning for warning in report.warnings)


def test_a_copy_that_the_server_has_lost_is_not_used(
    url: str, served: Path, tmp_path: Path
) -> None:
    build(url, tmp_path / "first.h5")
    next(served.rglob("*.mat")).unlink()
    report = assert_same(url, served, tmp_path)
    assert report.reasons == {"missing_signal_file": 1}


def test_a_wrong_checksum_leaves_a_record_out(
    url: str, served: Path, tmp_path: Path
) -> None:
    files = sorted(served.rglob("*.[hm]*"))
    sums = {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    wrong = files[0].with_suffix(".hea")
    sums[wrong] = "0" * 64
    (served / "SHA256SUMS.txt").write_text(
        "".join(
            f"{digest} {file.relative_to(served).as_posix()}\n"
            for file, digest in sums.items()
        )
    )
    report = build(url, tmp_path / "store.h5", FAST)
    assert report.n_selected == len(sums) // 2 - 1
    assert any("SHA-256" in warning for warning in report.warnings)


def test_no_half_file_has_its_name(
    server: Server,
    url: str,
    served: Path,
    tmp_path: Path,
    cache: Path,
) -> None:
    fault = server.fault
    n_lists = len([*served.rglob("RECORDS")])
    server.fault = lambda: (  # type: ignore[method-assign]
        "truncated" if len(server.names) >= n_lists else fault()
    )
    server.e_tag = None
    with pytest.raises(EcgStoreError, match="attempts"):
        build(url, tmp_path / "store.h5")
    assert copied(cache) == []


@pytest.mark.parametrize("fault", ["end", "503"])
def test_a_list_that_cannot_be_read_ends_the_build(
    server: Server, url: str, tmp_path: Path, fault: str
) -> None:
    server.faults = {fault: 1.0}
    with pytest.raises(EcgStoreError, match=r"training/RECORDS: (has|cannot be read)"):
        build(url, tmp_path / "store.h5")
    assert not [*tmp_path.glob("store.h5*")]


def test_a_file_that_is_too_long_is_left_out(
    url: str, served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = max(served.rglob("*.mat"), key=lambda path: path.stat().st_size)
    monkeypatch.setattr(download, "_MOST_BYTES", longest.stat().st_size)
    with longest.open("ab") as file:
        file.write(b"\0")
    report = build(url, tmp_path / "store.h5", FAST)
    assert report.reasons == {"missing_signal_file": 1}
    assert any("bytes; expected at most" in text for text in report.warnings)


def test_a_folder_that_lists_nothing_is_refused(
    server: Server, url: str, served: Path, tmp_path: Path
) -> None:
    (served / "RECORDS").unlink()
    with pytest.raises(EcgStoreError, match="lists no records; expected a folder"):
        build(url, tmp_path / "store.h5")
    (served / "RECORDS").write_text("nowhere/\n")
    with pytest.raises(EcgStoreError, match="nowhere/RECORDS: there is no such file"):
        build(url, tmp_path / "store.h5")


@pytest.mark.parametrize("name", ["..%2F..%2F..%2F..%2Fvictim", "%2Fvictim"])
def test_a_record_elsewhere_is_refused(
    server: Server, tmp_path: Path, cache: Path, name: str
) -> None:
    victims = [cache / "victim.hea", cache.parent / "victim.hea"]
    cache.mkdir()
    for victim in victims:
        victim.write_text("precious")
    with pytest.raises(EcgStoreError, match="is no name of a file"):
        build(server.url(f"{name}.hea"), tmp_path / "store.h5")
    assert all(victim.read_text() == "precious" for victim in victims)


def test_lists_have_an_end(
    url: str, served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (served / "RECORDS").write_text("".join(f"{number}\n" for number in range(20)))
    monkeypatch.setattr(listing, "_MOST_FILES", 10)
    with pytest.raises(EcgStoreError, match="lists more than 10 files"):
        build(url, tmp_path / "store.h5")


@pytest.mark.parametrize("other", ["folder", "hub", "fragment"])
def test_other_sources_are_refused(
    url: str, served: Path, tmp_path: Path, other: str
) -> None:
    sources: dict[str, Any] = {
        "folder": ([url, served], "build two stores"),
        "hub": ("hf://datasets/a/b/c", "the Hub does not list"),
        "fragment": (f"{url}/../../x", "no name of a folder"),
    }
    given, message = sources[other]
    with pytest.raises(EcgStoreError, match=message):
        build(given, tmp_path / "store.h5")


# -- names that lead out ------------------------------------------------------


def test_nothing_is_written_outside(
    server: Server, url: str, served: Path, tmp_path: Path, cache: Path
) -> None:
    header = next(served.rglob("*.hea"))
    for suffix in (".hea", ".mat"):
        (served.parent / f"outside{suffix}").write_bytes(
            header.with_suffix(suffix).read_bytes()
        )
    names = ["../outside", "/outside", "C:\\outside", "a\0b", "../", "..\\outside"]
    lists = served / "RECORDS"
    lists.write_text(lists.read_text() + "".join(f"{name}\n" for name in names))
    report = assert_same(url, served, tmp_path)
    assert report.n_unreadable_paths == 1
    assert any("6 names that no file below it" in text for text in report.warnings)
    assert not [name for name in copied(cache) if "outside" in name]
    assert not any("outside" in name for name in server.names)


def test_a_header_does_not_name_files_elsewhere(
    server: Server, url: str, served: Path, tmp_path: Path, cache: Path
) -> None:
    header = next(served.rglob("*.hea"))
    (served.parent / "secret.mat").write_bytes(header.with_suffix(".mat").read_bytes())
    text = header.read_text().replace(f"{header.stem}.mat 16", "../../secret.mat 16")
    header.write_text(text)
    report = assert_same(url, served, tmp_path)
    assert report.n_quarantined == 1
    assert "secret.mat" not in copied(cache)
    assert not any("secret" in name for name in server.names)


def test_a_link_in_the_copy_is_not_followed(
    url: str, served: Path, tmp_path: Path, cache: Path
) -> None:
    build(url, tmp_path / "first.h5")
    folder = next(cache.rglob("g1"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.symlink_to(elsewhere)
    report = build(url, tmp_path / "again.h5")
    assert not [*elsewhere.iterdir()]
    assert any("a link leads out" in text for text in report.warnings)


def test_a_file_where_a_folder_is_needed_is_left_out(
    url: str, served: Path, tmp_path: Path
) -> None:
    (served / "a.hea").write_text("a 0 500\n")
    lists = served / "RECORDS"
    lists.write_text(f"a.hea/b\na\n{lists.read_text()}")
    report = build(url, tmp_path / "store.h5")
    assert 1 <= report.n_unreadable_paths <= 2  # the first one that comes is there
    assert report.n_selected


# -- web pages ----------------------------------------------------------------


@pytest.fixture
def pages(served: Path) -> Iterator[str]:
    """Serve the folder by pages of folders, without ranges."""
    for path in served.rglob("RECORDS"):
        path.unlink()

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Handler, directory=str(served.parent))
    )
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_folder_with_pages_needs_no_list(
    pages: str, served: Path, tmp_path: Path
) -> None:
    odd = served / "a b%20#"
    odd.mkdir()
    header = next(served.rglob("*.hea"))
    for path in (header, header.with_suffix(".mat")):
        (odd / path.name).write_bytes(path.read_bytes())
    (odd / "empty.hea").touch()
    (odd / "readme.txt").touch()
    report = assert_same(f"{pages}/training/", served, tmp_path)
    assert report.n_quarantined == 2  # the empty one, and the second one of its name


def test_only_links_below_a_page_count(
    pages: str, served: Path, tmp_path: Path, cache: Path
) -> None:
    links = [
        "../outside/",
        "/outside/",
        "//127.0.0.2/training/",
        "https://elsewhere.invalid/training/",
        "?C=M;O=A",
        "#top",
        "javascript:void(0)",
        "%2e%2e/outside/",
        "..%2foutside.hea",
        "http://[",
    ]
    (served.parent / "outside").mkdir()
    (served.parent / "outside" / "x.hea").touch()
    body = "".join(f'<a href="{link}">x</a>' for link in links)
    folders = "".join(f'<a href="{path.name}/">x</a>' for path in served.iterdir())
    (served / "index.html").write_text(body + folders)
    assert_same(f"{pages}/training", served, tmp_path)
    assert "x.hea" not in copied(cache)
