"""The file as docs/format.md describes it, read with h5py and hashlib alone."""

import hashlib
import json
import re
import shutil
import struct
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import ecgstore
from ecgstore.beats import find_beats
from ecgstore.config import Config
from ecgstore.features import compute
from ecgstore.sample import sample_folder
from ecgstore.signals.preprocess import preprocess
from ecgstore.sources import read_record
from ecgstore.storage.format.integrity import dataset_digests, fingerprint
from ecgstore.storage.verify import verify

WriteRecord = Callable[..., Path]
PAGE = Path(__file__).resolve().parents[3] / "docs" / "format.md"


def build(source: Path, out: Path, config: Config) -> Path:
    ecgstore.build_store([source], out, config, n_workers=1, quiet=True)
    return out


def datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Return every dataset by its path without the leading slash."""
    found: dict[str, h5py.Dataset] = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item

    file.visititems(visit)
    return found


def text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


# -- checksums --------------------------------------------------------------


def crc32c_table() -> list[int]:
    """Return the table of the polynomial 0x1EDC6F41, reflected."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


def crc32c(content: bytes) -> int:
    table = crc32c_table()
    remainder = 0xFFFFFFFF
    for byte in content:
        remainder = table[(remainder ^ byte) & 255] ^ remainder >> 8
    return remainder ^ 0xFFFFFFFF


def test_own_checksum_is_crc32c() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4


def test_checksums_are_those_of_the_bytes_in_the_file(sample_store: Path) -> None:
    content = sample_store.read_bytes()
    with h5py.File(sample_store) as file:
        signals = file["signals"]
        n_bytes = 24 * signals.shape[2]
        for number in range(0, len(signals), 3):
            chunk = signals.id.get_chunk_info(number)
            assert chunk.size == n_bytes
            assert chunk.byte_offset % 4096 == 0
            assert chunk.filter_mask == 0
            row = chunk.chunk_offset[0]
            stored = content[chunk.byte_offset : chunk.byte_offset + n_bytes]
            assert stored == signals[row].astype("<i2").tobytes()
            assert crc32c(stored) == file["checksums"][row]


def digest_of(path: str, dataset: h5py.Dataset) -> str:
    digest = hashlib.sha256()
    if path != "signals":
        digest.update(dataset[...].tobytes())
    for name in sorted(dataset.attrs, key=str.encode):
        if name == "sha256":
            continue
        attribute = dataset.attrs.get_id(name)
        stored = np.zeros(attribute.shape, attribute.dtype)
        attribute.read(stored)
        digest.update(name.encode() + stored.tobytes())
    return digest.hexdigest()


def test_digests_and_fingerprint_can_be_computed_again(sample_store: Path) -> None:
    with h5py.File(sample_store) as file:
        lines = [text(file.attrs["config"])]
        for path, dataset in sorted(datasets(file).items()):
            digest = digest_of(path, dataset)
            assert text(dataset.attrs["sha256"]) == digest, path
            lines.append(f"{path} {digest}")
        expected = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        assert text(file.attrs["fingerprint"]) == expected
    with ecgstore.open(sample_store) as store:
        assert store.fingerprint == expected


@pytest.fixture
def copy(sample_store: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(sample_store, tmp_path / "copy.h5"))


@pytest.mark.parametrize("path", ["signals", "records/age", "state", "quarantine/path"])
def test_missing_digest_is_damage(copy: Path, path: str) -> None:
    with h5py.File(copy, "r+") as file:
        del file[path].attrs["sha256"]
    [damage] = verify(copy)
    assert damage.where == f"/{path}"
    assert "no digest" in damage.what


@pytest.mark.parametrize("value", [0, 2])
def test_row_that_was_not_filled_is_damage(copy: Path, value: int) -> None:
    """Even if all digests agree with it."""
    with h5py.File(copy, "r+") as file:
        file["state"][5] = value
        digests = dataset_digests(file)
        file["state"].attrs.modify("sha256", np.bytes_(digests["state"]))
        sealed = fingerprint(text(file.attrs["config"]), digests)
        file.attrs.modify("fingerprint", np.bytes_(sealed))
    assert [damage.where for damage in verify(copy)] == ["/state row 5"]


