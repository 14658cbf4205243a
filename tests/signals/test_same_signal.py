"""Records that hold the same ECG are found; records that do not are not linked."""

import zlib
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from bench.builds.same_signals import copies, resampled
from ecgstore.arrays import FloatArray
from ecgstore.record import Record
from ecgstore.signals import same_signal
from ecgstore.signals._same_signal_kernels import similarity
from ecgstore.signals.same_signal import (
    MIN_SIMILARITY,
    interpolation,
    same_signals,
    spread_memory,
)
from ecgstore.signals.signature import N_STORED, SIGNATURE, signature, signature_array
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


def plain_similarity(one: Any, other: Any, lag: int, stride: int) -> float:
    """The definition: of the values of the waves, which are squares, at a lag."""
    whole, part = divmod(-lag, 64)
    squares = other["waves"].astype(int) * np.abs(other["waves"].astype(int))
    js = np.arange(*one["range"])
    at = js + whole
    is_shared = (at >= other["range"][0]) & (at < other["range"][1])
    js = js[is_shared & (at >= 3) & (at < N_STORED - 4)]
    if len(js) < 200:
        return 0.0
    js = js[::stride]
    sums = sum(
        weight * squares[:, js + whole - 3 + tap]
        for tap, weight in enumerate(interpolation()[part].tolist())
    )
    others = np.sign(sums) * np.rint(np.sqrt(np.abs(sums) / 16)).astype(int)
    waves = 4 * one["waves"][:, js].astype(int)
    norm = float((waves**2).sum()) * float((others**2).sum())
    return float((waves * others).sum() / np.sqrt(norm)) if norm else 0.0


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(-25_000, 25_000), st.sampled_from([1, 4]))
def test_similarity_equals_its_definition(seed: int, lag: int, stride: int) -> None:
    rng = np.random.default_rng(seed)
    pair = np.zeros(2, SIGNATURE)
    smooth = rng.normal(size=(2, 2, N_STORED)).cumsum(axis=2)
    pair["waves"] = np.rint(127 * np.sin(rng.uniform(0, 2) * smooth))
    pair["range"] = np.sort(rng.integers(0, N_STORED + 1, (2, 2)), axis=1)
    pair["range"][rng.random(2) < 0.5] = 0, N_STORED
    one, other = pair
    found = similarity(
        one["waves"],
        one["range"],
        other["waves"],
        other["range"],
        lag,
        interpolation(),
        200,
        spread_memory(2, stride),
        np.empty(N_STORED, np.int32),
    )
    assert found == pytest.approx(plain_similarity(one, other, lag, stride), abs=1e-12)


def plain_same_signals(rows: NDArray[Any]) -> list[int]:
    """The definition: keys sorted, each compared with 16 following equal ones."""
    entries = sorted(
        (int(key), zlib.crc32(row.tobytes()), number, slot, int(place))
        for number, row in enumerate(rows)
        for slot, (key, place) in enumerate(
            zip(row["keys"], row["places"], strict=True)
        )
        if place != 65535
    )
    first = list(range(len(rows)))
    for at, (key, _, number, _, place) in enumerate(entries):
        for other_key, _, other, _, other_place in entries[at + 1 : at + 17]:
            if key != other_key or first[number] == first[other]:
                continue
            pair, lag = (rows[number], rows[other]), place - other_place
            if (
                plain_similarity(*pair, lag, 4) >= 0.7
                and plain_similarity(*pair, lag, 1) >= MIN_SIMILARITY
            ):
                root, old = sorted((first[number], first[other]))
                first = [root if one == old else one for one in first]
    return first


