"""`measure_loader_bound` detects training loops that wait for their loader."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import ecgstore
from ecgstore import Store
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.loader_bound import LoaderBound, measure_loader_bound
from ecgstore.pipes.loading import Loader, loader


@pytest.fixture
def store(sample_store: Path) -> Iterator[Store]:
    with ecgstore.open(sample_store) as store:
        yield store


def slow_loader(store: Store, ms: float = 4, **options: Any) -> Loader:
    """Return a loader that takes some ms per batch."""

    def wait(batch: Batch) -> Batch:
        time.sleep(ms / 1000)
        return batch

    return loader(store, 4, shuffle=True, transform=wait, **options)


def test_a_slow_loader_is_detected(store: Store) -> None:
    measured = measure_loader_bound(
        slow_loader(store, prefetch=0), lambda _: time.sleep(0.004), n_batches=10
    )
    assert measured.stall is not None
    assert measured.stall_range is not None
    # 4 of 8 ms, but for what a loaded machine adds to either.
    assert 0.3 < measured.stall < 0.7
    assert measured.stall_range[0] <= measured.stall <= measured.stall_range[1]
    assert measured.n_rounds == 5
    assert measured.replayed_batches_per_s is not None
    assert measured.replayed_batches_per_s > 1.3 * measured.batches_per_s
    first, second = str(measured).splitlines()
    assert first.startswith("Training: ")
    assert "; loader-bound: " in second


def test_a_fast_loader_is_detected(store: Store) -> None:
    measured = measure_loader_bound(
        loader(store, 4), lambda _: time.sleep(0.02), n_batches=4, n_cached=2
    )
    assert measured.stall is not None
    assert measured.stall < 0.2
    assert measured.batches_per_s < 50
    assert measured.records_per_s == pytest.approx(4 * measured.batches_per_s)


def test_segments_with_the_loader_and_with_copies_alternate(store: Store) -> None:
    pipe = loader(store, 4, seed=1, shuffle=True)
    batches = [batch.rows.tolist() for _ in range(20) for batch in pipe]
    pipe = loader(store, 4, seed=1, shuffle=True)
    seen: list[list[int]] = []

    def step(batch: Batch) -> None:
        seen.append(batch.rows.tolist())

    measure_loader_bound(pipe, step, n_batches=5, n_cached=3)
    fresh = iter(batches[3:])
    is_real = [True, False, False, True, True, False, False, True, True, False]
    n_copied = 0
    for begin, real in zip(range(0, len(seen), 8), is_real, strict=True):
        segment = seen[begin : begin + 8]
        if real:
            assert segment == [next(fresh) for _ in segment]
        else:
            expected = [batches[(n_copied + number) % 3] for number in range(8)]
            assert segment == expected
            n_copied += 8
    assert len(seen) == 8 * len(is_real)


def prefetching_threads() -> set[threading.Thread]:
    return {
        thread for thread in threading.enumerate() if "prefetch" in thread.name.lower()
    }


def test_the_state_of_the_loader_is_restored(store: Store) -> None:
    before = prefetching_threads()
    with loader(store, 16, shuffle=True) as pipe, loader(store, 16, shuffle=True) as b:
        for _ in zip(range(2), pipe, strict=False):
            pass
        state = pipe.state_dict()
        assert state["consumed"]
        measure_loader_bound(pipe, n_batches=3)
        assert pipe.state_dict() == state
        assert prefetching_threads() <= before
        b.load_state_dict(state)
        expected = [batch.rows.tolist() for _ in range(2) for batch in b]
        assert [batch.rows.tolist() for _ in range(2) for batch in pipe] == expected


def test_the_state_of_the_loader_is_restored_after_an_error(store: Store) -> None:
    pipe = loader(store, 16, shuffle=True)
    state = pipe.state_dict()

    def step(batch: Batch) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        measure_loader_bound(pipe, step)
    assert pipe.state_dict() == state
    assert len(list(pipe)) == len(pipe)


def test_the_loader_alone_is_measured_without_a_step(store: Store) -> None:
    measured = measure_loader_bound(slow_loader(store, ms=5), n_batches=5)
    assert 50 < measured.batches_per_s < 200
    shortest, longest = measured.ms_per_batch_range
    assert 4.9 < shortest <= 1000 / measured.batches_per_s <= longest
    assert measured.stall is None
    assert measured.stall_range is None
    assert measured.replayed_batches_per_s is None
    assert measured.replayed_records_per_s is None
    first, second = str(measured).splitlines()
    assert first.startswith("Loader alone: ")
    assert f"{longest:.3g} ms" in second


def test_a_smaller_last_batch_counts_by_its_records(store: Store) -> None:
    # 44 records: batches of 32 and 12; as many copies.
    measured = measure_loader_bound(loader(store, 32), n_batches=4, n_cached=2)
    assert measured.records_per_s == pytest.approx(22 * measured.batches_per_s)


def test_the_conclusion_follows_the_numbers() -> None:
    def conclusion(lowest: float, stall: float, highest: float) -> str:
        result = LoaderBound(10, 40, 12, 48, stall, (lowest, highest), (90, 110), 5)
        return str(result).rpartition("; ")[2]

    assert conclusion(-0.02, 0.004, 0.01) == "not loader-bound, no loss beyond noise."
    assert conclusion(-0.9, -0.5, -0.1) == "not loader-bound, no loss beyond noise."
    assert conclusion(0.02, 0.03, 0.04) == "not loader-bound."
    assert (
        conclusion(0.4, 0.5, 0.51)
        == "loader-bound: 2 times as fast with batches in memory."
    )
    assert (
        conclusion(0.02, 0.2, 0.51)
        == "loader-bound: 1.2 times as fast with batches in memory."
    )
    for noisy in ((-0.4, 0.3, 0.6), (-0.01, 0.004, 0.08), (0.01, 0.03, 0.2)):
        assert conclusion(*noisy).startswith("inconclusive, the rounds differ")


def test_other_loaders_are_refused(store: Store) -> None:
    other: Any = torch.utils.data.DataLoader(store.as_dataset())
    with pytest.raises(TypeError, match="loader is a DataLoader; expected one that pi"):
        measure_loader_bound(other)


def test_the_gpu_is_synchronised(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[bool] = []
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda: waits.append(True))
    measure_loader_bound(loader(store, 16), lambda _: None, n_batches=1, n_cached=1)
    assert len(waits) == 2 * 2 * 10  # around both parts of each of ten segments


@pytest.mark.parametrize("name", ["n_batches", "n_cached"])
def test_numbers_below_1_are_refused(store: Store, name: str) -> None:
    options: dict[str, Any] = {name: 0}
    with pytest.raises(ValueError, match=f"{name} is 0; expected 1 or more"):
        measure_loader_bound(loader(store, 16), **options)
