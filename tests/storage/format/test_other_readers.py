"""Programs of other projects read the values that h5py reads."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray

H5WASM = "0.10.3"
SCRIPT = """
import h5wasm from "h5wasm/node";
await h5wasm.ready;
const file = new h5wasm.File(process.argv[2], "r");
const n = file.get("signals").shape[0];
console.log(JSON.stringify({
    shape: file.get("signals").shape,
    rows: Array.from(file.get("signals").slice([[n - 2, n], [], [100, 110]])),
    labels: Array.from(file.get("labels").value),
    names: file.get("label").value,
    ages: Array.from(file.get("records/age").value),
    ids: file.get("records/record_id").value,
    peaks: Array.from(file.get("r_peaks").slice([[n - 1, n], []])),
    fingerprint: file.get("fingerprint").value,
}));
file.close();
"""


@pytest.fixture(scope="module")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with h5wasm, the HDF5 library as WebAssembly."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("node")
    command = [npm, "install", "--ignore-scripts", "--no-audit", f"h5wasm@{H5WASM}"]
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"npm cannot install h5wasm: {made.stderr.strip()[-200:]}")
    return folder


def test_h5wasm_reads_the_same(sample_store: Path, node_modules: Path) -> None:
    script = node_modules / "read.mjs"
    script.write_text(SCRIPT)
    output = subprocess.run(
        ["node", str(script), str(sample_store)],
        cwd=node_modules,
        capture_output=True,
        text=True,
        check=True,
    )
    read = json.loads(output.stdout)
    with h5py.File(sample_store) as file:
        assert read["shape"] == list(file["signals"].shape)
        assert read["rows"] == file["signals"][-2:, :, 100:110].ravel().tolist()
        assert read["labels"] == file["labels"][...].ravel().tolist()
        assert read["names"] == file["label"].asstr()[...].tolist()
        ages = [np.nan if age is None else age for age in read["ages"]]
        np.testing.assert_array_equal(ages, file["records/age"][...])
        assert read["ids"] == file["records/record_id"].asstr()[...].tolist()
        assert read["peaks"] == file["r_peaks"][-1].tolist()
        assert read["fingerprint"] == file["fingerprint"].asstr()[()]


def test_netcdf4_reads_the_same(sample_store: Path) -> None:
    netcdf = pytest.importorskip("netCDF4")
    with netcdf.Dataset(sample_store) as data, h5py.File(sample_store) as file:
        assert data["signals"].dimensions == ("record", "lead", "time")
        data["signals"].set_auto_scale(False)
        for path in ("signals", "labels", "features", "r_peaks", "block_checksums"):
            data[path].set_auto_mask(False)
            np.testing.assert_array_equal(data[path][...], file[path][...])
        for path in ("records/age", "records/same_ecg", "quality/ksqi", "folds"):
            np.testing.assert_array_equal(data[path][...], file[path][...])


def test_xarray_reads_the_same_by_netcdf4(sample_store: Path) -> None:
    pytest.importorskip("netCDF4")
    with (
        xarray.open_dataset(sample_store, engine="netcdf4") as data,
        h5py.File(sample_store) as file,
    ):
        counts = file["signals"][-1].astype(np.float32)
        np.testing.assert_array_equal(data.signals[-1], counts * np.float32(0.001))
        names = [str(name) for name in data.label.values.astype(str)]
        assert names == file["label"].asstr()[...].tolist()


def test_h5dump_reads_the_same(sample_store: Path) -> None:
    if shutil.which("h5dump") is None:
        pytest.skip("h5dump (package hdf5-tools) is not installed")
    with h5py.File(sample_store) as file:
        last = len(file["signals"]) - 1
        expected = file["signals"][last, 3, 200:210].tolist()
        folds = file["folds"][...].tolist()
    part = f"signals[{last},3,200;;1,1,10]"
    assert numbers("-d", part, str(sample_store)) == expected
    assert numbers("-d", "folds", str(sample_store)) == folds


def numbers(*arguments: str) -> list[int]:
    """Return the numbers that h5dump prints of a dataset."""
    command = ["h5dump", "-y", "-w", "0", *arguments]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    data = output.partition("DATA {")[2].rpartition("}")[0].partition("}")[0]
    return [int(number) for number in re.findall(r"-?\d+", data)]
