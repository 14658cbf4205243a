"""Fused transforms give the bits of one after the other, however records are read."""

import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import Tensor

import ecgstore
from ecgstore import pipes
from ecgstore.config import Config
from ecgstore.pipes import Augment, Draws
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.fusing.fused import Fused, fuse
from ecgstore.pipes.testing import assert_resumes_exactly, digest
from ecgstore.record import LEADS
from ecgstore.sample import sample_folder
from ecgstore.storage import Store
from tests.pipes.transforms.random_batches import ALL, copy, make_batch, signals_of

FIELDS = ("signals", "labels", "fiducials", "r_peaks", "age")


def upside_down(batch: Batch) -> Batch:
    """A user's function."""
    assert batch.signals is not None
    return batch.replace(signals=-batch.signals)


def standardise(leads: tuple[str, ...], fs: float = 500.0) -> pipes.Standardise:
    n = len(leads)
    return pipes.Standardise(
        mean=tuple(np.linspace(-0.1, 0.3, n).tolist()),
        sd=tuple(np.linspace(0.2, 0.7, n).tolist()),
        leads=leads,
        by="lead",
        fs=fs,
        fingerprint="",
        rows_sha256="",
        n_records=1,
    )


def transforms_of(
    data: Any, leads: tuple[str, ...], dtype: str
) -> list[Callable[[Batch], Batch]]:
    """Draw transforms of a batch: fusible ones, several in one, and a user's."""
    some = data.draw(st.lists(st.sampled_from([*ALL, upside_down]), max_size=4))
    several = data.draw(st.lists(st.sampled_from(ALL), max_size=3))
    result: list[Any] = [standardise(leads)] if dtype == "int16" else []
    result += [*some, Augment(*several)]
    if data.draw(st.booleans()):
        result.append(standardise(leads))
    if data.draw(st.booleans()):
        # The mains of Powerline are too fast for lower rates.
        result.append(pipes.Decimate(data.draw(st.integers(1, 5))))
    return result


@settings(max_examples=40)
@given(
    data=st.data(),
    n_leads=st.integers(1, 12),
    n_window=st.sampled_from([None, 1, 77, 1000]),
    batch_size=st.integers(1, 9),
    dtype=st.sampled_from(["float32", "int16"]),
    prefetch=st.integers(0, 1),
)
def test_a_loader_gives_the_bits_of_one_transform_after_the_other(
    store: Store,
    data: Any,
    n_leads: int,
    n_window: int | None,
    batch_size: int,
    dtype: Literal["float32", "int16"],
    prefetch: int,
) -> None:
    leads = tuple(data.draw(st.permutations(LEADS)))[:n_leads]
    transforms = transforms_of(data, leads, dtype)

    def batches(*fused: Callable[[Batch], Batch]) -> Iterator[Batch]:
        return iter(
            pipes.loader(
                store,
                batch_size,
                shuffle=True,
                fields=FIELDS,
                dtype=dtype,
                leads=leads,
                window=None if n_window is None else pipes.RandomCrop(n_window),
                transform=fused,
                prefetch=prefetch,
            )
        )

    for fused, plain in zip(batches(*transforms), batches(), strict=True):
        for transform in transforms:
            plain = transform(plain)
        assert digest([fused]) == digest([plain])
        assert (fused.fs, fused.mv_per_count) == (plain.fs, plain.mv_per_count)


