"""Builds write to buckets what they write to folders, each object whole or not."""

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ecgstore
from ecgstore.builder import bucket_destination, uploads
from ecgstore.builder.bucket_destination import BucketDestination
from ecgstore.builder.fill import Filler
from ecgstore.builder.parts_bucket import PartsBucket
from ecgstore.builder.shards import output
from ecgstore.builder.uploads import upload
from ecgstore.cli import main
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError
from ecgstore.sources import find_headers, read_record
from ecgstore.storage.remote import attempts, bucket as bucket_requests
from ecgstore.storage.remote.bucket import Bucket
from tests.bucket_server import BucketServer
from tests.builder.shards.unreliable import Unreliable

Build = Callable[..., Any]
StoppedBuild = Callable[..., None]

ROWS = 4
N_PARTS = 5 << 20
"""Bytes of a part of an upload: services take no smaller ones."""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the cache; failures are repeated at once."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("ECGSTORE_CACHE", str(folder))
    monkeypatch.setattr(attempts, "FIRST_PAUSE_S", 0.001)
    return folder


@pytest.fixture
def server(bucket_server: BucketServer, cache: Path) -> Iterator[BucketServer]:
    """Return the service; after the test, nothing unfinished is left anywhere."""
    yield bucket_server
    assert not bucket_server.unfinished()


@pytest.fixture
def local(dozen_records: Path, tmp_path: Path, build: Build) -> dict[str, bytes]:
    """Return the shards and the collection that a build writes to a folder."""
    folder = tmp_path / "local"
    folder.mkdir()
    build(dozen_records, folder / "all.h5", shard_rows=ROWS)
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*.h5")
        if path.is_file()
    }


def in_folder(objects: dict[str, bytes]) -> dict[str, bytes]:
    """Return objects as those of the folder of the tests."""
    return {f"ecg/{name}": content for name, content in objects.items()}


def uploaded(server: BucketServer) -> list[str]:
    """Return the objects that were written, as often as that was tried."""
    return [one.key for one in server.asked if one.method == "PUT"]


def work(cache: Path) -> list[Path]:
    """Return the unfinished files of builds."""
    return [*cache.glob("builds/*/*")]


def test_shards_and_collection_are_those_of_a_folder(
    dozen_records: Path,
    build: Build,
    server: BucketServer,
    local: dict[str, bytes],
    cache: Path,
) -> None:
    build(dozen_records, server.url("ecg/all.h5"), shard_rows=ROWS)
    assert len(local) == 4
    assert server.contents() == in_folder(local)
    assert not (cache / "builds").exists()
    puts = [one for one in server.asked if one.method == "PUT"]
    assert {one.headers.get("if-none-match") for one in puts} == {"*"}
    assert puts[-1].key == "ecg/all.h5"
    with ecgstore.open(server.url("ecg/all.h5")) as store:
        assert np.isfinite(store.signals(np.arange(len(store)))).all()


def test_workers_that_die_change_no_byte(
    dozen_records: Path, build: Build, server: BucketServer, local: dict[str, bytes]
) -> None:
    """Tasks are sent, done twice, and done again after a death."""
    executor = Unreliable(1)
    options = {"shard_rows": ROWS, "n_workers": None, "executor": executor}
    build(dozen_records, server.url("ecg/all.h5"), **options)
    assert executor.n_deaths
    assert server.contents() == in_folder(local)


def test_threads_write_the_same(
    dozen_records: Path, build: Build, server: BucketServer, local: dict[str, bytes]
) -> None:
    with ThreadPoolExecutor(3) as executor:
        url = server.url("ecg/all.h5")
        build(dozen_records, url, shard_rows=ROWS, n_workers=None, executor=executor)
    assert server.contents() == in_folder(local)


@pytest.mark.parametrize(
    ("owner", "name", "calls"),
    [
        (output, "write_plan", 0),
        (PartsBucket, "commit", 0),
        (PartsBucket, "commit", 2),
        (output, "write_collection", 0),
        (bucket_destination, "upload", 0),
        (output.Shards, "_remove_unfinished", 0),
    ],
)
def test_a_stopped_build_uploads_only_what_is_missing(
    dozen_records: Path,
    build: Build,
    stopped_build: StoppedBuild,
    server: BucketServer,
    local: dict[str, bytes],
    cache: Path,
    owner: Any,
    name: str,
    calls: int,
) -> None:
    url: Any = server.url("ecg/all.h5")
    stopped_build(owner, name, dozen_records, url, calls=calls, shard_rows=ROWS)
    assert work(cache)
    if name == "_remove_unfinished":  # the collection is complete
        with pytest.raises(EcgStoreError, match="exists already"):
            build(dozen_records, url, shard_rows=ROWS)
    else:
        assert "ecg/all.h5" not in server.contents()
        build(dozen_records, url, shard_rows=ROWS)
    assert server.contents() == in_folder(local)
    assert sorted(uploaded(server)) == sorted(in_folder(local))
    assert not work(cache)


