"""Features of an array are those that a build stores for the same record."""

import numpy as np
import pytest

import ecgstore
from ecgstore.arrays import FloatArray
from ecgstore.errors import ConfigError, RecordError
from ecgstore.features import Feature
from ecgstore.sample import sample_folder
from ecgstore.sources import read_record


@pytest.fixture(scope="module")
def raw() -> ecgstore.Record:
    return read_record(sample_folder() / "ptb-xl" / "g1" / "HR00001.hea")


def test_an_array_is_measured_as_in_a_build(sample_store: object) -> None:
    """Bit for bit: records of other rates, lengths and gaps, too."""
    with ecgstore.open(str(sample_store)) as store:
        for row in range(0, len(store), 3):
            path = sample_folder().parent / store.records["path"].iloc[row]
            record = read_record(path)
            measured = ecgstore.features_of(record.signal, record.fs)
            stored = store[[*store][row]]
            np.testing.assert_array_equal(measured.row, [*stored.features.values()])
            np.testing.assert_array_equal(measured.signal, stored.signal)
            np.testing.assert_array_equal(measured.beats.r_peaks, stored.r_peaks)
            np.testing.assert_array_equal(measured.beats.fiducials, stored.fiducials)
            assert [*measured] == [*store.feature_names]
            assert tuple(measured.units.values()) == store.feature_units


def test_options_are_those_of_a_build(raw: ecgstore.Record) -> None:
    config = ecgstore.Config(duration_s=2.0, fs=250.0)
    measured = ecgstore.features_of(raw.signal, raw.fs, config=config)
    assert measured.signal.shape == (12, 500)
    assert measured.fs == 250
    assert "spectral_entropy" not in measured  # which needs 4 s
    assert repr(measured).startswith("<ecgstore.Measured: ")
    assert "2 s at 250 Hz" in repr(measured)
    none = ecgstore.features_of(
        raw.signal, raw.fs, config=ecgstore.Config(beats="none")
    )
    assert len(none.beats.r_peaks) == 0
    assert np.isnan(none.row).all()


@pytest.mark.parametrize(("unit", "factor"), [("uV", 1000), ("V", 0.001), ("mV", 1)])
def test_leads_and_units_are_put_in_order(
    raw: ecgstore.Record, unit: str, factor: float
) -> None:
    expected = ecgstore.features_of(raw.signal, raw.fs)
    order = [3, 1, 11, 0, 2, 4, 10, 9, 8, 7, 6, 5]
    leads = [ecgstore.LEADS[place].upper() for place in order]
    measured = ecgstore.features_of(
        (raw.signal[order] * factor).tolist(), raw.fs, leads=leads, unit=unit
    )
    np.testing.assert_allclose(measured.row, expected.row, rtol=1e-6)
    series = measured.to_series()
    assert series["qrs_duration_ms"] == measured["qrs_duration_ms"]
    assert isinstance(measured.features[0], Feature)


def test_the_filter_is_on_unless_said_otherwise(raw: ecgstore.Record) -> None:
    with_filter = ecgstore.features_of(raw.signal, raw.fs)
    without = ecgstore.features_of(raw.signal, raw.fs, filter=False)
    counts = np.rint(raw.signal[:, :5000] * 1000)
    np.testing.assert_array_equal(np.rint(without.signal * 1000), counts)
    assert np.abs(without.signal - with_filter.signal).max() > 0.02
    twice = ecgstore.features_of(with_filter.signal, 500.0, filter=False)
    np.testing.assert_array_equal(twice.row, with_filter.row)


def with_gap(signal: FloatArray) -> FloatArray:
    gap = signal.copy()
    gap[4, 1000:2000] = np.nan
    return gap


def test_what_cannot_be_measured_is_refused(raw: ecgstore.Record) -> None:
    signal, fs = raw.signal, raw.fs
    with pytest.raises(ConfigError, match=r"lack V6; expected those of the options"):
        ecgstore.features_of(
            signal[:11], fs, leads=ecgstore.LEADS[:11], config=ecgstore.Config()
        )
    with pytest.raises(ConfigError, match="unit is 'mv'; expected one of mV, uV, V"):
        ecgstore.features_of(signal, fs, unit="mv")
    with pytest.raises(ValueError, match=r"\(5000, 12\); expected \(12, n_samples\)"):
        ecgstore.features_of(signal[:, :5000].T, fs)
    with pytest.raises(ValueError, match="fs is 0"):
        ecgstore.features_of(signal, 0)
    with pytest.raises(RecordError, match="gap_too_long"):
        ecgstore.features_of(with_gap(signal), fs)
    with pytest.raises(RecordError, match="too_short"):
        ecgstore.features_of(signal[:, :500], fs)
