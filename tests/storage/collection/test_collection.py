"""A collection reads as the one store that its parts would be."""

import itertools
import multiprocessing
import os
import pickle
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import ecgstore
from ecgstore import pipes
from ecgstore.errors import EcgStoreError, SchemaError, StoreClosedError
from ecgstore.storage.collection import mapped_parts
from ecgstore.storage.format.row_offsets import PartOffsets
from ecgstore.storage.memory_map import MemoryMap
from ecgstore.storage.verify import verify


@pytest.fixture
def parts(sample_store: Path, tmp_path: Path) -> list[Path]:
    """Return the sample's records in four stores, in the order of the sample."""
    borders = [0, 9, 10, 30, 44]
    paths = []
    with ecgstore.open(sample_store) as store:
        assert len(store) == borders[-1]
        for begin, end in itertools.pairwise(borders):
            paths.append(tmp_path / "parts" / f"{begin}.h5")
            paths[-1].parent.mkdir(exist_ok=True)
            ecgstore.write_subset(store.select(rows=range(begin, end)), paths[-1])
    return paths


@pytest.fixture
def file(parts: list[Path], tmp_path: Path) -> Path:
    path = tmp_path / "all.h5"
    ecgstore.collect(parts, path)
    return path


@pytest.fixture
def collection(file: Path) -> Iterator[ecgstore.Store]:
    with ecgstore.open(file) as opened:
        yield opened


def test_every_table_is_that_of_one_store(
    collection: ecgstore.Store, store: ecgstore.Store
) -> None:
    assert set(collection.tables) == set(store.tables)
    for path in store.tables:
        if path.startswith("quarantine/"):
            continue
        expected, found = store.table(path), collection.table(path)
        assert found.shape == expected.shape
        assert found.dtype == expected.dtype
        has_nan = expected.dtype.kind == "f"
        np.testing.assert_array_equal(np.asarray(found), expected, err_msg=path)
        chance = np.random.default_rng(1)
        for key in (
            3,
            np.int64(-1),
            slice(None),
            slice(5, 41, 7),
            slice(None, None, -1),
            slice(40, 2, -5),
            ...,
            [2, 43, 7],
            slice(9, 9),
            chance.integers(0, 44, 60),
            chance.random(44) < 0.5,
            np.array([], np.int64),
            ...,
            (),
            None,
            (..., 0),
        ):
            same = np.array_equal(found[key], expected[key], equal_nan=has_nan)
            assert same, (path, key)
            if expected.ndim > 1 and not isinstance(key, tuple) and key is not None:
                one, other = found[key, 1], expected[key, 1]
                assert np.array_equal(one, other, equal_nan=has_nan), (path, key)


def test_rows_that_do_not_exist_are_refused(collection: ecgstore.Store) -> None:
    for rows in ([44], [-45], [0, 99]):
        with pytest.raises(IndexError):
            collection.table("features")[np.array(rows)]
    for key in (np.ones(43, bool), np.array([1.5])):  # as of an array
        with pytest.raises(IndexError):
            collection.table("features")[key]
    with pytest.raises(IndexError):
        collection.signals([44])


def test_unusual_indices_are_those_of_an_array(
    collection: ecgstore.Store, store: ecgstore.Store
) -> None:
    one, other = collection.table("fiducials"), store.table("fiducials")
    for key in (
        (),
        None,
        True,
        ([1, 2], [3, 4]),
        np.array([[1, 2], [3, 40]]),
        (slice(None), [3, 1]),
        (slice(None, None, -1), ..., 2),
        (slice(3, 9), slice(None), 4, None),
        (np.array([40, 3]), slice(2, 5), 7),
        (41, slice(None), [0, 2]),
    ):
        np.testing.assert_array_equal(one[key], other[key], err_msg=str(key))


def test_signals_are_those_of_one_store(
    collection: ecgstore.Store, store: ecgstore.Store
) -> None:
    rows = np.random.default_rng(0).integers(0, 44, 100)
    for dtype in ("float32", "int16"):
        np.testing.assert_array_equal(
            collection.signals(rows, dtype=dtype), store.signals(rows, dtype=dtype)
        )


