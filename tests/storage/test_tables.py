"""Tables as views of the mapped file."""

import threading
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

import ecgstore
from ecgstore.storage.format import schema
from ecgstore.storage.format.hdf5 import OpenDataset
from ecgstore.storage.format.integrity import dataset_paths
from ecgstore.storage.memory_map import MemoryMap
from ecgstore.storage.tables import Tables, table_locations


def axes(dataset: h5py.Dataset) -> set[str]:
    """Return the names of the dimensions of a dataset."""
    if not dataset.shape or dataset.is_scale:
        return set()
    return {axis[0].name.removeprefix("/") for axis in dataset.dims}


def test_every_table_equals_the_dataset(store: ecgstore.Store) -> None:
    with h5py.File(store.path) as file:
        for path in dataset_paths(file):
            if schema.RECORD.path not in axes(file[path]) or path in (
                schema.SIGNALS,
                schema.STATE,
            ):
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


def test_an_unknown_table_is_refused_with_the_known(store: ecgstore.Store) -> None:
    for name in ("signals", "quality/pqsi", ""):
        with pytest.raises(ValueError, match=r"no table .*labels.*quality/ksqi"):
            store.table(name)


def test_a_table_that_cannot_be_mapped_is_read_by_the_library(tmp_path: Path) -> None:
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
    content = MemoryMap(path)
    with h5py.File(path) as file:
        locations = table_locations({name: OpenDataset(file[name].id) for name in file})
    tables = Tables(path, locations, content)
    assert tables["outside"].tolist() == [1, 2, 3, 4]
    assert tables["compact"].tolist() == [7, 8, 9]
    assert tables["inside"].tolist() == [1, 2]
    assert np.shares_memory(tables["inside"], content.bytes)
    assert not np.shares_memory(tables["outside"], content.bytes)
    moved = replace(locations["inside"], offset=content.bytes.size)
    assert Tables(path, {"inside": moved}, content)["inside"].tolist() == [1, 2]


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