@settings(deadline=None, max_examples=20)
@given(
    st.integers(0, 2**32),
    st.sampled_from([1, 3, 50, 2**32 - 1]),
    st.sampled_from([1, 40, 1 << 24]),
)
def test_links_equal_their_definition_in_any_number_of_passes(
    records: list[Record], seed: int, n_different: int, keys_at_once: int
) -> None:
    rng = np.random.default_rng(seed)
    real = signature_array([signature(record.signal, record.fs) for record in records])
    n = int(rng.integers(0, 40))
    rows = real[rng.integers(0, len(real), n)]
    is_other = rng.random(rows["keys"].shape) < rng.random()
    rows["keys"][is_other] = rng.integers(0, n_different, is_other.sum())
    rows["keys"][is_other] *= np.uint32((2**32 - 1) // n_different)
    is_noisy = rng.random(n) < 0.5
    noise = rng.integers(-30, 30, (is_noisy.sum(), 2, N_STORED))
    rows["waves"][is_noisy] = np.clip(rows["waves"][is_noisy] + noise, -127, 127)
    rows["places"][rng.random(rows["places"].shape) < 0.3] = 65535
    with (
        mock.patch.object(same_signal, "_KEYS_AT_ONCE", keys_at_once),
        mock.patch.object(same_signal, "_BLOCK", int(rng.choice([1, 7, 1 << 14]))),
    ):
        assert same_signals(rows).tolist() == plain_same_signals(rows)


@pytest.mark.parametrize(("n_between", "are_linked"), [(15, True), (16, False)])
def test_each_key_is_compared_with_16_following_ones(
    records: list[Record], n_between: int, are_linked: bool
) -> None:
    """In the order of the checksums of signatures, where keys are equal."""
    rng = np.random.default_rng(0)
    row = signature_array([signature(records[0].signal, records[0].fs)])[0]
    row["places"][1:] = 65535
    rows = np.repeat(row, 2)
    rows["keys"][:, 1] = 0, 1  # unused, so that the checksums differ
    low, high = sorted(zlib.crc32(one.tobytes()) for one in rows)
    others = np.repeat(row, 200)
    others["waves"] = rng.integers(-99, 99, others["waves"].shape)
    between = [one for one in others if low < zlib.crc32(one.tobytes()) < high]
    links = same_signals(np.array([*rows, *between[:n_between]]))
    assert len(links) == 2 + n_between
    assert (links[1] == 0) == are_linked


def test_signatures_may_be_in_a_file(records: list[Record], tmp_path: Path) -> None:
    signatures = [signature(record.signal, record.fs) for record in records]
    rows = signature_array([*signatures, *signatures[::-1]])
    np.save(tmp_path / "signatures.npy", rows)
    mapped = np.load(tmp_path / "signatures.npy", mmap_mode="r")
    np.testing.assert_array_equal(same_signals(mapped), same_signals(rows))


def test_too_many_signatures_are_refused() -> None:
    many = np.broadcast_to(np.zeros((), SIGNATURE), 2**28 + 1)
    with pytest.raises(ValueError, match="expected at most 268435456"):
        same_signals(many)


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

    memory = spread_memory(2, 1), np.empty(N_STORED, np.int32)
    whole = np.array([0, N_STORED], np.uint16)
    for parts in (0, 7, 32, -50, 640, -1300):
        # The other wave is earlier: its sample j is at the time of sample j + lag.
        one, other = stored(wave(0)), stored(wave(parts / 64 / 50))
        found = similarity(
            one, whole, other, whole, parts, interpolation(), 200, *memory
        )
        assert found > 0.99
        assert found > MIN_SIMILARITY
        away = similarity(
            one, whole, other, whole, parts + 90, interpolation(), 9, *memory
        )
        assert away < 0.8
    lag = 64 * 20
    found = similarity(one, whole, other, whole, lag, interpolation(), 9, *memory)
    a, b = one[:, 23 : N_STORED - 1].astype(float), other[:, 3 : N_STORED - 21]
    expected = (a * b).sum() / np.sqrt((a**2).sum() * (b.astype(float) ** 2).sum())
    assert found == pytest.approx(expected, abs=2e-3)
    short = np.array([0, 219], np.uint16)
    assert (
        similarity(one, short, one, whole, 64 * 20, interpolation(), 200, *memory) == 0
    )
    assert similarity(0 * one, whole, one, whole, 0, interpolation(), 200, *memory) == 0