def test_frames_and_records_are_those_of_one_store(
    collection: ecgstore.Store, store: ecgstore.Store
) -> None:
    assert collection.records.equals(store.records)
    assert collection.quality.equals(store.quality)
    assert collection.features().equals(store.features())
    assert list(collection) == list(store)
    name = list(store)[17]
    one, other = collection[name], store[name]
    np.testing.assert_array_equal(one.signal, other.signal)
    np.testing.assert_array_equal(one.fiducials, other.fiducials)
    assert one.labels == other.labels
    np.testing.assert_array_equal(collection.groups(), store.groups())
    query = "age > 50 and qrs_duration_ms > 90 and ksqi_V1 > 4"
    np.testing.assert_array_equal(
        collection.select(query=query).rows, store.select(query=query).rows
    )


def test_loaders_read_the_same_and_resume(
    collection: ecgstore.Store, store: ecgstore.Store
) -> None:
    options: dict[str, Any] = {
        "batch_size": 7,
        "shuffle": True,
        "seed": 3,
        "fields": ("signals", "labels", "features", "r_peaks", "fiducials"),
        "leads": ["V2", "I"],
    }
    batches = [list(pipes.loader(one, **options)) for one in (collection, store)]
    for one, other in zip(*batches, strict=True):
        for field in ("rows", "signals", "labels", "features", "r_peaks", "fiducials"):
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
    loader = pipes.loader(collection, **options)
    running = iter(loader)
    for _ in range(3):
        next(running)
    again = pipes.loader(collection, **options)
    again.load_state_dict(loader.state_dict())
    rest = [batch.rows.tolist() for batch in again]
    assert rest == [batch.rows.tolist() for batch in batches[0][3:]]


def test_folds_are_those_of_one_build(
    collection: ecgstore.Store, store: ecgstore.Store
) -> None:
    np.testing.assert_array_equal(collection.table("folds"), store.table("folds"))


def test_programs_that_use_hdf5_read_the_parts(
    file: Path, parts: list[Path], store: ecgstore.Store
) -> None:
    with h5py.File(file) as opened:
        assert opened["signals"].is_virtual
        np.testing.assert_array_equal(
            opened["signals"][28:32], store.signals(range(28, 32), dtype="int16")
        )
        np.testing.assert_array_equal(opened["features"][...], store.table("features"))
        assert opened["labels"][...].tolist() == store.table("labels").tolist()
    parts[2].unlink()
    with h5py.File(file) as opened:
        # Without an error, as the page on the format says.
        assert (opened["signals"][10:30] == -32768).all()
        assert np.isnan(opened["features"][10:30]).all()
        assert (opened["r_peaks"][10:30] == -1).all()
        assert opened["signals"][30:].max() > 0


def test_a_missing_part_is_named(file: Path, parts: list[Path]) -> None:
    parts[1].rename(parts[1].with_name("moved.h5"))
    with pytest.raises(EcgStoreError, match=r"9\.h5: part of the collection .*restore"):
        ecgstore.open(file)


@pytest.mark.parametrize("change", ["other", "longer", "relabelled"])
def test_another_part_than_the_collected_one_is_named(
    file: Path, parts: list[Path], change: str
) -> None:
    if change == "other":
        with ecgstore.open(parts[2]) as store:
            other = parts[2].with_name("other.h5")
            ecgstore.write_subset(store.select(rows=range(1, 20)), other)
        other.replace(parts[2])
    elif change == "longer":
        with parts[2].open("ab") as part:
            part.write(b"0")
    else:  # of the same size
        with h5py.File(parts[2], "r+") as part:
            part["fingerprint"][()] = b"0" * 64
    with pytest.raises(EcgStoreError, match=r"10\.h5: part of .*another file than"):
        ecgstore.open(file)


def test_a_part_that_changes_while_it_is_open_is_noticed(
    file: Path, parts: list[Path]
) -> None:
    with ecgstore.open(file) as opened:
        opened.signals([12])
        with parts[2].open("ab") as part:
            part.write(b"0")
        time.sleep(0.002)
        with pytest.raises(EcgStoreError, match=r"10\.h5: changed since it was opened"):
            opened.signals([40])