@pytest.mark.parametrize("number", range(len(ALL)))
def test_each_transform_is_done_by_the_kernel(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the others of these tests would compare PyTorch with itself."""

    def refuse(self: object, *arguments: object) -> Batch:
        raise AssertionError("done by PyTorch")

    monkeypatch.setattr(type(ALL[number]), "apply", refuse)
    pool = make_batch(9)
    result = replace(ALL[number], probability=1.0)(copy(pool))
    assert not np.array_equal(signals_of(result), signals_of(pool))


def test_a_users_function_ends_a_run() -> None:
    gain, shift, decimate = pipes.Gain(), pipes.TimeShift(), pipes.Decimate(5)
    first, own, second = fuse([gain, Augment(shift, gain), upside_down, decimate])
    assert isinstance(first, Fused)
    assert len(first.transforms) == 3
    assert own is upside_down
    assert isinstance(second, Fused)
    assert fuse([]) == []


@dataclass(frozen=True, kw_only=True)
class Inverted(pipes.Gain):
    """A user's class, derived from one that a kernel can do."""

    def apply(self, batch: Batch, chosen: Tensor, draws: Draws) -> Batch:
        """Invert the signals instead."""
        assert batch.signals is not None
        batch.signals[chosen] *= -1
        return batch


class Twice(pipes.Decimate):
    """Another one."""

    def __call__(self, batch: Batch) -> Batch:
        """Decimate twice."""
        return super().__call__(super().__call__(batch))


class Nothing(Augment):
    """One that does not do its parts."""

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch."""
        return batch


def test_a_derived_class_is_called() -> None:
    pool = make_batch(4)
    inverted = Inverted(probability=1.0)
    every: list[Any] = [inverted, Augment(inverted), *fuse([Augment(inverted)])]
    for transform in every:
        result = transform(copy(pool))
        np.testing.assert_array_equal(signals_of(result), -signals_of(pool))
    assert not any(isinstance(one, Fused) for one in fuse([Twice(2), Nothing()]))
    assert signals_of(Twice(2)(copy(pool))).shape[-1] == 100


def test_a_derived_class_without_calls_of_its_own_is_fused() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Louder(pipes.Gain):
        factor: tuple[float, float] = (2.0, 2.0)

    [fused] = fuse([Louder(probability=1.0)])
    assert isinstance(fused, Fused)
    pool = make_batch(4)
    np.testing.assert_array_equal(signals_of(fused(copy(pool))), 2 * signals_of(pool))


def test_stores_of_voltages_are_transformed_alike(tmp_path: Path) -> None:
    out = tmp_path / "floats.h5"
    config = Config(dtype="float32", duration_s=4, beats="none", limit=5)
    ecgstore.build_store([sample_folder()], out, config, n_workers=1, quiet=True)
    transforms: list[Any] = [Augment(*ALL), pipes.Decimate(5)]
    with ecgstore.open(out) as voltages:
        [fused] = pipes.loader(voltages, 5, transform=transforms)
        [plain] = pipes.loader(voltages, 5)
    for transform in transforms:
        plain = transform(plain)
    assert digest([fused]) == digest([plain])


def test_damaged_rows_are_refused(sample_store: Path, tmp_path: Path) -> None:
    path = tmp_path / "damaged.h5"
    path.write_bytes(sample_store.read_bytes())
    with h5py.File(path, "r+") as file:
        file["signals"][3, 2, 100] += 1
    with ecgstore.open(path, verify="first-touch") as store:
        loader = pipes.loader(store, 4, transform=pipes.Decimate(5))
        with pytest.raises(ecgstore.errors.SchemaError, match="row 3"):
            next(iter(loader))


def test_errors_are_those_of_a_call(store: Store) -> None:
    def first(*transforms: Callable[[Batch], Batch], **options: Any) -> Batch:
        return next(iter(pipes.loader(store, 4, transform=transforms, **options)))

    with pytest.raises(TypeError, match=r"Gain got int16 signals; .*dtype='float32'"):
        first(pipes.Gain(), dtype="int16")
    with pytest.raises(ValueError, match="Gain got a batch without signals"):
        first(pipes.Gain(), fields=("labels",))
    with pytest.raises(ValueError, match="fit it with the leads= of the loader"):
        first(standardise(("I", "II")))
    # After decimation the mains are too fast.
    with pytest.raises(ValueError, match="at 60 Hz; expected one below"):
        first(pipes.Decimate(5), pipes.Powerline())


def test_fused_transforms_resume_exactly(store: Store) -> None:
    few = store.select(rows=range(11))
    transforms: list[Any] = [Augment(*ALL), standardise(LEADS), pipes.Decimate(5)]
    assert_resumes_exactly(
        lambda: pipes.loader(few, 4, shuffle=True, transform=transforms), n_epochs=2
    )


def test_fused_transforms_are_pickled() -> None:
    [fused] = fuse([Augment(*ALL), pipes.Decimate(2)])
    pool = make_batch(5)
    expected = fused(copy(pool))
    result = pickle.loads(pickle.dumps(fused))(copy(pool))
    np.testing.assert_array_equal(signals_of(result), signals_of(expected))


def test_signals_that_are_not_in_a_row_are_changed_in_place() -> None:
    pool = make_batch(6, 3, 400)
    wide = torch.zeros(6, 3, 500)
    wide[..., :400] = torch.from_numpy(signals_of(pool))
    gain = pipes.Gain(probability=1.0)
    result = gain(replace(copy(pool), signals=wide[..., :400]))
    np.testing.assert_array_equal(signals_of(result), signals_of(gain(copy(pool))))
    assert result.signals is not None
    assert result.signals.data_ptr() == wide.data_ptr()


def test_gradients_pass_through() -> None:
    pool = make_batch(3, padded=False)
    assert pool.signals is not None
    signals = pool.signals.clone().requires_grad_()
    result = pipes.Gain(probability=1.0)(replace(pool, signals=signals * 1))
    assert result.signals is not None
    result.signals.sum().backward()  # type: ignore[no-untyped-call]
    assert signals.grad is not None


CROPPED = [*ALL, standardise(("I", "II", "III")), pipes.Decimate(3)]


@pytest.mark.parametrize("transform", CROPPED, ids=lambda one: type(one).__name__)
def test_records_may_end_after_their_signals(transform: Any) -> None:
    """As after a user's function that crops signals and nothing else."""
    pool = make_batch(9, 3, 400, padded=False)
    cropped = torch.from_numpy(signals_of(pool)[..., :150].copy())
    short = replace(copy(pool), signals=cropped.clone())
    exact = replace(short, n_real_samples=torch.full((9,), 150), signals=cropped)
    np.testing.assert_array_equal(
        signals_of(transform(short)), signals_of(transform(exact))
    )


def test_leads_that_do_not_fit_the_signals_are_refused() -> None:
    pool = make_batch(4, 3)
    wrong = pool.replace(missing_leads=torch.zeros(4, 5, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"missing_leads .* \[4, 5\]; expected \[4, 3"):
        pipes.WhiteNoise(probability=1.0)(wrong)
    named = replace(pool, leads=LEADS)
    with pytest.raises(ValueError, match="has 3 leads and names 12"):
        pipes.ElectrodeNoise(probability=1.0)(named)


class Scheduled:
    """A user's transform with a method of the name of ours."""

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch."""
        return batch

    def step(self) -> None:
        """Go on."""

    parts = ()


class Sharper(pipes.Decimate):
    """Decimation with a filter of one's own."""

    def filtered(self, signals: Tensor) -> Tensor:
        """Keep every n-th sample."""
        return signals[..., :: self.factor].clone()


def test_names_of_methods_mean_nothing() -> None:
    own = Scheduled()
    assert fuse([own]) == [own]


def test_a_public_method_that_is_overridden_is_called() -> None:
    [sharper] = fuse([Sharper(4)])
    assert not isinstance(sharper, Fused)
    pool = make_batch(3)
    np.testing.assert_array_equal(
        signals_of(sharper(copy(pool))), signals_of(pool)[..., ::4]
    )


def test_counts_stay_counts_if_nothing_is_done(store: Store) -> None:
    options: dict[str, Any] = {"dtype": "int16"}
    decimate = pipes.Decimate(1)
    runs: list[list[Any]] = [[decimate], [lambda batch: batch, decimate]]
    for transforms in runs:
        batch = next(iter(pipes.loader(store, 4, transform=transforms, **options)))
        plain = next(iter(pipes.loader(store, 4, **options)))
        assert digest([batch]) == digest([plain])
        assert batch.mv_per_count == store.scale_factor


def test_a_transform_is_used_by_several_threads() -> None:
    """Its constants, of another length for each batch, are never mixed up."""
    augment = Augment(pipes.Powerline(probability=1.0), pipes.BaselineWander())
    pools = [make_batch(3, 2, n_samples) for n_samples in (300, 400, 500, 600)]
    expected = [digest([augment(copy(pool))]) for pool in pools]

    def use(number: int) -> None:
        for _ in range(60):
            assert digest([augment(copy(pools[number]))]) == expected[number]

    with ThreadPoolExecutor(len(pools)) as threads:
        list(threads.map(use, range(len(pools))))


def test_mains_may_be_a_list() -> None:
    frequencies: Any = [50.0, 60.0]
    pool = make_batch(4)
    listed = pipes.Powerline(mains_hz=frequencies, probability=1.0)(copy(pool))
    assert digest([listed]) == digest([pipes.Powerline(probability=1.0)(copy(pool))])
