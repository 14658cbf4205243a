"""Opening stores that are missing, incomplete, or rewritten by other tools."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import ecgstore
from ecgstore.errors import (
    EcgStoreError,
    SchemaError,
)
from ecgstore.storage import opening
from ecgstore.storage.format import schema
from ecgstore.storage.format.chunk_index import chunk_offsets
from ecgstore.storage.format.integrity import dataset_paths
from ecgstore.storage.format.row_offsets import EvenOffsets, row_offsets
from ecgstore.storage.format.schema import row_specs
from ecgstore.storage.format.stored_values import UNSEALED

Offsets = Callable[[h5py.Dataset], list[int]]


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EcgStoreError, match="no such file"):
        ecgstore.open(tmp_path / "missing.h5")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EcgStoreError, match="a folder"):
        ecgstore.open(tmp_path)


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.h5"
    path.write_text("not HDF5")
    with pytest.raises(SchemaError, match="not a readable HDF5 file"):
        ecgstore.open(path)
    with h5py.File(path, "w") as file:
        file["signals"] = [1]
    with pytest.raises(SchemaError, match="not an ecgstore file"):
        ecgstore.open(path)


def test_another_version_of_the_format_is_refused(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        file.attrs["format_version"] = 99
    with pytest.raises(SchemaError, match="format version 99"):
        ecgstore.open(copy)


def test_every_missing_dataset_is_named(copy: Path) -> None:
    with ecgstore.open(copy) as store:
        paths = [
            spec.path
            for spec in row_specs(
                store.config,
                1,
                dict.fromkeys(ecgstore.storage.format.schema.RECORD_TEXTS, 1),
                features=[("a", "1")],
                beats_status={},
            )
        ]
    for path in paths:
        with h5py.File(copy, "r+") as file:
            file.move(path, "elsewhere")
        with pytest.raises(SchemaError, match=f"/{path} is missing"):
            ecgstore.open(copy)
        with h5py.File(copy, "r+") as file:
            file.move("elsewhere", path)
    ecgstore.open(copy).close()


def test_wrong_shape_is_named(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        del file["labels"]
        file["labels"] = np.zeros((3, 7), "u1")
    with pytest.raises(SchemaError, match=r"/labels is uint8 of shape \(3, 7\)"):
        ecgstore.open(copy)


def test_a_store_without_records_is_opened(sample_store: Path, tmp_path: Path) -> None:
    """No build makes one, but the format allows it."""
    path = tmp_path / "empty.h5"
    with h5py.File(sample_store, locking=False) as old, h5py.File(path, "w") as new:
        new.attrs.update(old.attrs)
        for name in dataset_paths(old):
            if not old[name].shape:
                new[name] = old[name][()]
                continue
            is_of_rows = old[name].shape[0] == len(old["folds"])
            rows = 0 if is_of_rows or "quarantine" in name else len(old[name])
            new.create_dataset(name, (rows, *old[name].shape[1:]), old[name].dtype)
            if rows:
                new[name][...] = old[name][...]
            new[name].attrs.update(old[name].attrs)
    with ecgstore.open(path) as store:
        assert len(store) == 0
        assert store.table("labels").shape == (0, 7)
        assert store.r_peaks().shape == (0, 50)
        assert store.signals([]).shape == (0, 12, 5000)
        for frame in (store.records, store.quality, store.quarantine):
            assert len(frame) == 0


def test_compressed_signals_are_refused(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        signals, attributes = file["signals"][:], dict(file["signals"].attrs)
        del file["signals"]
        file.create_dataset(
            "signals", data=signals, chunks=(1, 12, 5000), compression="gzip"
        )
        file["signals"].attrs.update(attributes)
    with pytest.raises(SchemaError, match="h5repack"):
        ecgstore.open(copy)


def test_chunks_in_another_order_are_read(copy: Path, sample_store: Path) -> None:
    """Tools such as h5repack change the order of the chunks."""
    with h5py.File(copy, "r+") as file:
        signals, attributes = file["signals"][:], dict(file["signals"].attrs)
        del file["signals"]
        created = file.create_dataset(
            "signals", signals.shape, signals.dtype, chunks=(1, 12, 5000)
        )
        for row in reversed(range(len(signals))):
            created[row] = signals[row]
        created.attrs.update(attributes)
    with ecgstore.open(copy) as moved, ecgstore.open(sample_store) as store:
        rows = [*range(len(store))]
        np.testing.assert_array_equal(moved.signals(rows), store.signals(rows))


def rewrite(source: Path, target: Path, file: dict[str, Any], **options: Any) -> Path:
    """Rewrite a store with the library; options are those of all but the signals."""
    with h5py.File(source) as old, h5py.File(target, "w", **file) as new:
        new.attrs.update(old.attrs)
        for path in dataset_paths(old):
            dataset = old[path]
            if not dataset.shape:
                new[path] = dataset[()]
                continue
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
def test_a_rewritten_store_reads_the_same(
    store: ecgstore.Store,
    tmp_path: Path,
    library_offsets: Offsets,
    file: dict[str, Any],
    options: dict[str, Any],
) -> None:
    # Compressed tables have odd numbers of bytes: without alignment, the signals behind
    # them could begin at odd offsets.
    aligned = {"alignment_threshold": 9, "alignment_interval": 8, **file}
    path = rewrite(store.path, tmp_path / "rewritten.h5", aligned, **options)
    with ecgstore.open(path) as other:
        for name in ("labels", "quality/ksqi", "records/dx", "records/age", "r_peaks"):
            np.testing.assert_array_equal(other.table(name), store.table(name))
            assert not other.table(name).flags.writeable
            again = other.table(name)
            assert np.shares_memory(other.table(name), again)  # read once
        assert other.records.equals(store.records)
        assert other.quality.equals(store.quality)
        assert other.features().equals(store.features())
        np.testing.assert_array_equal(other.fiducials([7, 2]), store.fiducials([7, 2]))
        np.testing.assert_array_equal(other.signals([3, 0]), store.signals([3, 0]))
        with h5py.File(path) as rewritten:
            signals = rewritten["signals"]
            assert row_offsets(signals)[:].tolist() == library_offsets(signals)


def test_a_user_block_is_skipped(store: ecgstore.Store, tmp_path: Path) -> None:
    path = rewrite(store.path, tmp_path / "block.h5", {"userblock_size": 512})
    with ecgstore.open(path) as other, h5py.File(path) as file:
        assert chunk_offsets(file["signals"]) is None
        np.testing.assert_array_equal(other.table("labels"), store.table("labels"))
        np.testing.assert_array_equal(other.signals([5, 1]), store.signals([5, 1]))


def test_signals_at_odd_offsets_are_refused(
    copy: Path, tmp_path: Path, library_offsets: Offsets
) -> None:
    """An array of 2-byte numbers cannot begin there."""
    for n_bytes in (1, 3, 5):  # which decide where signals begin
        with h5py.File(copy, "r+") as file:
            file[f"a{n_bytes}"] = np.zeros(n_bytes, np.uint8)
        path = rewrite(copy, tmp_path / "odd.h5", {"libver": "latest"}, chunks=True)
        with h5py.File(path) as file:
            if any(offset % 2 for offset in library_offsets(file["signals"])):
                break
    else:
        pytest.fail("no signals at odd offsets")
    with pytest.raises(EcgStoreError, match=r"odd offsets.*h5repack -t 4096 -a 4096"):
        ecgstore.open(path)


def test_an_unfinished_build_is_refused(copy: Path) -> None:
    with h5py.File(copy, "r+") as file:
        file["fingerprint"][()] = np.bytes_(UNSEALED)
    with pytest.raises(SchemaError, match="unfinished build; run its command again"):
        ecgstore.open(copy)


@pytest.mark.parametrize("path", ["signals", "features", "records/age"])
def test_a_dataset_in_another_file_is_refused(
    copy: Path, sample_store: Path, path: str
) -> None:
    """Its offsets are those of the other file."""
    with h5py.File(copy, "r+") as file:
        del file[path]
        file[path] = h5py.ExternalLink(str(sample_store), f"/{path}")
    with pytest.raises(SchemaError, match=f"/{path} is a link into another file"):
        ecgstore.open(copy)


@pytest.mark.parametrize(
    "offsets",
    [
        EvenOffsets(1 << 40, 120_000, 44),
        EvenOffsets(-8, 120_000, 44),
        EvenOffsets(4096, 120_000, 1 << 60),
        np.array([1 << 40] * 44),
    ],
)
def test_rows_outside_the_file_are_refused(
    copy: Path, monkeypatch: pytest.MonkeyPatch, offsets: Any
) -> None:
    """Kernels trust the offsets that they get, and not every HDF5 library checks."""
    monkeypatch.setattr(opening, "row_offsets", lambda _: offsets)
    with pytest.raises(SchemaError, match="/signals lie beyond the end of the file"):
        ecgstore.open(copy)