@pytest.mark.parametrize("when", ["before", "after"])
def test_requests_that_fail_are_repeated(
    dozen_records: Path,
    build: Build,
    server: BucketServer,
    local: dict[str, bytes],
    when: str,
) -> None:
    """Also if they were done, and only the answer was lost."""
    failed: set[tuple[str, str]] = set()

    def fails(asked: Any) -> str:
        is_first = asked[:2] not in failed
        failed.add(asked[:2])
        return when if is_first else ""

    server.fails = fails
    build(dozen_records, server.url("ecg/all.h5"), shard_rows=ROWS)
    server.fails = lambda asked: ""
    assert server.contents() == in_folder(local)


def test_a_service_that_is_down_is_named(
    dozen_records: Path, build: Build, server: BucketServer, local: dict[str, bytes]
) -> None:
    server.fails = lambda asked: "before" if asked.method == "PUT" else ""
    with pytest.raises(EcgStoreError, match=r"s3://.*cannot be written.*500.*resume"):
        build(dozen_records, server.url("ecg/all.h5"), shard_rows=ROWS)
    server.fails = lambda asked: ""
    assert not server.contents()
    build(dozen_records, server.url("ecg/all.h5"), shard_rows=ROWS)
    assert server.contents() == in_folder(local)


def test_a_shard_that_is_committed_twice_is_one(
    server: BucketServer, local: dict[str, bytes], tmp_path: Path
) -> None:
    parts = PartsBucket.of(server.url("ecg/all.h5"))
    name = "00000-0123456789abcdef.h5"
    file = tmp_path / name
    file.write_bytes(local[max(local)])
    for _ in range(2):
        parts.commit(file, name)
    assert server.contents() == {f"ecg/all.h5.parts/{name}": local[max(local)]}


@pytest.mark.parametrize("change", ["size", "fingerprint"])
def test_a_name_with_another_content_is_refused(
    server: BucketServer, local: dict[str, bytes], tmp_path: Path, change: str
) -> None:
    parts = PartsBucket.of(server.url("ecg/all.h5"))
    name = "00000-0123456789abcdef.h5"
    file = tmp_path / name
    file.write_bytes(local[max(local)])
    other = bytearray(file.read_bytes())
    if change == "size":
        other += b"\0"
    else:
        with ecgstore.open(file) as store:
            other[other.index(store.fingerprint.encode())] ^= 1
    server.put(f"ecg/all.h5.parts/{name}", bytes(other))
    with pytest.raises(EcgStoreError, match=r"is not the shard of this name.*delete"):
        parts.commit(file, name)
    assert server.contents() == {f"ecg/all.h5.parts/{name}": bytes(other)}


