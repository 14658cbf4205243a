"""Stores of other numeric types than the default."""

from collections.abc import Callable
from pathlib import Path

import google_crc32c
import h5py
import numpy as np
import pytest

import ecgstore
from ecgstore.beats import find_beats
from ecgstore.config import Config
from ecgstore.features import compute, defined_columns
from ecgstore.sample import sample_folder
from ecgstore.signals.preprocess import preprocess
from ecgstore.sources import read_record
from ecgstore.storage.verify import verify

WriteRecord = Callable[..., Path]


def build(source: Path, out: Path, config: Config) -> Path:
    ecgstore.build_store([source], out, config, n_workers=1, quiet=True)
    return out


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
            values = compute(signal, beats, config.fs, "neurokit")
            columns = defined_columns(config.duration_s, config.fs)
            np.testing.assert_array_equal(
                values[columns], np.array([*record.features.values()], np.float32)
            )


def test_a_float32_store_has_correct_beats_and_features(
    few_records: Path, tmp_path: Path
) -> None:
    config = Config(dtype="float32", limit=6)
    out = build(few_records, tmp_path / "f.h5", config)
    assert list(verify(out)) == []
    with h5py.File(out) as file:
        assert file["signals"].dtype.str == "<f4"
        assert file["signals"].attrs["scale_factor"] == 1
        assert file["signals"].attrs["units"].decode() == "mV"
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
            checksum = google_crc32c.value(file["signals"][row].tobytes())
            assert checksum == file["checksums"][row]
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


@pytest.mark.parametrize(("n_samples", "dtype"), [(32_767, "<i2"), (32_768, "<i4")])
def test_width_of_indices_changes_at_the_right_length(
    tmp_path: Path, write_record: WriteRecord, n_samples: int, dtype: str
) -> None:
    folder = write_record("A0001").parent
    config = Config(duration_s=n_samples / 500, beats="none")
    assert config.n_samples == n_samples
    with h5py.File(build(folder, tmp_path / "o.h5", config)) as file:
        assert file["r_peaks"].dtype.str == dtype
        assert file["fiducials"].dtype.str == dtype
