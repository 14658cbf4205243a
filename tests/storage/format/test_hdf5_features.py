"""A store uses few features of HDF5, and has its structures in its first bytes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyfive
import pytest

import ecgstore
from ecgstore.errors import EcgStoreError
from ecgstore.sample import sample_folder
from ecgstore.storage.format import schema
from ecgstore.storage.format.dataset_spec import DatasetSpec
from ecgstore.storage.format.layout import create_file

Datasets = Callable[[h5py.File], dict[str, h5py.Dataset]]
GROUPS = ("records", "quality", "quarantine", "digests")
COLUMNS = (
    *("labels", "folds", "checksums", "state", "features", "fiducials", "r_peaks"),
    "signatures",
)


def is_name_only(dataset: h5py.Dataset) -> bool:
    """Return whether a dataset is a dimension without a coordinate."""
    return dataset.name in (
        "/record",
        "/beat",
        "/block",
        "/signature_byte",
        "/quarantine/entry",
    )


def test_only_few_features_of_hdf5_are_used(
    sample_store: Path, datasets: Datasets
) -> None:
    content = sample_store.read_bytes()
    assert content[:8] == b"\x89HDF\r\n\x1a\n"
    assert content[8] == 3  # version of the superblock

    def check_type(stored: Any) -> None:
        assert stored.get_class() != h5py.h5t.VLEN
        if stored.get_class() == h5py.h5t.STRING:
            assert not stored.is_variable_str()
            assert stored.get_cset() == h5py.h5t.CSET_UTF8
            assert stored.get_strpad() == h5py.h5t.STR_NULLPAD
        else:
            assert stored.get_order() in (h5py.h5t.ORDER_LE, h5py.h5t.ORDER_NONE)

    with h5py.File(sample_store) as file:
        for name in file.attrs:
            check_type(file.attrs.get_id(name).get_type())
        for path, dataset in datasets(file).items():
            check_type(dataset.id.get_type())
            links = {"DIMENSION_LIST", "REFERENCE_LIST", "CLASS", "NAME"}
            for name in set(dataset.attrs) - links:
                check_type(dataset.attrs.get_id(name).get_type())
            creation = dataset.id.get_create_plist()
            assert creation.get_nfilters() == 0
            assert dataset.maxshape == dataset.shape
            if path == "signals":
                assert dataset.chunks == (1, *dataset.shape[1:])
            else:
                assert creation.get_layout() == h5py.h5d.CONTIGUOUS
                if not dataset.shape:
                    continue
                has_content = dataset.size > 0 and not is_name_only(dataset)
                assert (dataset.id.get_offset() is not None) == has_content


def test_a_reader_without_libhdf5_reads_the_tables(sample_store: Path) -> None:
    """All but the signals: pyfive has no implicit index of chunks."""
    with pyfive.File(sample_store) as by_pyfive, h5py.File(sample_store) as by_h5py:
        for path in (
            "labels",
            "features",
            "fiducials",
            "r_peaks",
            "folds",
            "checksums",
            "block_checksums",
            "quality/ksqi",
            "records/record_id",
            "records/age",
            "records/dx",
            "lead",
            "time",
        ):
            expected, values = by_h5py[path][:], by_pyfive[path][:]
            if expected.dtype.kind == "f":
                np.testing.assert_array_equal(values, expected)
            else:
                assert values.tolist() == expected.tolist()
        assert bytes(by_pyfive.attrs["format"]) == b"ecgstore"
        axes = by_pyfive["fiducials"].attrs["DIMENSION_LIST"]
        names = [by_pyfive[reference].name for [reference] in axes]
        assert names == ["/record", "/lead", "/beat", "/mark"]


def test_rows_can_be_read_in_place(sample_store: Path) -> None:
    with h5py.File(sample_store) as file:
        chunks: list[Any] = []
        file["signals"].id.chunk_iter(chunks.append)
        first, *others = sorted(chunk.byte_offset for chunk in chunks)
        assert first % 4096 == 0
        assert np.diff([first, *others]).tolist() == [120_000] * len(others)
        assert file["signals"].id.get_create_plist().get_nfilters() == 0
        for name in ("labels", "features", "fiducials", "records/dx"):
            assert file[name].chunks is None
            assert h5py.h5g.get_objinfo(file[name].id).mtime == 0  # no timestamps
        assert (file["state"][:] == 1).all()
        assert str(sample_folder()) not in file["records/path"][0].decode()


def has_times(content: bytes, address: int) -> bool:
    """Return whether a version 2 object header holds times."""
    assert content[address : address + 5] == b"OHDR\x02"
    return bool(content[address + 5] & 0x20)


def test_no_object_holds_a_time(
    sample_store: Path, tmp_path: Path, datasets: Datasets
) -> None:
    content = sample_store.read_bytes()
    with h5py.File(sample_store) as file:
        groups = (file[name] for name in GROUPS)
        for item in (file, *groups, *datasets(file).values()):
            assert not has_times(content, h5py.h5o.get_info(item.id).addr), item.name
    path = tmp_path / "t.h5"
    with h5py.File(path, "w", libver="latest") as file:
        dataset = file.create_dataset("x", data=1, track_times=True)
        address = h5py.h5o.get_info(dataset.id).addr
    assert has_times(path.read_bytes(), address)


def test_the_structures_are_in_the_first_bytes(
    sample_store: Path, tmp_path: Path, datasets: Datasets
) -> None:
    """A reader that has these bytes opens the file, and reads all that describes it."""
    with h5py.File(sample_store) as file:
        n_head, n_file = int(file.attrs["head_nbytes"]), sample_store.stat().st_size
        described = [
            path
            for path, dataset in datasets(file).items()
            if path not in ("signals", "block_checksums", *COLUMNS)
            and path.partition("/")[0] not in ("records", "quality", "quarantine")
            and dataset.id.get_storage_size()
        ]
        expected = {path: file[path][()].tolist() for path in described}
        ends = [file[path].id.get_offset() + file[path].nbytes for path in described]
        paths = sorted(datasets(file))
    assert n_head == max(ends) <= 1 << 20
    assert {"config", "fingerprint", "label", "label_codes", "time"} <= set(described)
    head = tmp_path / "head.h5"
    with head.open("wb") as cut:
        cut.write(sample_store.read_bytes()[:n_head])
        cut.truncate(n_file)
    with h5py.File(head) as file:
        assert sorted(datasets(file)) == paths
        for path, values in expected.items():
            assert file[path][()].tolist() == values, path


def test_datasets_lie_in_the_documented_order(
    sample_store: Path, datasets: Datasets
) -> None:
    with h5py.File(sample_store) as file:
        large = ("block_checksums", "features", "fiducials", "r_peaks", "signatures")
        first = file["signals"].id.get_chunk_info_by_coord((0, 0, 0)).byte_offset
        for path, dataset in datasets(file).items():
            offset = None if dataset.chunks else dataset.id.get_offset()
            if offset is not None:
                assert offset + dataset.nbytes <= first
                # Small datasets share blocks of the file.
                if path in large and dataset.nbytes > 4096:
                    assert offset > file.attrs["head_nbytes"]
        n_bytes = first + file["signals"].nbytes
    assert sample_store.stat().st_size == n_bytes


def test_a_long_list_of_names_is_in_the_head(tmp_path: Path) -> None:
    """HDF5 puts long attributes elsewhere, so there are none."""
    classes = [
        ecgstore.DiagnosisClass(f"class {i}", f"class {i}", (f"{i:08d}",))
        for i in range(3000)
    ]
    config = ecgstore.Config(classes=ecgstore.ClassSet("many", tuple(classes)))
    widths = dict.fromkeys(schema.RECORD_TEXTS, 2)
    specs = schema.store_specs(config, 5, widths, features=[], beats_status={"ok": 0})
    path = tmp_path / "many.h5"
    create_file(path, specs, schema.file_attributes(2, "software"))
    with h5py.File(path) as file:
        assert file["config"].nbytes > 60_000
        assert file.attrs["head_nbytes"] <= 1 << 20
        assert file["label"][2999] == b"class 2999"


def test_too_many_columns_for_the_head_are_refused(tmp_path: Path) -> None:
    specs = [DatasetSpec(f"x{i}", np.dtype("u1"), (2,)) for i in range(5000)]
    with pytest.raises(EcgStoreError, match="expected fewer: leave out columns"):
        create_file(tmp_path / "many.h5", specs, {})
