"""A pickled or copied store is the same store, or an error."""

import copy as copies
import multiprocessing
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import ecgstore
from ecgstore.errors import SchemaError
from ecgstore.storage.format.integrity import fingerprint, write_digests

WAYS: list[Callable[[Any], Any]] = [
    lambda value: pickle.loads(pickle.dumps(value)),
    copies.copy,
    copies.deepcopy,
]


@pytest.fixture
def other(copy: Path, tmp_path: Path) -> Path:
    """Return a store that differs in one label."""
    path = Path(shutil.copy(copy, tmp_path / "other.h5"))
    with h5py.File(path, "r+") as file:
        file["labels"][0] = 1 - file["labels"][0]
        changed = fingerprint(file["config"][()].decode(), write_digests(file))
        file["fingerprint"][()] = np.bytes_(changed)
    return path


@pytest.mark.parametrize("way", WAYS)
def test_another_store_of_the_same_name_is_refused(
    copy: Path, other: Path, way: Callable[[Any], Any]
) -> None:
    with ecgstore.open(copy) as store:
        values: list[Any] = [store]
        if way is not copies.copy:  # a shallow copy of the others has the same store
            values += [store.select(rows=[1, 2]), store.as_dataset([1, 2])]
        for value in values:
            way(value)
        other.rename(copy)
        for value in values:
            with pytest.raises(SchemaError, match="was replaced by another store"):
                way(value)


def _fingerprint(pickled: bytes) -> str:
    try:
        opened = pickle.loads(pickled)
    except SchemaError as error:
        return str(error)
    return str(opened.store.fingerprint)


def test_a_spawned_worker_refuses_another_store(copy: Path, other: Path) -> None:
    with ecgstore.open(copy) as store:
        pickled = pickle.dumps(store.select(rows=[3]))
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert pool.apply(_fingerprint, (pickled,)) == store.fingerprint
            other.rename(copy)
            assert "replaced by another store" in pool.apply(_fingerprint, (pickled,))


def test_a_rebuilt_store_of_the_same_content_is_accepted(
    copy: Path, sample_store: Path
) -> None:
    with ecgstore.open(copy) as store:
        pickled = pickle.dumps(store)
    Path(shutil.copy(sample_store, copy.with_name("again.h5"))).rename(copy)
    with pickle.loads(pickled) as again:
        assert again.fingerprint == store.fingerprint
