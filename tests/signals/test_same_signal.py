"""Records that hold the same ECG are found; records that do not are not linked."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.builds.same_signals import copies, resampled
from ecgstore.arrays import FloatArray
from ecgstore.record import Record
from ecgstore.signals._same_signal_kernels import similarity
from ecgstore.signals.same_signal import MIN_SIMILARITY, interpolation, same_signals
from ecgstore.signals.signature import N_STORED, signature, signature_array
from ecgstore.sources import find_headers, read_record


def first_13_s(record: Record) -> FloatArray:
    return record.signal[:, : round(13 * record.fs)]


def assert_copies_are_found(records: list[Record]) -> None:
    """Check that every copy is linked with its record, and no other two records are."""
    originals = [signature(record.signal, record.fs) for record in records]
    by_change: dict[str, list[bytes]] = {}
    for record in records:
        for change, signal, fs in copies(first_13_s(record), record.fs):
            by_change.setdefault(change, []).append(signature(signal, fs))
    n = len(records)
    expected = np.tile(same_signals(signature_array(originals)), 2)
    for change, signatures in by_change.items():
        found = same_signals(signature_array([*originals, *signatures]))
        np.testing.assert_array_equal(found, expected, change)
        assert (found[:n] == found[n:]).all()


@pytest.fixture(scope="module")
def records(dozen_records: Path) -> list[Record]:
    return [read_record(path) for path in find_headers(dozen_records)]


def test_copies_of_the_sample_are_found(records: list[Record]) -> None:
    assert_copies_are_found(records)


def test_copies_of_real_records_are_found(shared_data: Path) -> None:
    folder = shared_data / "challenge-2020" / "training"
    headers = sorted(folder.rglob("*.hea"))
    sources = sorted({path.parent.parent for path in headers})
    some = [
        path for s in sources for path in [p for p in headers if s in p.parents][:4]
    ]
    assert_copies_are_found([read_record(path) for path in some])


def test_only_known_twins_of_real_records_are_linked(shared_data: Path) -> None:
    paths = [
        path
        for name in ("challenge-2020/training", "ludb", "chagas")
        for path in sorted((shared_data / name).rglob("*.hea"))
    ]
    read = [read_record(path, max_samples=10_000) for path in paths]
    rows = signature_array([signature(record.signal, record.fs) for record in read])
    assert (rows["places"] != 65535).any(axis=1).all()
    links = same_signals(rows)
    found = {
        (read[first].record_id, read[row].record_id)
        for row, first in enumerate(links)
        if row != first
    }
    assert found == {
        ("E07509", "E07510"),
        ("HR00137", "HR00138"),
        ("HR00143", "HR00144"),
        ("HR00145", "HR00463"),
        ("HR00456", "HR00457"),
        ("HR00459", "HR00460"),
    }


def test_links_do_not_depend_on_the_order(records: list[Record]) -> None:
    signatures = [signature(record.signal, record.fs) for record in records]
    for record in records:
        half = resampled(first_13_s(record), record.fs, 250)
        signatures += [signature(half, 250), signature(half[:, 200:], 250), b""]
    rows = signature_array(signatures)
    expected = same_signals(rows)
    assert len(set(expected)) == len(records) * 2
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(rows))
        found = same_signals(rows[order])
        # The first of each group in the new order.
        group = expected[order]
        first = [np.flatnonzero(group == number)[0] for number in group]
        np.testing.assert_array_equal(found, first)


def test_records_without_signature_are_alone() -> None:
    np.testing.assert_array_equal(same_signals(signature_array([b""] * 5)), range(5))
    assert same_signals(signature_array([])).shape == (0,)


@pytest.mark.parametrize(("n_shared", "are_linked"), [(199, False), (200, True)])
def test_records_with_less_than_4_s_in_common_are_not_linked(
    records: list[Record], n_shared: int, are_linked: bool
) -> None:
    """Short parts of unlike records are similar by chance."""
    row = signature_array([signature(records[0].signal, records[0].fs)])
    rows = np.repeat(row, 2)
    rows["range"][1] = 50, 50 + n_shared
    assert (same_signals(rows)[1] == 0) == are_linked


def test_many_equal_keys_are_bounded_work(records: list[Record]) -> None:
    """Without a bound, these 3,000 records need 72 million comparisons."""
    row = signature_array([signature(records[0].signal, records[0].fs)])
    same = np.repeat(row, 3000)
    assert not same_signals(same).any()
    same["waves"] = np.random.default_rng(0).integers(-99, 99, same["waves"].shape)
    same["places"][:, 1:] = 65535
    np.testing.assert_array_equal(same_signals(same), range(3000))


def test_similarity_is_the_correlation_at_the_lag() -> None:
    rng = np.random.default_rng(0)
    time = np.arange(N_STORED) / 50
    tones = [(rng.uniform(3, 15), rng.uniform(0, 6)) for _ in range(12)]

    def wave(shift: float) -> FloatArray:
        return sum(
            (np.sin(2 * np.pi * f * (time + shift) + phase) for f, phase in tones),
            np.zeros(N_STORED),
        )

    def stored(values: FloatArray) -> NDArray[np.int8]:
        root = np.sign(values) * np.sqrt(np.abs(values) / np.abs(values).max())
        waves: NDArray[np.int8] = np.rint(127 * np.stack([root, -root])).astype("i1")
        return waves

    linear = np.empty(N_STORED, np.int32)
    whole = np.array([0, N_STORED], np.uint16)
    for parts in (0, 7, 32, -50, 640, -1300):
        # The other wave is earlier: its sample j is at the time of sample j + lag.
        one, other = stored(wave(0)), stored(wave(parts / 64 / 50))
        found = similarity(
            one, whole, other, whole, parts, interpolation(), 200, 1, linear
        )
        assert found > 0.99
        assert found > MIN_SIMILARITY
        away = similarity(
            one, whole, other, whole, parts + 90, interpolation(), 9, 1, linear
        )
        assert away < 0.8
    lag = 64 * 20
    found = similarity(one, whole, other, whole, lag, interpolation(), 9, 1, linear)
    a, b = one[:, 23 : N_STORED - 1].astype(float), other[:, 3 : N_STORED - 21]
    expected = (a * b).sum() / np.sqrt((a**2).sum() * (b.astype(float) ** 2).sum())
    assert found == pytest.approx(expected, abs=2e-3)
    short = np.array([0, 219], np.uint16)
    assert (
        similarity(one, short, one, whole, 64 * 20, interpolation(), 200, 1, linear)
        == 0
    )
    assert (
        similarity(0 * one, whole, one, whole, 0, interpolation(), 200, 1, linear) == 0
    )
