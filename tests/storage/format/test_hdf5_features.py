"""A store uses only features of HDF5 that every reader supports."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyfive

from ecgstore.sample import sample_folder

Datasets = Callable[[h5py.File], dict[str, h5py.Dataset]]
MODIFICATION_TIMES = {0x000E, 0x0012}
"""Messages of an object header that hold a time."""


def is_name_only(dataset: h5py.Dataset) -> bool:
    """Return whether a dataset is a dimension without a coordinate."""
    return dataset.name in ("/record", "/beat", "/quarantine/entry")


def test_only_features_of_hdf5_1_6_are_used(
    sample_store: Path, datasets: Datasets
) -> None:
    content = sample_store.read_bytes()
    assert content[:8] == b"\x89HDF\r\n\x1a\n"
    assert content[8] == 0  # version of the superblock

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
                has_content = dataset.size > 0 and not is_name_only(dataset)
                assert (dataset.id.get_offset() is not None) == has_content


def test_a_reader_without_libhdf5_reads_the_same(sample_store: Path) -> None:
    with pyfive.File(sample_store) as by_pyfive, h5py.File(sample_store) as by_h5py:
        for path in (
            "signals",
            "labels",
            "features",
            "fiducials",
            "r_peaks",
            "folds",
            "checksums",
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
        assert by_pyfive["signals"].attrs["scale_factor"] == 0.001
        assert bytes(by_pyfive.attrs["format"]) == b"ecgstore"
        axes = by_pyfive["fiducials"].attrs["DIMENSION_LIST"]
        names = [by_pyfive[reference].name for [reference] in axes]
        assert names == ["/record", "/lead", "/beat", "/mark"]


def test_rows_can_be_read_in_place(sample_store: Path) -> None:
    with h5py.File(sample_store) as file:
        chunks: list[Any] = []
        file["signals"].id.chunk_iter(chunks.append)
        assert all(chunk.byte_offset % 4096 == 0 for chunk in chunks)
        assert file["signals"].id.get_create_plist().get_nfilters() == 0
        for name in ("labels", "features", "fiducials", "records/dx"):
            assert file[name].chunks is None
            assert h5py.h5g.get_objinfo(file[name].id).mtime == 0  # no timestamps
        assert (file["state"][:] == 1).all()
        assert str(sample_folder()) not in file["records/path"][0].decode()


def message_types(content: bytes, address: int) -> set[int]:
    """Return the types of the messages in a version 1 object header."""
    number, _, size = struct.unpack_from("<HII", content, address + 2)
    assert content[address] == 1
    types: set[int] = set()
    blocks = [(address + 16, size)]
    n_seen = 0
    while blocks:
        offset, left = blocks.pop(0)
        while left >= 8 and n_seen < number:
            message, length = struct.unpack_from("<HH", content, offset)
            types.add(message)
            n_seen += 1
            if message == 0x0010:  # continued in another block
                blocks.append(struct.unpack_from("<QQ", content, offset + 8))
            offset, left = offset + 8 + length, left - 8 - length
    assert n_seen == number
    return types


def test_no_object_holds_a_time(
    sample_store: Path, tmp_path: Path, datasets: Datasets
) -> None:
    content = sample_store.read_bytes()
    with h5py.File(sample_store) as file:
        for path, dataset in datasets(file).items():
            address = h5py.h5o.get_info(dataset.id).addr
            types = message_types(content, address)
            assert 0x0003 in types, path  # the type of the elements
            assert not types & MODIFICATION_TIMES, path
        for group in (file, file["records"], file["quality"], file["quarantine"]):
            types = message_types(content, h5py.h5o.get_info(group.id).addr)
            assert not types & MODIFICATION_TIMES, group.name
    with h5py.File(tmp_path / "t.h5", "w", libver="earliest", track_times=True) as file:
        address = h5py.h5o.get_info(
            file.create_dataset("x", data=1, track_times=True).id
        ).addr
    assert message_types((tmp_path / "t.h5").read_bytes(), address) & MODIFICATION_TIMES
