"""Axes have the names and coordinates that docs/format.md describes."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray

import ecgstore
from ecgstore.storage.format import layout
from ecgstore.storage.format.dataset_spec import DatasetSpec, Dimension
from ecgstore.storage.verify import verify

Datasets = Callable[[h5py.File], dict[str, h5py.Dataset]]
PAGE = Path(__file__).resolve().parents[3] / "docs" / "format.md"
DIMENSIONS = {
    "signals": ["/record", "/lead", "/time"],
    "labels": ["/record", "/label"],
    "features": ["/record", "/feature"],
    "fiducials": ["/record", "/lead", "/beat", "/mark"],
    "r_peaks": ["/record", "/beat"],
    "signatures": ["/record", "/signature_byte"],
    "block_checksums": ["/record", "/lead", "/block"],
    "label_codes": ["/label"],
    "feature_units": ["/feature"],
    "digests/sha256": ["/digests/dataset"],
}


def test_every_axis_is_attached_to_its_dimension(
    sample_store: Path, datasets: Datasets
) -> None:
    table = PAGE.read_text().partition("| path | size | coordinate |")[2]
    documented = set(re.findall(r"^\| `/([a-z_/]+)`", table.partition("\n\n")[0], re.M))
    with h5py.File(sample_store) as file:
        found = datasets(file)
        scales = {path for path in found if found[path].is_scale}
        assert scales | {"target"} == documented  # not in every store
        for path in set(found) - scales - {"config", "fingerprint"}:
            dataset = found[path]
            expected = DIMENSIONS.get(path, ["/record", "/lead"][: dataset.ndim])
            if path.startswith("quarantine/"):
                expected = ["/quarantine/entry"]
            assert [axis[0].name for axis in dataset.dims] == expected, path
            for axis, name in enumerate(expected):
                # The library follows the references of both sides.
                assert h5py.h5ds.is_attached(dataset.id, file[name].id, axis)
                assert dataset.shape[axis] == file[name].shape[0]


def test_coordinates_are_the_names_and_times(store: ecgstore.Store) -> None:
    with h5py.File(store.path) as file:
        for path, names in {
            "lead": store.leads,
            "label": store.label_names,
            "feature": store.feature_names,
            "mark": ecgstore.MARKS,
        }.items():
            assert [text.decode() for text in file[path]] == [*names]
        times = np.arange(store.n_samples) / store.fs
        np.testing.assert_array_equal(file["time"], times)
        assert file["time"].attrs["units"].decode() == "s"
        for path in ("record", "beat", "block", "signature_byte", "quarantine/entry"):
            assert file[path].id.get_storage_size() == 0
            assert file[path].attrs["NAME"].startswith(b"This is a netCDF dimension")


def test_xarray_reads_names_and_float32(store: ecgstore.Store) -> None:
    assert store.scale_factor == 0.001  # though the file has the nearest float32
    with xarray.open_dataset(store.path, engine="h5netcdf") as data:
        assert data.signals.dims == ("record", "lead", "time")
        assert data.signals.dtype == np.float32
        np.testing.assert_array_equal(data.signals, store.signals(range(len(store))))
        part = data.signals.sel(lead=b"V1", time=slice(0, 2))[3]
        np.testing.assert_array_equal(part, store.signals([3])[0, 6, :1001])
        feature = data.features.sel(feature=b"qrs_duration_ms")
        np.testing.assert_array_equal(feature, store.features()["qrs_duration_ms"])
        peaks = store.r_peaks()
        np.testing.assert_array_equal(data.r_peaks.isnull(), peaks < 0)
        np.testing.assert_array_equal(data.r_peaks.fillna(-1), peaks)
    for group in ("records", "quality", "quarantine"):
        with xarray.open_dataset(store.path, engine="h5netcdf", group=group) as data:
            for name, variable in data.variables.items():
                assert variable.shape == store.table(f"{group}/{name}").shape


def test_an_empty_column_of_texts_keeps_its_axis(
    few_records: Path, tmp_path: Path
) -> None:
    """A netCDF text of one byte is a character, and an axis of them one text."""
    out = tmp_path / "unknown.h5"
    config = ecgstore.Config(limit=3, beats="none")
    ecgstore.build_store([few_records], out, config, n_workers=1, quiet=True)
    with xarray.open_dataset(out, engine="h5netcdf", group="records") as data:
        assert data.patient_id.values.tolist() == [b""] * 3


def test_a_dimension_takes_no_bytes_for_its_size(tmp_path: Path) -> None:
    sizes = []
    for n_rows in (10, 1_000_000_000):
        path = tmp_path / f"{n_rows}.h5"
        record = Dimension("record")
        spec = DatasetSpec("x", np.dtype("u1"), (n_rows, 0), dimensions=(record,) * 2)
        layout.create_file(path, [spec], {})
        sizes.append(path.stat().st_size)
    assert sizes[0] == sizes[1]


def _other_scale(file: h5py.File) -> None:
    references = np.empty(2, object)
    for axis, name in enumerate(("record", "lead")):
        references[axis] = np.array([file[name].ref], h5py.ref_dtype)
    dtype = h5py.vlen_dtype(h5py.ref_dtype)
    file["r_peaks"].attrs.create("DIMENSION_LIST", references, dtype=dtype)


def _other_axis(file: h5py.File) -> None:
    uses = file["beat"].attrs.get_id("REFERENCE_LIST")
    stored = np.empty(uses.shape, uses.dtype)
    uses.read(stored)
    stored["dimension"][0] += 1
    uses.write(stored)


def _content(file: h5py.File) -> None:
    file["record"][...] = 1


def _coordinate(file: h5py.File) -> None:
    file["time"][5] += 1


def _class(text: bytes, file: h5py.File) -> None:
    file["lead"].attrs.modify("CLASS", np.bytes_(text))


def _other_type(file: h5py.File) -> None:
    file["lead"].attrs["CLASS"] = "DIMENSION_SCALE"  # not of fixed width


def _another_name(file: h5py.File) -> None:
    del file["lead"].attrs["NAME"]
    h5py.h5ds.set_scale(file["lead"].id, b"leaf")


@pytest.mark.parametrize(
    ("change", "where", "problem"),
    [
        (_other_scale, "/r_peaks", "its axes do not have the dimensions"),
        (_other_axis, "/beat", "does not refer to the axes"),
        (_content, "/record", "has content; expected none"),
        (_coordinate, "/time", "differs from the names or times"),
        (partial(_class, b"DIMENSION_SCAL"), "/lead", "is not marked as a dimension"),
        (partial(_class, b"XIMENSION_SCALE"), "/lead", "is not marked as a dimension"),
        (partial(_class, b""), "/lead", "is not marked as a dimension"),
        (_other_type, "/lead", "is not marked as a dimension"),
        (_another_name, "/lead", "does not have the name 'lead'"),
        (lambda file: file.move("mark", "records/mark"), "/", "mark"),
        (
            lambda file: file["folds"].attrs.pop("DIMENSION_LIST"),
            "/folds",
            "attribute DIMENSION_LIST is missing",
        ),
    ],
)
def test_wrong_dimensions_are_damage(
    copy: Path, change: Callable[[h5py.File], object], where: str, problem: str
) -> None:
    with h5py.File(copy, "r+") as file:
        change(file)
    damages = [damage for damage in verify(copy) if damage.where == where]
    assert any(problem in damage.problem for damage in damages), damages
