"""Datasets and attributes of a store as docs/format.md describes them."""

import hashlib
import json
import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np

from ecgstore.beats import BEATS_VERSION
from ecgstore.features import FEATURES_VERSION

Datasets = Callable[[h5py.File], dict[str, h5py.Dataset]]
PAGE = Path(__file__).resolve().parents[3] / "docs" / "format.md"


def documented_attributes() -> dict[str, set[str]]:
    """Return the attributes that the page names for each dataset."""
    table = PAGE.read_text().partition("| dataset | attribute | meaning |")[2]
    attributes: dict[str, set[str]] = {}
    dataset = ""
    for line in table.partition("\n\n")[0].splitlines()[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        dataset = cells[0] or dataset
        attributes.setdefault(dataset.strip("`"), set()).update(
            re.findall(r"`(\w+)`", cells[1])
        )
    return attributes


def test_every_dataset_has_the_documented_attributes(
    sample_store: Path, datasets: Datasets
) -> None:
    documented = documented_attributes()
    of_every_dataset = documented.pop("every dataset")
    assert of_every_dataset == {"DIMENSION_LIST"}
    quality = documented.pop("/quality/*")
    with h5py.File(sample_store) as file:
        for path, dataset in datasets(file).items():
            expected = of_every_dataset | documented.pop(f"/{path}", set())
            if not dataset.shape:
                expected = set()
            if dataset.is_scale:
                expected = {"CLASS", "NAME", "REFERENCE_LIST"}
                expected |= {"units", "long_name"} if path == "time" else set()
            if path.startswith("quality/"):
                expected |= quality
            assert set(dataset.attrs) == expected, path
    assert documented == {}


def test_the_file_has_the_documented_attributes(sample_store: Path) -> None:
    with h5py.File(sample_store) as file:
        named = re.findall(
            r"^\| `(\w+)` \| (?:text|integer) \|",
            PAGE.read_text().partition("## Datasets")[0],
            re.MULTILINE,
        )
        assert set(file.attrs) == set(named)
        assert file.attrs["format"].decode() == "ecgstore"
        assert file.attrs["format_version"] == 2
        digest = hashlib.sha256(file.attrs["software"]).hexdigest()
        assert file.attrs["software_sha256"].decode() == digest
        versions = dict(
            entry.split() for entry in file.attrs["software"].decode().split(", ")
        )
        libraries = ("ecgstore", "neurokit2", "numpy", "scipy")
        assert versions == {
            **{name: version(name) for name in libraries},
            "beats": str(BEATS_VERSION),
            "features": str(FEATURES_VERSION),
        }
        config = json.loads(file["config"][()].decode())
        assert config["fs"] == 500
        assert config["classes"]["name"] == "hybrid7"


def test_attributes_of_the_datasets_have_the_documented_values(
    sample_store: Path,
) -> None:
    page = PAGE.read_text()
    with h5py.File(sample_store) as file:
        signals = file["signals"].attrs
        assert signals["units"].decode() == "mV"
        assert signals["scale_factor"] == 0.001
        assert signals["fs"] == 500
        leads = "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6"
        assert b" ".join(signals["leads"]).decode() == leads
        marks = b" ".join(file["fiducials"].attrs["marks"]).decode()
        assert f"`{marks}`" in page
        config = json.loads(file["config"][()].decode())
        for name, codes, expected in zip(
            file["label"],
            file["label_codes"],
            config["classes"]["classes"],
            strict=True,
        ):
            assert name.decode() == expected["name"]
            assert codes.decode().split(",") == expected["codes"]
        names, units = file["feature"][...], file["feature_units"][...]
        assert len(names) == len(units) == file["features"].shape[1]
        for name, unit in zip(names[:5], units, strict=False):
            row = f"| `{name.decode()}` | {unit.decode()} |"
            assert row in PAGE.with_name("features.md").read_text()
        for name, dataset in file["quality"].items():
            shape = "(N, L)" if dataset.ndim == 2 else "(N,)"
            unit = dataset.attrs["units"].decode()
            meaning = dataset.attrs["long_name"].decode()
            row = f"| `{name}` | {dataset.dtype} {shape} | {unit} | {meaning} |"
            assert row in page
        status = file["quality/beats_status"].attrs
        assert status["flag_values"].tolist() == [*range(6)]
        assert status["flag_meanings"].decode().split() == [
            "ok", "no_beats", "too_few_beats", "not_computed", "detector_failed",
            "too_many_beats",
        ]  # fmt: skip


def test_the_datasets_have_the_documented_shapes_and_types(sample_store: Path) -> None:
    with h5py.File(sample_store) as file:
        n, n_classes = len(file["signals"]), len(file["label"])
        n_features = len(file["feature"])
        for path, dtype, shape in (
            ("signals", "<i2", (n, 12, 5000)),
            ("labels", "|u1", (n, n_classes)),
            ("features", "<f4", (n, n_features)),
            ("fiducials", "<i2", (n, 12, 50, 9)),
            ("r_peaks", "<i2", (n, 50)),
            ("folds", "|i1", (n,)),
            ("checksums", "<u4", (n,)),
            ("block_checksums", "<u4", (n, 12, 5)),
            ("signatures", "|u1", (n, 1086)),
            ("state", "|u1", (n,)),
        ):
            assert (file[path].dtype.str, file[path].shape) == (dtype, shape), path
        for line in re.findall(r"^\| `(\w+)` \| (\w+) \|", PAGE.read_text(), re.M):
            name, documented = line
            if name in file["records"]:
                dtype = file["records"][name].dtype
                is_text = documented == "text"
                assert dtype.kind == "S" if is_text else dtype == documented, name
        assert (file["state"][...] == 1).all()


def test_padding_is_zero(sample_store: Path) -> None:
    with h5py.File(sample_store) as file:
        padding = file["quality/pad_length"][...]
        assert padding.max() > 0
        for row in np.flatnonzero(padding):
            signal = file["signals"][int(row)]
            assert (signal[:, 5000 - padding[row] :] == 0).all()
            assert (signal[:, : 5000 - padding[row]] != 0).any(axis=1).all()