# -- what the page promises -------------------------------------------------


def documented_attributes() -> dict[str, set[str]]:
    """Return the attributes that the page names for each dataset."""
    table = PAGE.read_text().partition("| dataset | attribute | meaning |")[2]
    found: dict[str, set[str]] = {}
    dataset = ""
    for line in table.partition("\n\n")[0].splitlines()[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        dataset = cells[0] or dataset
        found.setdefault(dataset.strip("`"), set()).update(
            re.findall(r"`(\w+)`", cells[1])
        )
    return found


def test_every_dataset_has_the_documented_attributes(sample_store: Path) -> None:
    documented = documented_attributes()
    assert documented.pop("every dataset") == {"sha256"}
    quality = documented.pop("/quality/*")
    with h5py.File(sample_store) as file:
        for path, dataset in datasets(file).items():
            expected = {"sha256"} | documented.pop(f"/{path}", set())
            if path.startswith("quality/"):
                expected |= quality
            assert set(dataset.attrs) == expected, path
    assert documented == {}


def test_attributes_of_the_file(sample_store: Path) -> None:
    with h5py.File(sample_store) as file:
        named = re.findall(
            r"^\| `(\w+)` \| (?:text|integer) \|",
            PAGE.read_text().partition("## Datasets")[0],
            re.MULTILINE,
        )
        assert set(file.attrs) == set(named)
        assert text(file.attrs["format"]) == "ecgstore"
        assert file.attrs["format_version"] == 1
        versions = dict(
            each.split() for each in text(file.attrs["software"]).split(", ")
        )
        assert versions == {
            name: version(name) for name in ("ecgstore", "neurokit2", "numpy", "scipy")
        }
        config = json.loads(text(file.attrs["config"]))
        assert config["fs"] == 500
        assert config["classes"]["name"] == "hybrid7"


def test_attributes_of_the_datasets(sample_store: Path) -> None:
    page = PAGE.read_text()
    with h5py.File(sample_store) as file:
        signals = file["signals"].attrs
        assert text(signals["units"]) == "mV"
        assert signals["scale_factor"] == 0.001
        assert signals["fs"] == 500
        leads = "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6"
        assert " ".join(map(text, signals["leads"])) == leads
        marks = " ".join(map(text, file["fiducials"].attrs["marks"]))
        assert f"`{marks}`" in page
        config = json.loads(text(file.attrs["config"]))
        labels = file["labels"].attrs
        for name, codes, each in zip(
            labels["names"], labels["codes"], config["classes"]["classes"], strict=True
        ):
            assert text(name) == each["name"]
            assert text(codes).split(",") == each["codes"]
        features = file["features"].attrs
        assert len(features["names"]) == file["features"].shape[1]
        for name, unit in zip(features["names"][:5], features["units"], strict=False):
            row = f"| `{text(name)}` | {text(unit)} |"
            assert row in PAGE.with_name("features.md").read_text()
        for name, dataset in file["quality"].items():
            kind = f"{dataset.dtype} {'(N, 12)' if dataset.ndim == 2 else '(N,)'}"
            unit, meaning = (text(dataset.attrs[key]) for key in ("units", "long_name"))
            assert f"| `{name}` | {kind} | {unit} | {meaning} |" in page
        status = file["quality/beats_status"].attrs
        assert status["flag_values"].tolist() == [*range(6)]
        assert text(status["flag_meanings"]).split() == [
            "ok", "no_beats", "too_few_beats", "not_computed", "detector_failed",
            "too_many_beats",
        ]  # fmt: skip


def test_shapes_and_types_of_the_datasets(sample_store: Path) -> None:
    with h5py.File(sample_store) as file:
        n, n_classes = len(file["signals"]), len(file["labels"].attrs["names"])
        n_features = len(file["features"].attrs["names"])
        for path, kind, shape in (
            ("signals", "<i2", (n, 12, 5000)),
            ("labels", "|u1", (n, n_classes)),
            ("features", "<f4", (n, n_features)),
            ("fiducials", "<i2", (n, 12, 50, 9)),
            ("r_peaks", "<i2", (n, 50)),
            ("folds", "|i1", (n,)),
            ("checksums", "<u4", (n,)),
            ("state", "|u1", (n,)),
        ):
            assert (file[path].dtype.str, file[path].shape) == (kind, shape), path
        for line in re.findall(r"^\| `(\w+)` \| (\w+) \|", PAGE.read_text(), re.M):
            name, kind = line
            if name in file["records"]:
                found = file["records"][name].dtype
                assert found.kind == "S" if kind == "text" else found == kind, name
        assert (file["state"][...] == 1).all()


def test_only_features_of_old_hdf5_are_used(sample_store: Path) -> None:
    content = sample_store.read_bytes()
    assert content[:8] == b"\x89HDF\r\n\x1a\n"
    assert content[8] == 0  # version of the superblock

    def check_type(kind: Any) -> None:
        assert kind.get_class() != h5py.h5t.VLEN
        if kind.get_class() == h5py.h5t.STRING:
            assert not kind.is_variable_str()
            assert kind.get_cset() == h5py.h5t.CSET_UTF8
            assert kind.get_strpad() == h5py.h5t.STR_NULLPAD
        else:
            assert kind.get_order() in (h5py.h5t.ORDER_LE, h5py.h5t.ORDER_NONE)

    with h5py.File(sample_store) as file:
        for name in file.attrs:
            check_type(file.attrs.get_id(name).get_type())
        for path, dataset in datasets(file).items():
            check_type(dataset.id.get_type())
            for name in dataset.attrs:
                check_type(dataset.attrs.get_id(name).get_type())
            creation = dataset.id.get_create_plist()
            assert creation.get_nfilters() == 0
            assert dataset.maxshape == dataset.shape
            if path == "signals":
                assert dataset.chunks == (1, *dataset.shape[1:])
            else:
                assert creation.get_layout() == h5py.h5d.CONTIGUOUS
                assert (dataset.id.get_offset() is not None) == (dataset.size > 0)


MODIFICATION_TIMES = (0x000E, 0x0012)
"""Messages of an object header that hold a time."""


def message_types(content: bytes, address: int) -> set[int]:
    """Return the types of the messages in a version 1 object header."""
    number, _, size = struct.unpack_from("<HII", content, address + 2)
    assert content[address] == 1
    found: set[int] = set()
    blocks = [(address + 16, size)]
    n_seen = 0
    while blocks:
        place, left = blocks.pop(0)
        while left >= 8 and n_seen < number:
            kind, length = struct.unpack_from("<HH", content, place)
            found.add(kind)
            n_seen += 1
            if kind == 0x0010:  # goes on elsewhere
                blocks.append(struct.unpack_from("<QQ", content, place + 8))
            place, left = place + 8 + length, left - 8 - length
    assert n_seen == number
    return found


def test_no_object_holds_a_time(sample_store: Path, tmp_path: Path) -> None:
    content = sample_store.read_bytes()
    with h5py.File(sample_store) as file:
        for path, dataset in datasets(file).items():
            address = h5py.h5o.get_info(dataset.id).addr
            types = message_types(content, address)
            assert 0x0003 in types, path  # the type of the elements: parsed rightly
            assert not types & {*MODIFICATION_TIMES}, path
        for group in (file, file["records"], file["quality"], file["quarantine"]):
            types = message_types(content, h5py.h5o.get_info(group.id).addr)
            assert not types & {*MODIFICATION_TIMES}, group.name
    with h5py.File(tmp_path / "t.h5", "w", libver="earliest", track_times=True) as file:
        address = h5py.h5o.get_info(
            file.create_dataset("x", data=1, track_times=True).id
        ).addr
    assert message_types((tmp_path / "t.h5").read_bytes(), address) & {
        *MODIFICATION_TIMES
    }


def test_rows_are_followed_by_zeros(sample_store: Path) -> None:
    with h5py.File(sample_store) as file:
        padding = file["quality/pad_length"][...]
        assert padding.max() > 0
        for row in np.flatnonzero(padding):
            signal = file["signals"][int(row)]
            assert (signal[:, 5000 - padding[row] :] == 0).all()
            assert (signal[:, : 5000 - padding[row]] != 0).any(axis=1).all()


# -- other types ------------------------------------------------------------


def check_computed_again(path: Path) -> None:
    """Compare beats and features with those of the stored numbers."""
    with ecgstore.open(path) as store:
        for name in store:
            record = store[name]
            signal = record.signal.astype(np.float64)
            config = store.config
            beats = find_beats(signal, config.fs, max_beats=config.max_beats)
            np.testing.assert_array_equal(beats.r_peaks, record.r_peaks)
            np.testing.assert_array_equal(beats.fiducials, record.fiducials)
            np.testing.assert_array_equal(
                compute(signal, beats, config.fs, "neurokit").astype(np.float32),
                np.array([*record.features.values()], np.float32),
            )


def test_float32_store_with_beats(few_records: Path, tmp_path: Path) -> None:
    config = Config(dtype="float32", limit=6)
    out = build(few_records, tmp_path / "f.h5", config)
    assert list(verify(out)) == []
    with h5py.File(out) as file:
        assert file["signals"].dtype.str == "<f4"
        assert file["signals"].attrs["scale_factor"] == 1
        assert text(file["signals"].attrs["units"]) == "mV"
        assert (file["quality/saturated_fraction"][...] == 0).all()
        assert file["signals"].id.get_chunk_info(0).size == 48 * 5000
        for row, path in enumerate(file["records/path"][...]):
            record = read_record(few_records.parent / path.decode())
            expected = preprocess(
                record.signal,
                record.fs,
                fs_out=500,
                duration_s=10,
                margin_s=3,
                low_hz=0.5,
                high_hz=40,
                order=3,
                max_gap_s=0.1,
            ).signal
            np.testing.assert_array_equal(
                file["signals"][row], expected.astype(np.float32)
            )
            assert crc32c(file["signals"][row].tobytes()) == file["checksums"][row]
        assert (file["r_peaks"][...] >= 0).any()
    check_computed_again(out)


def test_long_signals_have_wide_indices(
    tmp_path: Path, write_record: WriteRecord
) -> None:
    source = sample_folder() / "ptb-xl" / "g1" / "HR00001.mat"
    adc = np.frombuffer(source.read_bytes()[24:], "<i2").reshape(-1, 12).T
    folder = write_record("A0001", np.tile(adc, (1, 8))[:, :36_000]).parent
    write_record("A0002", np.tile(adc, (1, 7))[:, :34_000])
    out = build(folder, tmp_path / "long.h5", Config(duration_s=70))
    assert list(verify(out)) == []
    with h5py.File(out) as file:
        assert file["signals"].shape == (2, 12, 35_000)
        assert file["r_peaks"].dtype.str == file["fiducials"].dtype.str == "<i4"
        assert file["r_peaks"].shape == (2, 350)
        assert file["fiducials"].shape == (2, 12, 350, 9)
        assert file["r_peaks"][0].max() > 32_767
        assert file["fiducials"][0].max() > 32_767
        assert file["quality/pad_length"][...].tolist() == [0, 1000]
    check_computed_again(out)


@pytest.mark.parametrize(("n_samples", "kind"), [(32_767, "<i2"), (32_768, "<i4")])
def test_width_of_indices_changes_at_the_right_length(
    tmp_path: Path, write_record: WriteRecord, n_samples: int, kind: str
) -> None:
    folder = write_record("A0001").parent
    config = Config(duration_s=n_samples / 500, beats="none")
    assert config.n_samples == n_samples
    with h5py.File(build(folder, tmp_path / "o.h5", config)) as file:
        assert file["r_peaks"].dtype.str == kind
        assert file["fiducials"].dtype.str == kind
