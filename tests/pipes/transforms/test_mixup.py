"""Mixup: what is mixed with what, by which weights, and what it depends on."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy import stats

from ecgstore.pipes import Mixup
from ecgstore.pipes.batch import Batch
from tests.pipes.transforms.random_batches import copy, make_batch, signals_of


def make_records(n_records: int, n_leads: int = 3, n_samples: int = 50) -> Batch:
    """Return records of which each has a class of its own."""
    generator = np.random.default_rng(n_records)
    pool = make_batch(n_records, n_leads, n_samples)
    assert pool.signals is not None
    missing = torch.from_numpy(generator.random((n_records, n_leads)) < 0.4)
    signals = pool.signals.masked_fill(missing[:, :, None], 0)
    features = generator.normal(size=(n_records, 5)).astype("f4")
    features[generator.random((n_records, 5)) < 0.1] = np.nan
    return pool.replace(
        labels=torch.eye(n_records),
        features=torch.from_numpy(features),
        targets=torch.from_numpy(features[:, :2] + 1),
        signals=signals,
        missing_leads=missing,
        columns={"age": torch.arange(n_records)},
    )


def pairs_of(mixed: Batch) -> tuple[Any, Any]:
    """Return each record's own weight and its other record, from its labels."""
    assert mixed.labels is not None
    labels = mixed.labels.numpy().copy()
    weights = labels.diagonal().copy()
    np.fill_diagonal(labels, -1)
    return weights, labels.argmax(axis=1)


def taken(batch: Batch, records: list[int]) -> Batch:
    """Return a copy of some records."""
    names = ("rows", "seeds", "names", "n_real_samples", "signals", "labels")
    changes: dict[str, Any] = {name: getattr(batch, name)[records] for name in names}
    changes |= dict.fromkeys(("features", "targets", "missing_leads"))
    return replace(batch, **changes, fiducials=None, r_peaks=None, columns={})


@settings(max_examples=20, deadline=None)
@given(
    n_records=st.integers(2, 40),
    alpha=st.sampled_from([0.5, 1.0, 8.0]),  # below, some others have no weight
    n_leads=st.sampled_from([1, 3]),
)
def test_everything_is_mixed_by_the_same_weights(
    n_records: int, alpha: float, n_leads: int
) -> None:
    pool = make_records(n_records, n_leads)
    before = replace(copy(pool), features=pool.features, targets=pool.targets)
    mixed = Mixup(alpha)(pool)
    weights, others = pairs_of(mixed)
    assert mixed.labels is not None
    assert mixed.labels.dtype == torch.float32
    np.testing.assert_allclose(mixed.labels.sum(1), 1, atol=1e-6)
    assert (weights >= 0.5).all()
    for name in ("signals", "features", "targets"):
        old = getattr(before, name).numpy()
        own = weights.reshape(-1, *[1] * (old.ndim - 1))
        expected = own * old + (1 - own) * old[others]
        np.testing.assert_allclose(getattr(mixed, name), expected, atol=1e-6)
    n_real = before.n_real_samples.numpy()
    assert mixed.n_real_samples.tolist() == np.maximum(n_real, n_real[others]).tolist()
    assert pool.missing_leads is not None
    assert mixed.missing_leads is not None
    lacking = pool.missing_leads.numpy()
    np.testing.assert_array_equal(mixed.missing_leads, lacking & lacking[others])
    for signal, end, lacks in zip(
        signals_of(mixed), mixed.n_real_samples, mixed.missing_leads, strict=True
    ):
        assert not signal[:, int(end) :].any()
        assert not signal[lacks.numpy()].any()
    for name in ("rows", "names", "seeds", "fiducials", "r_peaks", "columns"):
        assert getattr(mixed, name) is getattr(pool, name)


def test_every_record_is_the_other_one_of_one_record() -> None:
    pool = make_records(30)
    seen = set()
    for seed in range(40):
        batch = replace(copy(pool), seeds=pool.seeds + np.uint64(seed))
        _, others = pairs_of(Mixup(0.5)(batch.replace(labels=torch.eye(30))))
        assert sorted(others) == list(range(30))
        assert not (others == np.arange(30)).any()
        seen.add(int(others[0]))
    assert len(seen) > 15  # of 29, each as likely


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_weights_are_the_larger_part_of_beta_distributed_ones(alpha: float) -> None:
    pool = make_batch(3000, 1, 1)
    mixed = Mixup(alpha)(pool.replace(labels=torch.eye(3000)))
    weights, _ = pairs_of(mixed)

    def larger_part(values: Any) -> Any:
        beta = stats.beta(alpha, alpha)
        return beta.cdf(values) - beta.cdf(1 - values)

    assert stats.kstest(weights, larger_part).pvalue > 0.001


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_record_is_mixed_alike_wherever_it_stands_in_its_batch(data: Any) -> None:
    pool = make_records(9)
    order = data.draw(st.permutations(range(9)))
    expected = Mixup(0.4)(taken(pool, list(range(9))))
    mixed = Mixup(0.4)(taken(pool, order))
    assert mixed.labels is not None
    assert expected.labels is not None
    np.testing.assert_array_equal(mixed.labels, expected.labels[order])
    np.testing.assert_array_equal(signals_of(mixed), signals_of(expected)[order])


@pytest.mark.usefixtures("threads")
def test_mixtures_do_not_depend_on_threads() -> None:
    pool = make_batch(6, 12, 5003).replace(labels=torch.eye(6))
    results = []
    for n_threads in (1, 2, 3):
        torch.set_num_threads(n_threads)
        results.append(signals_of(Mixup(0.3)(copy(pool))))
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_gives_the_mixtures_of_the_cpu() -> None:
    pool = make_batch(9, 12, 5000)
    expected = Mixup(0.3)(copy(pool))
    result = Mixup(0.3)(copy(pool).to("cuda")).to("cpu")
    np.testing.assert_allclose(signals_of(result), signals_of(expected), atol=1e-6)


def test_a_single_record_is_not_changed() -> None:
    pool = make_records(1)
    assert Mixup(0.3)(pool) is pool


def test_signals_are_not_needed_but_counts_are_refused() -> None:
    pool = make_records(4)
    assert Mixup(0.3)(replace(pool, signals=None)).signals is None
    assert pool.signals is not None
    counts = replace(pool, signals=pool.signals.to(torch.int16))
    with pytest.raises(TypeError, match="Mixup got int16 signals; expected float32"):
        Mixup(0.3)(counts)


@pytest.mark.parametrize("alpha", [0.0, -1.0, np.inf, np.nan])
def test_alpha_is_above_0(alpha: float) -> None:
    with pytest.raises(ValueError, match=r"alpha is .*; expected a number above 0"):
        Mixup(alpha)