def test_a_shard_that_cannot_be_read_is_not_taken_for_another(
    server: BucketServer,
    local: dict[str, bytes],
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its user would delete it; and shards of a collection would never be removed."""
    monkeypatch.delattr("os.memfd_create")  # as on systems other than Linux
    parts = PartsBucket.of(server.url("ecg/all.h5"))
    assert parts.of_collection() == []
    for name, content in in_folder(local).items():
        server.put(name, content)
    name, *_ = names = parts.of_collection()
    assert len(names) == len(local) - 1
    with ecgstore.open(parts.bucket.url(name), cache=tmp_path / "other") as store:
        n_rows = len(store)
    assert parts.holds(name, n_rows)
    server.fails = lambda asked: "before" if asked.method == "GET" else ""
    with pytest.raises(EcgStoreError, match="cannot be read"):
        parts.holds(name, n_rows)
    with pytest.raises(EcgStoreError, match="cannot be read"):
        parts.of_collection()
    with pytest.raises(EcgStoreError, match="cannot be read"):
        parts.bucket.read(name, 0, 8)
    server.fails = lambda asked: ""
    server.put("ecg/all.h5", b"something else")
    assert parts.of_collection() == []
    assert not cache.exists()


def test_something_else_under_the_name_of_a_shard_ends_a_build(
    dozen_records: Path, build: Build, server: BucketServer, local: dict[str, bytes]
) -> None:
    key = in_folder(local).keys() - {"ecg/all.h5"}
    first, second = sorted(key)[:2]
    for content in (b"something else", local[second.removeprefix("ecg/")][:-4]):
        server.put(first, content)
        with pytest.raises(EcgStoreError, match="is not the shard of this name"):
            build(dozen_records, server.url("ecg/all.h5"), shard_rows=ROWS)
        server.delete(first)
    build(dozen_records, server.url("ecg/all.h5"), shard_rows=ROWS)
    assert server.contents() == in_folder(local)


def test_without_a_cache_unfinished_files_are_where_caches_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("ECGSTORE_CACHE", "off")
    local = BucketDestination("s3://bucket/one.h5").local
    assert local.is_relative_to(tmp_path / "ecgstore" / "builds")


def test_one_of_many_writers_is_first(server: BucketServer, tmp_path: Path) -> None:
    bucket = Bucket(server.url("ecg"))
    files = [tmp_path / f"{number}" for number in range(8)]
    lost: list[Path] = []
    barrier = threading.Barrier(len(files))

    def write(file: Path) -> None:
        file.write_bytes(file.name.encode() * 100_000)
        barrier.wait()
        try:
            bucket.put(file, "one", replace=False)
        except FileExistsError:
            lost.append(file)

    with ThreadPoolExecutor(len(files)) as executor:
        list(executor.map(write, files))
    (winner,) = set(files).difference(lost)
    assert server.contents() == {"ecg/one": winner.read_bytes()}


def test_one_file_is_that_of_a_folder(
    dozen_records: Path,
    tmp_path: Path,
    build: Build,
    server: BucketServer,
    cache: Path,
) -> None:
    one = build(dozen_records, tmp_path / "one.h5").read_bytes()
    build(dozen_records, server.url("one.h5"))
    assert server.contents() == {"one.h5": one}
    assert not (cache / "builds").exists()
    with pytest.raises(EcgStoreError, match=r"s3://bucket/one\.h5: exists already"):
        build(dozen_records, server.url("one.h5"))


@pytest.mark.parametrize("owner", [bucket_destination, Path])
def test_one_file_that_was_filled_is_not_filled_again(
    dozen_records: Path,
    tmp_path: Path,
    build: Build,
    stopped_build: StoppedBuild,
    server: BucketServer,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
) -> None:
    """Stopped before the upload, and between upload and the removal of the file."""
    one = build(dozen_records, tmp_path / "one.h5").read_bytes()
    url: Any = server.url("one.h5")
    if owner is bucket_destination:
        stopped_build(owner, "upload", dozen_records, url)
        assert not server.contents()
    else:
        put = uploads.upload

        def uploading(*arguments: Any, **options: Any) -> None:
            put(*arguments, **options)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(bucket_destination, "upload", uploading)
            with pytest.raises(KeyboardInterrupt):
                build(dozen_records, url)
    assert work(cache)

    def filling(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(Filler, "__call__", filling)
    if owner is bucket_destination:
        build(dozen_records, url)
    else:
        with pytest.raises(EcgStoreError, match="exists already"):
            build(dozen_records, url)
    assert server.contents() == {"one.h5": one}
    assert not work(cache)


def test_a_store_is_replaced_when_asked_and_its_shards_are_removed(
    dozen_records: Path,
    tmp_path: Path,
    build: Build,
    server: BucketServer,
    local: dict[str, bytes],
) -> None:
    url = server.url("ecg/all.h5")
    server.put("ecg/all.h5.parts/mine.txt", b"mine")
    other = Config(beats="none", high_hz=30.0)
    build(dozen_records, url, other, shard_rows=ROWS)
    with pytest.raises(EcgStoreError, match=r"exists already.*--overwrite"):
        build(dozen_records, url, shard_rows=ROWS)
    build(dozen_records, url, shard_rows=ROWS, overwrite=True)
    mine = {"ecg/all.h5.parts/mine.txt": b"mine"}
    assert server.contents() == {**in_folder(local), **mine}
    one = build(dozen_records, tmp_path / "one.h5").read_bytes()
    build(dozen_records, url, overwrite=True)
    assert server.contents() == {"ecg/all.h5": one, **mine}


def test_a_store_that_appears_meanwhile_is_not_replaced(
    dozen_records: Path,
    build: Build,
    server: BucketServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = server.url("one.h5")

    def late(*arguments: Any, **options: Any) -> None:
        server.put("one.h5", b"precious")
        upload(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(bucket_destination, "upload", late)
        with pytest.raises(EcgStoreError, match="made by another program"):
            build(dozen_records, url)
    assert server.contents() == {"one.h5": b"precious"}
    build(dozen_records, url, overwrite=True)
    with ecgstore.open(url) as store:
        assert len(store) > 0


@pytest.mark.parametrize("n_bytes", [2 * N_PARTS, 2 * N_PARTS + 1])
def test_large_files_are_sent_in_parts(
    server: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_bytes: int
) -> None:
    monkeypatch.setattr(bucket_requests, "_PART_BYTES", N_PARTS)
    bucket, file = Bucket(server.url("ecg")), tmp_path / "large"
    content = np.random.default_rng(0).bytes(n_bytes)
    file.write_bytes(content)
    bucket.put(file, "large", replace=True)
    assert server.contents() == {"ecg/large": content}
    queries = [one.query for one in server.asked if "partNumber" in one.query]
    assert len(queries) == -(-n_bytes // N_PARTS)
    server.delete("ecg/large")
    # One that is too large for a single request is looked for before it is sent.
    monkeypatch.setattr(bucket_requests, "_LARGEST_PUT", N_PARTS)
    bucket.put(file, "large", replace=False)
    with pytest.raises(FileExistsError):
        bucket.put(file, "large", replace=False)
    assert server.contents() == {"ecg/large": content}


def test_parts_of_a_failed_upload_are_removed(
    server: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_requests, "_PART_BYTES", N_PARTS)
    bucket, file = Bucket(server.url("ecg")), tmp_path / "large"
    file.write_bytes(bytes(2 * N_PARTS))
    server.put("ecg/large", b"older")
    server.fails = lambda asked: (
        "before" if asked.method == "POST" and "uploadId" in asked.query else ""
    )
    with pytest.raises(EcgStoreError, match="cannot be written, after 9 attempts"):
        bucket.put(file, "large", replace=True)
    server.fails = lambda asked: ""
    assert not server.unfinished()
    assert server.contents() == {"ecg/large": b"older"}


def test_a_missing_bucket_is_named_before_anything_is_read(
    tmp_path: Path, build: Build, server: BucketServer, cache: Path
) -> None:
    for url in ("s3://nobody/one.h5", "s3://nobody/ecg/one.h5"):
        with pytest.raises(EcgStoreError, match=rf"{url}: there is no such bucket"):
            build(tmp_path, url)
    assert not cache.exists()


def test_missing_credentials_are_named(
    tmp_path: Path,
    build: Build,
    server: BucketServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(attempts, "_MACHINE_ROLES", "127.0.0.1:9")
    with pytest.raises(EcgStoreError, match="credentials are missing"):
        build(tmp_path, server.url("one.h5"))


def test_a_missing_library_is_named(
    tmp_path: Path,
    build: Build,
    server: BucketServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(EcgStoreError, match=r"pip install 'ecgstore\[cloud\]'"):
        build(tmp_path, server.url("one.h5"))


@pytest.mark.parametrize("scheme", ["https", "http", "hf"])
def test_other_urls_are_refused(tmp_path: Path, build: Build, scheme: str) -> None:
    with pytest.raises(EcgStoreError, match=r"nothing can be written there; expected"):
        build(tmp_path, f"{scheme}://host/folder/one.h5")


def test_records_that_a_program_gives_go_to_a_bucket(
    dozen_records: Path, server: BucketServer, tmp_path: Path
) -> None:
    config = Config(beats="none", select="all")
    for out in (tmp_path / "given.h5", server.url("given.h5")):
        records = (read_record(header) for header in find_headers(dozen_records))
        ecgstore.build_from(records, out, config, n_workers=1, quiet=True)
    assert server.contents() == {"given.h5": (tmp_path / "given.h5").read_bytes()}


def test_the_command_says_where_it_works(
    dozen_records: Path,
    server: BucketServer,
    cache: Path,
    capsys: pytest.CaptureFixture[str],
    local: dict[str, bytes],
) -> None:
    out = server.url("ecg/all.h5")
    options = ["--shard-rows", str(ROWS), "--beats", "none", "--workers", "1"]
    with pytest.raises(SystemExit) as ended:
        main(["build", str(dozen_records), "-o", out, *options])
    assert not ended.value.code
    assert server.contents() == in_folder(local)
    printed = capsys.readouterr()
    assert f"what is unfinished is in {cache}" in printed.err
    with pytest.raises(SystemExit) as ended:
        main(["build", str(dozen_records), "-o", out, *options])
    assert ended.value.code == 1
    assert f"ecgstore: {out}: exists already" in capsys.readouterr().err


def test_what_is_uploaded_is_compared(server: BucketServer, tmp_path: Path) -> None:
    destination = BucketDestination(server.url("one.h5"))
    damaged = tmp_path / "one.h5.partial"
    damaged.write_bytes(b"not a store")
    with pytest.raises(EcgStoreError, match="is not what was written"):
        destination.put(damaged, overwrite=False)
    assert not server.contents()
    assert not uploads.is_uploaded(damaged, Bucket(server.url("")[:-1]), "one.h5")
