"""Tables and places of rows, read without the HDF5 library."""

import gc
import random
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import ecgstore
from ecgstore.errors import EcgStoreError, StoreClosedError
from ecgstore.storage.format import chunk_index, layout, schema
from ecgstore.storage.format.chunk_index import chunk_offsets
from ecgstore.storage.format.integrity import dataset_paths
from ecgstore.storage.format.layout import row_offsets
from ecgstore.storage.tables import Tables, table_locations


@pytest.fixture
def store(sample_store: Path) -> Iterator[ecgstore.Store]:
    with ecgstore.open(sample_store) as opened:
        yield opened


def library_offsets(dataset: h5py.Dataset) -> list[int]:
    """Return where every row begins, as the library says of each."""
    found: dict[int, int] = {}
    dataset.id.chunk_iter(
        lambda chunk: found.update({chunk.chunk_offset[0]: chunk.byte_offset})
    )
    return [found[row] for row in range(len(dataset))]


def rewrite(source: Path, target: Path, file: dict[str, Any], **options: Any) -> Path:
    """Write a store anew by the library, every dataset but the signals with options."""
    with h5py.File(source) as old, h5py.File(target, "w", **file) as new:
        new.attrs.update(old.attrs)
        for path in dataset_paths(old):
            dataset = old[path]
            created = new.create_dataset(
                path,
                dataset.shape,
                dataset.dtype,
                **(
                    {"chunks": (1, *dataset.shape[1:])}
                    if path == schema.SIGNALS
                    else options
                ),
            )
            for row in random.Random(1).sample(range(len(dataset)), len(dataset)):
                created[row] = dataset[row]
            created.attrs.update(dataset.attrs)
    return target


# -- tables -----------------------------------------------------------------


def test_every_table_is_that_of_the_file(store: ecgstore.Store) -> None:
    with h5py.File(store.path) as file:
        for path in dataset_paths(file):
            if path in (schema.SIGNALS, schema.STATE):
                continue
            for name in (path, f"/{path}"):
                table = store.table(name)
                assert table.dtype == file[path].dtype
                np.testing.assert_array_equal(table, file[path][...])
                assert not table.flags.writeable


def test_tables_are_views_of_one_mapping(store: ecgstore.Store) -> None:
    one, other = store.table("labels"), store.table("labels")
    assert one is not other
    assert np.shares_memory(one, other)
    with pytest.raises(ValueError, match="read-only"):
        one[0, 0] = 1


def test_unknown_table_is_answered_by_the_known(store: ecgstore.Store) -> None:
    for name in ("signals", "quality/pqsi", ""):
        with pytest.raises(ValueError, match=r"no table .*labels.*quality/ksqi"):
            store.table(name)


