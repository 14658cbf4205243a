"""What servers and networks do wrong never reaches a batch, and never hangs."""

import hashlib
import multiprocessing
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ecgstore
from bench.common.range_server import Server
from ecgstore import pipes
from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.remote_records.remote_folder import RemoteFolder
from ecgstore.storage.remote import attempts, object_reader, opening
from ecgstore.storage.remote.bucket import Bucket
from ecgstore.storage.remote.object_reader import ObjectReader
from ecgstore.storage.verify import verify
from ecgstore.system.locks import lock_shared


@pytest.fixture
def own(sample_store: Path, tmp_path: Path) -> Iterator[tuple[Server, Path]]:
    """Serve a copy of the sample store, which may be changed."""
    folder = tmp_path / "served"
    folder.mkdir()
    copy = Path(shutil.copy(sample_store, folder / "store.h5"))
    server = Server(folder)
    yield server, copy
    server.close()


def digest_of_epochs(
    place: str | Path, n_epochs: int, leads: list[str] | None = None
) -> str:
    """Return the SHA-256 of all signals of some epochs, or of a window of leads."""
    digest = hashlib.sha256()
    with ecgstore.open(place) as store:
        loader = pipes.loader(
            store,
            8,
            shuffle="full",
            seed=5,
            dtype="int16",
            leads=leads,
            window=None if leads is None else pipes.RandomCrop(1200),
        )
        for _ in range(n_epochs):
            for batch in loader:
                digest.update(np.asarray(batch.signals).tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("leads", [None, ["V1", "aVF"]])
def test_faults_in_transfer_change_no_batch(
    own: tuple[Server, Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    leads: list[str] | None,
) -> None:
    server, copy = own
    monkeypatch.setattr(opening, "_FIRST_BYTES", 1 << 17)  # no checksums of blocks
    expected = digest_of_epochs(copy, 2, leads)
    server.faults = {"503": 0.05, "reset": 0.05, "truncated": 0.05, "wrong": 0.05}
    for seed in range(10):
        monkeypatch.setenv("ECGSTORE_CACHE", str(tmp_path / f"cache{seed}"))
        server.random.seed(seed)
        assert digest_of_epochs(server.url("store.h5"), 2, leads) == expected


def test_tables_are_compared_with_their_digests(
    own: tuple[Server, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, copy = own
    url = server.url("store.h5")
    with ecgstore.open(copy) as store:
        places = {name: place.offset for name, place in store.tables.locations.items()}
    content = bytearray(copy.read_bytes())
    for name, message in (
        ("labels", "/labels: SHA-256"),
        ("records/dx", "/records/dx: SHA-256"),
    ):
        offset = places[name]
        assert offset is not None
        content[offset] ^= 1
        copy.write_bytes(content)
        with pytest.raises(SchemaError, match=message):
            ecgstore.open(url).table(name)
        content[offset] ^= 1
    for where in (content.index(b'"beats"'), content.index(b"ecgstore 0.1.0")):
        content[where + 2] ^= 1
        copy.write_bytes(content)
        with pytest.raises(SchemaError):
            ecgstore.open(url)
        content[where + 2] ^= 1


def test_a_server_that_fails_always_is_named(own: tuple[Server, Path]) -> None:
    server, _ = own
    with ecgstore.open(server.url("store.h5")) as store:
        server.faults = {"503": 1.0}
        with pytest.raises(EcgStoreError, match=r"store\.h5: cannot be read, after 9"):
            store.signals([40])
        server.faults = {"wrong": 1.0}
        with pytest.raises(SchemaError, match="CRC-32C"):
            store.signals([40])
        server.faults = {}
        assert store.signals([40]).any()  # it is asked again
    server.faults = {"reset": 1.0}
    with pytest.raises(EcgStoreError, match="check the address and the connection"):
        ecgstore.open(server.url("store.h5"))


def test_all_requests_are_repeated_for_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of stores, records and builds, as docs/remote.md says."""
    monkeypatch.setattr(attempts, "FIRST_PAUSE_S", 0.1)
    monkeypatch.setattr("random.uniform", lambda *_: 1.0)
    url = "http://127.0.0.1:9"
    asks: list[Callable[[], object]] = [
        lambda: ecgstore.open(f"{url}/store.h5"),
        lambda: RemoteFolder(url).version("A0001.hea"),
        lambda: Bucket(url).size("store.h5"),
    ]
    for ask in asks:
        pauses: list[float] = []

        def wait(_: threading.Event, s: float = 0, to: list[float] = pauses) -> None:
            to.append(s)

        monkeypatch.setattr(threading.Event, "wait", wait)
        with pytest.raises(EcgStoreError, match="after 9 attempts"):
            ask()
        assert len(pauses) == 8
        assert round(sum(pauses)) == 26


@pytest.mark.parametrize("fault", ["silent", "end"])
def test_an_answer_without_an_end_is_an_error(
    own: tuple[Server, Path], monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    server, _ = own
    monkeypatch.setattr(object_reader, "_SILENCE_S", 0.2)
    with ecgstore.open(server.url("store.h5")) as store:
        server.faults = {fault: 1.0}
        with pytest.raises(EcgStoreError, match="after 9 attempts"):
            store.signals([40])


@pytest.mark.parametrize("e_tag", ["strong", "weak", None])
def test_a_replaced_object_is_refused(own: tuple[Server, Path], e_tag: str) -> None:
    server, copy = own
    server.e_tag = e_tag
    url = server.url("store.h5")
    with ecgstore.open(url) as store:
        content = bytearray(copy.read_bytes())
        content[-1] ^= 1
        copy.write_bytes(content)
        os.utime(copy, (1, 1))
        with pytest.raises(EcgStoreError, match="was replaced by another object"):
            store.signals([40])
        with pytest.raises(EcgStoreError, match="was replaced by another object"):
            store.signals([41])
    with ecgstore.open(url) as store:  # the other one, from a cache of its own
        assert store.signals([40]).any()


@pytest.mark.parametrize("e_tag", ["strong", "weak", None])
def test_requests_name_the_version_that_they_want(
    own: tuple[Server, Path], e_tag: str
) -> None:
    server, copy = own
    server.e_tag = e_tag
    with ecgstore.open(server.url("store.h5")) as store:
        store.signals([40, 42])
    first, *others = server.conditions
    assert first == ""
    expected = f'"{copy.stat().st_mtime_ns}"' if e_tag == "strong" else ""
    assert others
    assert set(others) == {expected}


def test_what_is_no_store_is_refused(own: tuple[Server, Path]) -> None:
    server, copy = own
    for name, message in (
        ("missing.h5", "there is no such object"),
        ("", "names no file"),
        ("store.h5#signals", "fragment"),
    ):
        with pytest.raises(EcgStoreError, match=message):
            ecgstore.open(server.url(name))
    (copy.parent / "text.h5").write_text("no store" * 1000)
    with pytest.raises(SchemaError, match="is not an HDF5 file"):
        ecgstore.open(server.url("text.h5"))
    data = Path(__file__).parents[1] / "data"
    shutil.copy(data / "version-1.h5", copy.parent)
    with pytest.raises(SchemaError, match="convert it first"):
        ecgstore.open(server.url("version-1.h5"))
    server.has_ranges = False
    with pytest.raises(EcgStoreError, match="does not send ranges"):
        ecgstore.open(server.url("store.h5"))


def test_a_file_that_is_cut_is_refused(own: tuple[Server, Path]) -> None:
    server, copy = own
    copy.write_bytes(copy.read_bytes()[:-200_000])
    with pytest.raises(SchemaError):
        ecgstore.open(server.url("store.h5"))


def test_the_library_that_is_not_installed_is_named(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(EcgStoreError, match=r"pip install 'ecgstore\[cloud\]'"):
        ecgstore.open(url)


def _read(
    store: ecgstore.Store, row: int, results: "multiprocessing.Queue[str]"
) -> None:
    """Read a row in a process, and send what happens."""
    try:
        results.put(hashlib.sha256(store.signals([row]).tobytes()).hexdigest())
    except EcgStoreError as error:
        results.put(str(error))


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_read_or_say_why_not(url: str, method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    with ecgstore.open(url) as store:
        store.signals([0])
        results = context.Queue()
        process = context.Process(target=_read, args=(store, 30, results))
        process.start()
        answer = results.get(timeout=60)
        process.join()
        if method == "fork":
            assert "spawn" in answer
        else:
            expected = hashlib.sha256(store.signals([30]).tobytes()).hexdigest()
            assert answer == expected


def test_a_forked_process_cannot_open_a_url(url: str) -> None:
    with ecgstore.open(url) as store:
        store.signals([0])
    assert attempts._used_by == os.getpid()
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            ecgstore.open(url)
            os.write(write_end, b"opened")
        except EcgStoreError as error:
            os.write(write_end, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert b"forkserver" in os.read(read_end, 1000)


def test_damage_in_the_cache_is_fetched_again(
    url: str, server: Server, sample_store: Path, cache: Path
) -> None:
    with ecgstore.open(url) as store:
        store.signals(range(len(store)))
        offsets = store.signal_rows.offsets[np.array([20])]
    (mirror,) = cache.rglob("*.mirror")
    with mirror.open("r+b") as file:
        file.seek(int(offsets[0]) + 100)
        file.write(b"\0" * 1000)
    n = len(server.ranges)
    with ecgstore.open(url) as store, ecgstore.open(sample_store) as local:
        rows = np.arange(len(local))
        assert (store.signals(rows) == local.signals(rows)).all()
    assert len(server.ranges) == n + 2  # the head and the row


def test_the_cache_is_limited(
    own: tuple[Server, Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, copy = own
    names = ["a.h5", "b.h5", "c.h5"]
    for name in names:
        shutil.copy(copy, copy.with_name(name))
    monkeypatch.setenv("ECGSTORE_CACHE_GB", "0.008")  # of one store
    for name in names:
        with ecgstore.open(server.url(name)) as store:
            store.signals(range(len(store)))
    with ecgstore.open(server.url("c.h5")) as in_use:
        in_use.signals([1])
        ecgstore.open(server.url("a.h5")).close()
        assert {path.name for path in cache.rglob("*.mirror")} == {
            "a.h5.mirror",
            "c.h5.mirror",
        }
        monkeypatch.setenv("ECGSTORE_CACHE_GB", "many")
        with pytest.raises(EcgStoreError, match="ECGSTORE_CACHE_GB is 'many'"):
            ecgstore.open(server.url("b.h5"))


def test_what_is_in_use_stays_in_the_cache(
    own: tuple[Server, Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, copy = own
    shutil.copy(copy, copy.with_name("other.h5"))
    monkeypatch.setenv("ECGSTORE_CACHE_GB", "0")
    with ecgstore.open(server.url("store.h5")) as store:
        ecgstore.open(server.url("other.h5")).close()
        assert len([*cache.rglob("*.mirror")]) == 2
        store.signals([40])
    ecgstore.open(server.url("other.h5")).close()
    assert [path.name for path in cache.rglob("*.mirror")] == ["other.h5.mirror"]
    assert len([*cache.iterdir()]) == 1


def test_an_entry_removed_before_it_is_locked_is_made_again(
    url: str, cache: Path, monkeypatch: pytest.MonkeyPatch, sample_store: Path
) -> None:
    removed: list[Path] = []

    def lock_late(descriptor: int) -> None:
        if not removed:  # another process was faster
            [folder] = cache.iterdir()
            shutil.rmtree(folder)
            removed.append(folder)
        lock_shared(descriptor)

    monkeypatch.setattr("ecgstore.storage.remote.cache.lock_shared", lock_late)
    with ecgstore.open(url) as store, ecgstore.open(sample_store) as local:
        assert (store.signals([40]) == local.signals([40])).all()
    assert removed[0].exists()


def test_what_reads_the_file_itself_refuses_a_part_of_it(
    url: str, sample_store: Path, tmp_path: Path
) -> None:
    with ecgstore.open(url) as store, pytest.raises(EcgStoreError, match="fetch"):
        list(verify(store.path))
    with pytest.raises(EcgStoreError, match=r"is a URL; expected a file.*fetch"):
        ecgstore.label_store(url, classes="cinc2020")
    assert list(verify(url)) == []
    for name, place in (("remote", url), ("local", sample_store)):
        with ecgstore.open(place) as store:
            selection = store.select(rows=[30, 31])
            ecgstore.write_subset(selection, tmp_path / f"{name}.h5")
    copies = [(tmp_path / f"{name}.h5").read_bytes() for name in ("remote", "local")]
    assert copies[0] == copies[1]


def test_missing_credentials_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    # There is no such service on this machine; an answer of a proxy is no role, either.
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(attempts, "_MACHINE_ROLES", "127.0.0.1:9")
    with pytest.raises(EcgStoreError, match="credentials are missing"):
        ecgstore.open("s3://bucket/store.h5")


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore::ecgstore.errors.SlowPatternWarning")
def test_workers_of_data_loaders_read_or_say_why_not(
    url: str, sample_store: Path, method: str
) -> None:
    with ecgstore.open(url) as store, ecgstore.open(sample_store) as local:
        store.signals([0])
        dataset = store.as_dataset(fields=("signals",), dtype="int16")
        loader: Any = torch.utils.data.DataLoader(
            dataset, batch_size=8, num_workers=2, multiprocessing_context=method
        )
        if method == "fork":
            with pytest.raises(EcgStoreError, match="forkserver"):
                list(loader)
            return
        found = np.concatenate([np.asarray(batch["signals"]) for batch in loader])
        expected = local.as_dataset(fields=("signals",), dtype="int16")
        for row in range(len(local)):
            np.testing.assert_array_equal(found[row], expected[row]["signals"])


def test_wrong_checksums_of_blocks_are_fetched_again(
    url: str, sample_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_FIRST_BYTES", 1 << 17)
    wrong: list[int] = []
    read = ObjectReader.read
    with ecgstore.open(url) as store, ecgstore.open(sample_store) as local:
        place = local.tables.locations["block_checksums"].offset

        def read_wrongly(self: ObjectReader, begin: int, end: int) -> bytes:
            content = read(self, begin, end)
            if begin != place or wrong:
                return content
            wrong.append(begin)
            return bytes(byte ^ 1 for byte in content)

        monkeypatch.setattr(ObjectReader, "read", read_wrongly)
        leads, begins = store.lead_numbers(["V3"]), np.full(3, 1000)
        found = []
        for one in (store, local):
            out = np.empty((3, 1, 2000), np.int16)
            one.signal_rows.gather(np.arange(3), out, leads, begins)()
            found.append(out)
    assert wrong
    assert (found[0] == found[1]).all()