def test_a_collection_that_changes_while_it_is_open_is_noticed(file: Path) -> None:
    with ecgstore.open(file) as opened:
        opened.signals([12])
        with file.open("ab") as content:
            content.write(b"0")
        time.sleep(0.002)
        with pytest.raises(
            EcgStoreError, match=r"all\.h5: changed since it was opened"
        ):
            opened.signals([40])


def test_of_many_parts_each_is_looked_at_in_turn(
    file: Path, parts: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped_parts, "_CHECKED_AT_ONCE", 3)
    with ecgstore.open(file) as opened:
        opened.signals([12])
        with parts[3].open("ab") as part:
            part.write(b"0")

        def read_twice() -> None:
            for _ in range(2):
                time.sleep(0.002)
                opened.signals([12])

        with pytest.raises(EcgStoreError, match=r"30\.h5: changed since it was opened"):
            read_twice()


def test_the_system_is_told_which_parts_will_be_needed(
    collection: ecgstore.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[int, list[int]] = {}
    monkeypatch.setattr(
        MemoryMap,
        "will_need",
        lambda self, offsets, _: asked.update({id(self): offsets.tolist()}),
    )
    rows = collection.signal_rows
    rows.will_need(np.array([0, 8, 9, 29, 43]), 5000)
    assert isinstance(rows.offsets, PartOffsets)
    source: Any = rows.file
    begins = (rows.offsets.begins - source.offsets).tolist()
    expected = [
        [begins[0], begins[0] + 8 * 120_000],
        [begins[1]],
        [begins[2] + 19 * 120_000],
        [begins[3] + 13 * 120_000],
    ]
    files = [id(one) for one in source._files]
    assert asked == dict(zip(files, expected, strict=True))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX")
@pytest.mark.parametrize("kind", ["pipe", "folder", "loop"])
def test_what_is_no_file_is_no_part(file: Path, parts: list[Path], kind: str) -> None:
    parts[1].unlink()
    if kind == "pipe":
        os.mkfifo(parts[1])
    elif kind == "folder":
        parts[1].mkdir()
    else:
        parts[1].symlink_to(parts[1])
    with pytest.raises(EcgStoreError, match=r"9\.h5: part of the collection .*restore"):
        ecgstore.open(file)


def test_a_collection_moves_with_its_parts(
    file: Path, tmp_path: Path, store: ecgstore.Store
) -> None:
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    shutil.move(tmp_path / "parts", moved / "parts")
    shutil.move(file, moved / "all.h5")
    with ecgstore.open(moved / "all.h5") as opened:
        np.testing.assert_array_equal(opened.signals([33]), store.signals([33]))


def test_several_stores_open_as_one(parts: list[Path], store: ecgstore.Store) -> None:
    opened = ecgstore.open(parts)
    path = opened.path
    np.testing.assert_array_equal(opened.signals([33, 2]), store.signals([33, 2]))
    again = pickle.loads(pickle.dumps(opened))
    np.testing.assert_array_equal(again.signals([9]), store.signals([9]))
    again.close()
    opened.close()
    del opened
    assert not path.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_does_not_remove_the_temporary_file(
    parts: list[Path],
) -> None:
    opened = ecgstore.open(parts)
    path = opened.path
    child = os.fork()
    if child == 0:
        del opened
        os._exit(0)
    os.waitpid(child, 0)
    assert path.exists()
    assert len(opened) == 44


def test_no_stores_are_refused() -> None:
    with pytest.raises(EcgStoreError, match="no store is given"):
        ecgstore.open([])


def test_names_of_parts_may_have_any_characters(
    parts: list[Path], tmp_path: Path, store: ecgstore.Store
) -> None:
    """The HDF5 library replaces ``%b`` in the names of files."""
    names = ["100%b.h5", "%%.h5", "ä ö.h5", "50%.h5"]
    moved = [
        part.rename(part.with_name(name))
        for part, name in zip(parts, names, strict=True)
    ]
    ecgstore.collect(moved, tmp_path / "all.h5")
    with ecgstore.open(tmp_path / "all.h5") as opened:
        assert [Path(part).name for part in opened.parts] == names
        np.testing.assert_array_equal(opened.signals([5, 33]), store.signals([5, 33]))
    with h5py.File(tmp_path / "all.h5") as file:
        np.testing.assert_array_equal(
            file["signals"][:], store.signals(range(44), dtype="int16")
        )


def test_folders_may_be_links(
    parts: list[Path], tmp_path: Path, store: ecgstore.Store
) -> None:
    """HDF5 would read fill values, without an error, where ``..`` leads elsewhere."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "er")
    (tmp_path / "of parts").symlink_to(tmp_path / "parts")
    given = [tmp_path / "of parts" / part.name for part in parts]
    ecgstore.collect(given, tmp_path / "link" / "all.h5")
    for folder in ("link", "deep/er"):
        path = tmp_path / folder / "all.h5"
        with ecgstore.open(path) as opened:
            np.testing.assert_array_equal(opened.signals([33]), store.signals([33]))
        with h5py.File(path) as file:
            expected = store.signals([33], dtype="int16")
            np.testing.assert_array_equal(file["signals"][33:34], expected)


def test_the_head_of_a_collection_is_the_whole_file(file: Path) -> None:
    """Structures of HDF5 lie between its columns."""
    with h5py.File(file) as opened:
        assert opened.attrs["head_nbytes"] == file.stat().st_size


def _signals(pickled: bytes) -> bytes:
    opened = pickle.loads(pickled)
    content: bytes = opened.signals([5, 35]).tobytes()
    return content


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_other_processes_read_a_collection(
    collection: ecgstore.Store, store: ecgstore.Store, method: str
) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    with multiprocessing.get_context(method).Pool(1) as pool:
        read = pool.apply(_signals, (pickle.dumps(collection),))
    assert read == store.signals([5, 35]).tobytes()


def test_arrays_of_a_closed_collection_can_still_be_used(file: Path) -> None:
    opened = ecgstore.open(file)
    features, kept = opened.table("features"), opened.table("folds")
    copied = opened.signals([3])
    content = opened.signal_rows.file.bytes
    opened.close()
    assert content[:4].size == 4  # the mappings live as long as a view of them
    assert copied.any()
    assert len(kept) == 44
    with pytest.raises(StoreClosedError):
        features[[1]]
    with pytest.raises(StoreClosedError):
        opened.signals([3])


def test_first_touch_checks_rows_of_all_parts(file: Path, parts: list[Path]) -> None:
    with h5py.File(parts[3], "r+") as part:
        part["signals"][4, 2, 100] += 1
    with ecgstore.open(file, verify="first-touch") as opened:
        opened.signals([33, 35])
        with pytest.raises(SchemaError, match="row 34"):
            opened.signals([34])


def test_verify_names_damage_in_parts_and_in_the_collection(
    file: Path, parts: list[Path]
) -> None:
    assert list(verify(file)) == []
    with h5py.File(parts[3], "r+") as part:
        part["signals"][4, 2, 100] += 1
    [damage] = verify(file)
    assert damage.where.startswith(f"{parts[3]}: /signals row 4 ")
    with h5py.File(file, "r+") as opened:
        opened["labels"][3] ^= 1
    where = [damage.where for damage in verify(file)]
    assert where[:2] == ["/labels", "/"]


def test_verify_of_a_collection_that_is_its_own_part_ends(file: Path) -> None:
    size = file.stat().st_size + 44 * 120_000
    with h5py.File(file, "r+") as opened:
        group = opened["parts"]
        group["fingerprint"][...] = opened["fingerprint"][()]
        group["fingerprint_offset"][...] = opened["fingerprint"].id.get_offset()
        group["n_bytes"][...] = size
        group["offset"][...] = 0
        path = group["path"].id.get_type().get_size() * b"x"
        group["path"][...] = path
    with file.open("r+b") as content:
        content.truncate(size)
    file.with_name(path.decode()).symlink_to(file)
    ecgstore.open(file).close()
    assert any("is a collection" in damage.problem for damage in verify(file))


def test_a_subset_never_replaces_a_part_that_it_is_read_from(
    collection: ecgstore.Store, parts: list[Path]
) -> None:
    content = parts[1].read_bytes()
    with pytest.raises(EcgStoreError, match=r"that are read; choose another output"):
        ecgstore.write_subset(
            collection.select(rows=range(5)), parts[1], overwrite=True
        )
    assert parts[1].read_bytes() == content


def test_a_subset_of_a_collection_is_that_of_one_store(
    collection: ecgstore.Store, store: ecgstore.Store, tmp_path: Path
) -> None:
    fingerprints = []
    for name, source in (("one", collection), ("other", store)):
        ecgstore.write_subset(source.select(rows=range(5, 35)), tmp_path / name)
        assert list(verify(tmp_path / name)) == []
        with ecgstore.open(tmp_path / name) as opened:
            fingerprints.append(opened.fingerprint)
    assert fingerprints[0] == fingerprints[1]


@pytest.mark.parametrize(
    "name", ["n_bytes", "n_rows", "fingerprint_offset", "offset", "table", "path"]
)
def test_damaged_numbers_of_parts_never_lead_out_of_their_files(
    file: Path, name: str
) -> None:
    """Kernels trust the offsets that they get."""
    chance = random.Random(name)
    intact = file.read_bytes()
    for _ in range(30):
        with h5py.File(file, "r+") as opened:
            values = opened[f"parts/{name}"][...]
            raw = values.view(np.uint8).reshape(-1)
            raw[chance.randrange(raw.size)] ^= 1 << chance.randrange(8)
            opened[f"parts/{name}"][...] = values
        try:
            with ecgstore.open(file) as opened:
                opened.signals(range(44))
                opened.features()
        except (EcgStoreError, UnicodeDecodeError):
            pass
        file.write_bytes(intact)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("n_rows", np.array([9, 1, 20, 14]) + 2**62),  # their sum is 44 in 64 bits
        ("n_rows", np.full(4, 2**62 + 11)),
        ("n_rows", np.array([9, 1, 20, -14])),
        ("n_rows", np.int64(44)),
        ("n_rows", np.array([[9], [1], [20], [14]])),
        ("offset", np.full((4, 14), 2**63 - 1)),
        ("offset", np.full((4, 14), -8)),
        ("offset", np.ones((4, 14), np.int64)),  # signals at odd offsets
        ("offset", np.zeros((4, 1), np.int64)),
        ("offset", np.zeros((1, 14), np.int64)),
        ("fingerprint_offset", np.full(4, 2**63 - 1)),
        ("fingerprint", np.full(4, b"", "S64")),
        ("fingerprint", np.full(3, b"0" * 64)),
        ("path", np.full(4, b"a\0b.h5")),
        ("path", np.full(4, b"../../../../../../etc/passwd")),
        ("path", np.full(4, b"")),
    ],
)
def test_numbers_of_parts_from_a_stranger_are_refused(
    file: Path, name: str, values: Any
) -> None:
    with h5py.File(file, "r+") as opened:
        del opened[f"parts/{name}"]
        opened[f"parts/{name}"] = values
    with pytest.raises(EcgStoreError):
        ecgstore.open(file)


def test_a_damaged_list_of_files_does_not_end_the_process(file: Path) -> None:
    """As it does in the HDF5 library, which opens no dataset that has one."""
    content = bytearray(file.read_bytes())
    listed = b"parts/30.h5\0/signals\0"
    begin = content.index(listed) + len(listed)
    hyperslab = bytes([2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
    rank = content.index(hyperslab, begin) + 16
    assert content[rank] == 3
    content[rank + 2] ^= 1
    file.write_bytes(content)
    code = f"import ecgstore; print(ecgstore.open({str(file)!r}).signals([33]).shape)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "(1, 12, 5000)" in done.stdout