@pytest.mark.parametrize(
    "options",
    [
        {"chunks": True},
        {"chunks": True, "compression": "gzip"},
        {"chunks": True, "shuffle": True, "fletcher32": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("file", [{}, {"libver": "latest"}], ids=str)
def test_rewritten_store_reads_the_same(
    store: ecgstore.Store, tmp_path: Path, file: dict[str, Any], options: dict[str, Any]
) -> None:
    # Compressed tables take odd numbers of bytes, and the signals behind them would lie
    # at odd places now and then.
    aligned = {"alignment_threshold": 9, "alignment_interval": 8, **file}
    path = rewrite(store.path, tmp_path / "rewritten.h5", aligned, **options)
    with ecgstore.open(path) as other:
        for name in ("labels", "quality/ksqi", "records/dx", "records/age", "r_peaks"):
            np.testing.assert_array_equal(other.table(name), store.table(name))
            assert not other.table(name).flags.writeable
            assert other.table(name) is other.table(name)  # read once
        assert other.records.equals(store.records)
        assert other.quality.equals(store.quality)
        assert other.features().equals(store.features())
        np.testing.assert_array_equal(other.fiducials([7, 2]), store.fiducials([7, 2]))
        np.testing.assert_array_equal(other.signals([3, 0]), store.signals([3, 0]))
        with h5py.File(path) as rewritten:
            signals = rewritten["signals"]
            assert row_offsets(signals).tolist() == library_offsets(signals)


def test_texts_lie_in_a_user_block_too(store: ecgstore.Store, tmp_path: Path) -> None:
    path = rewrite(store.path, tmp_path / "block.h5", {"userblock_size": 512})
    with ecgstore.open(path) as other, h5py.File(path) as file:
        assert chunk_offsets(file["signals"]) is None
        np.testing.assert_array_equal(other.table("labels"), store.table("labels"))
        np.testing.assert_array_equal(other.signals([5, 1]), store.signals([5, 1]))


def test_signals_at_odd_places_are_refused(
    store: ecgstore.Store, tmp_path: Path
) -> None:
    """Numbers of two bytes are read there, where one byte further makes noise."""
    path = rewrite(store.path, tmp_path / "odd.h5", {"libver": "latest"}, chunks=True)
    with h5py.File(path) as file:
        assert any(each % 2 for each in library_offsets(file["signals"]))
    with pytest.raises(EcgStoreError, match=r"odd offsets.*h5repack -t 4096 -a 4096"):
        ecgstore.open(path)


def test_table_outside_the_file_is_read_by_the_library(tmp_path: Path) -> None:
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        file["inside"] = [1, 2]
        file.create_dataset(
            "outside", (4,), "u1", external=[(str(tmp_path / "raw"), 0, 4)]
        )
        file["outside"][...] = [1, 2, 3, 4]
        compact = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        compact.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((3,))
        h5py.h5d.create(file.id, b"compact", h5py.h5t.STD_U8LE, space, dcpl=compact)
        file["compact"][...] = [7, 8, 9]
    content = np.fromfile(path, np.uint8)
    with h5py.File(path) as file:
        places = table_locations({name: file[name] for name in file})
    tables = Tables(path, places, content)
    assert tables["outside"].tolist() == [1, 2, 3, 4]
    assert tables["compact"].tolist() == [7, 8, 9]
    assert tables["inside"].tolist() == [1, 2]
    assert np.shares_memory(tables["inside"], content)
    assert not np.shares_memory(tables["outside"], content)
    cut = Tables(path, places, content[: places["inside"].end - 1])
    assert cut["inside"].tolist() == [1, 2]


def test_store_without_records(sample_store: Path, tmp_path: Path) -> None:
    """No build ends in one, but the format allows it."""
    path = tmp_path / "empty.h5"
    with h5py.File(sample_store, locking=False) as old, h5py.File(path, "w") as new:
        new.attrs.update(old.attrs)
        for name in dataset_paths(old):
            new.create_dataset(name, (0, *old[name].shape[1:]), old[name].dtype)
            new[name].attrs.update(old[name].attrs)
    with ecgstore.open(path) as store:
        assert len(store) == 0
        assert store.table("labels").shape == (0, 7)
        assert store.r_peaks().shape == (0, 50)
        assert store.signals([]).shape == (0, 12, 5000)
        for frame in (store.records, store.quality, store.quarantine):
            assert len(frame) == 0


# -- what users get is theirs -----------------------------------------------


def test_what_is_returned_is_a_copy(store: ecgstore.Store) -> None:
    for read in (store.labels, store.r_peaks, store.fiducials):
        for rows in (None, [2, 1]):
            array = read(rows=rows)
            expected = array.copy()
            array[...] = 7
            np.testing.assert_array_equal(read(rows=rows), expected)
    assert store.r_peaks().dtype == store.fiducials([1]).dtype == np.int64
    assert store.labels().dtype == np.uint8
    with h5py.File(store.path) as file:
        np.testing.assert_array_equal(store.labels(), file["labels"][...])


def test_closed_store_reads_no_table(sample_store: Path) -> None:
    store = ecgstore.open(sample_store)
    records, table, labels = store.records, store.table("labels"), store.labels()
    store.close()
    for read in (
        lambda: store.table("labels"),
        store.labels,
        store.features,
        store.r_peaks,
        store.fiducials,
        lambda: store.quality,
        lambda: store.quarantine,
        lambda: store.signal_rows,
    ):
        with pytest.raises(StoreClosedError, match="open it again"):
            read()
    assert store.records is records
    np.testing.assert_array_equal(table, labels)  # a view keeps the file mapped


def is_mapped(path: Path) -> bool:
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("this system does not list its mappings")
    return str(path) in maps.read_text()


def test_closed_store_leaves_no_file_open(sample_store: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(sample_store, tmp_path / "copy.h5"))
    store = ecgstore.open(path)
    kept = (
        store.records,
        store.quality,
        store.quarantine,
        store.features(),
        store.labels(),
        store.r_peaks([1]),
        store.fiducials(),
        store.signals([1]),
    )
    assert is_mapped(path)
    store.close()
    gc.collect()
    assert not is_mapped(path)
    assert all(len(each) > 0 for each in kept[:2])
    table = ecgstore.open(path).table("labels")
    gc.collect()
    assert is_mapped(path)
    assert table.max() == 1
    del table
    gc.collect()
    assert not is_mapped(path)


def test_threads_read_tables(store: ecgstore.Store) -> None:
    expected = store.fiducials()
    wrong: list[int] = []

    def read(seed: int) -> None:
        for row in np.random.default_rng(seed).integers(0, len(store), 50).tolist():
            same = np.array_equal(store.table("fiducials")[row], expected[row])
            wrong.extend([] if same else [row])

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_text_that_is_none_is_damage(sample_store: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(sample_store, tmp_path / "copy.h5"))
    with h5py.File(path) as file:
        offset = file["records/dx"].id.get_offset()
    with path.open("r+b") as raw:
        raw.seek(offset)
        raw.write(b"\xff")
    with (
        ecgstore.open(path) as store,
        pytest.raises(EcgStoreError, match=r"copy\.h5: /records/dx is damaged"),
    ):
        len(store.records)


# -- places of rows ---------------------------------------------------------


def make_signals(path: Path, n_rows: int) -> None:
    """Create a file whose signals have many rows and no content."""
    spec = schema.DatasetSpec("signals", np.dtype("<i2"), (n_rows, 2, 16))
    layout.create_file(path, [spec], {})


@pytest.mark.parametrize("n_rows", [1, 2, 63, 64, 65, 128, 4097, 9000])
def test_places_are_those_of_the_library(tmp_path: Path, n_rows: int) -> None:
    path = tmp_path / "rows.h5"
    make_signals(path, n_rows)
    with h5py.File(path) as file:
        found = chunk_offsets(file["signals"])
        assert found is not None
        assert found.dtype == np.int64
        assert found.tolist() == library_offsets(file["signals"])


def test_places_are_read_block_by_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows.h5"
    make_signals(path, 1000)
    monkeypatch.setattr(chunk_index, "_BLOCK_NODES", 3)
    with h5py.File(path) as file:
        found = chunk_offsets(file["signals"])
        assert found is not None
        assert found.tolist() == library_offsets(file["signals"])


def test_places_need_no_call_of_unix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows.h5"
    make_signals(path, 200)
    monkeypatch.delattr("os.preadv", raising=False)
    with h5py.File(path) as file:
        found = chunk_offsets(file["signals"])
        assert found is not None
        assert found.tolist() == library_offsets(file["signals"])


def test_places_in_a_file_being_written_are_the_librarys(tmp_path: Path) -> None:
    path = tmp_path / "rows.h5"
    make_signals(path, 100)
    with h5py.File(path, "r+") as file:
        assert chunk_offsets(file["signals"]) is None
        assert row_offsets(file["signals"]).tolist() == library_offsets(file["signals"])


def test_rows_without_a_place_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "holes.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("signals", (9, 2, 16), "i2", chunks=(1, 2, 16))
        file["signals"][3] = 1
    with h5py.File(path) as file:
        assert chunk_offsets(file["signals"]) is None
        with pytest.raises(ValueError, match="without a place"):
            row_offsets(file["signals"])


def test_damaged_index_gives_what_the_library_says_or_nothing(tmp_path: Path) -> None:
    """Flip bits in the header and the index, and look at the rows there."""
    path = tmp_path / "rows.h5"
    n_rows = 300
    make_signals(path, n_rows)
    intact = path.read_bytes()
    with h5py.File(path) as file:
        low, _ = h5py.h5g.get_objinfo(file["signals"].id).objno
        undamaged = library_offsets(file["signals"])
    nodes = [low, *_places_of(intact, b"TREE\x01")]
    assert len(nodes) > 5
    chance = random.Random(1)
    n_seen = n_none = 0
    for _ in range(300):
        damaged = bytearray(intact)
        place = chance.choice(nodes) + chance.choice(
            [chance.randrange(24), chance.randrange(200), chance.randrange(3000)]
        )
        damaged[place] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        try:
            with h5py.File(path, locking=False) as file:
                signals = file["signals"]
                if (
                    not isinstance(signals, h5py.Dataset)
                    or signals.shape != (n_rows, 2, 16)
                    or signals.chunks != (1, 2, 16)
                    or signals.dtype != np.int16
                ):
                    continue
                found = chunk_offsets(signals)
                expected = _library_says(signals)
        except (OSError, ValueError, LookupError, RuntimeError):
            continue  # not even a file to the library
        n_seen += 1
        n_none += found is None
        if found is not None:
            # Where the library stumbles over what is not needed here, nothing is lost.
            assert found.tolist() == (undamaged if expected is None else expected)
    assert n_seen > 50
    assert n_none > 5


def _library_says(signals: h5py.Dataset) -> list[int] | None:
    """Return the places of a damaged file's rows, None if the library finds none."""
    try:
        offsets: list[int] = layout._library_offsets(signals).tolist()
    except (OSError, ValueError, LookupError, RuntimeError, OverflowError):
        return None
    return offsets


def test_index_that_lacks_a_row_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.h5"
    make_signals(path, 10)
    content = bytearray(path.read_bytes())
    (leaf,) = _places_of(bytes(content), b"TREE\x01\x00")
    assert content[leaf + 6] == 10
    content[leaf + 6] = 9
    path.write_bytes(content)
    with h5py.File(path) as file:
        assert chunk_offsets(file["signals"]) is None


def _places_of(content: bytes, wanted: bytes) -> list[int]:
    """Return where some bytes begin."""
    places, place = [], content.find(wanted)
    while place >= 0:
        places.append(place)
        place = content.find(wanted, place + 1)
    return places
