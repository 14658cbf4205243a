"""Leads that a record lacks are zero in a batch, and stay zero, as padding does."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ecgstore
from ecgstore import pipes
from ecgstore.config import Config
from ecgstore.pipes.batch import Batch
from ecgstore.record import LEADS
from tests.pipes.transforms.random_batches import ALL, make_batch

WriteRecord = Callable[..., Path]
ABSENT = ("I", "V5")


def fixed(batch: Batch) -> tuple[Any, Any]:
    """Return the signals of a batch, and which leads are missing."""
    assert batch.signals is not None
    assert batch.missing_leads is not None
    return batch.signals.numpy(), batch.missing_leads.numpy()


@pytest.fixture
def some_store(write_record: WriteRecord, tmp_path: Path) -> Path:
    """Return a store of four records, of which two lack two leads."""
    for number in range(4):
        kept = [lead for lead in LEADS if number % 2 or lead not in ABSENT]
        write_record(f"A000{number}", leads=tuple(kept))
    out = tmp_path / "some.h5"
    config = Config(beats="none", allow_missing_leads=True)
    ecgstore.build_store([tmp_path / "records"], out, config, n_workers=1, quiet=True)
    return out


@pytest.mark.parametrize("leads", [None, ["V5", "II", "I"]])
def test_batches_name_the_leads_that_records_lack(
    some_store: Path, leads: list[str] | None
) -> None:
    with ecgstore.open(some_store) as store:
        loader = pipes.loader(store, batch_size=3, leads=leads)
        batches = list(loader)
    rows = np.concatenate([batch.rows for batch in batches])
    names = leads or LEADS
    for batch in batches:
        signals, missing = fixed(batch)
        expected = [
            [lead in ABSENT and row % 2 == 0 for lead in names]
            for row in batch.rows.tolist()
        ]
        np.testing.assert_array_equal(missing, expected)
        np.testing.assert_array_equal((signals == 0).all(axis=2), missing)
    assert sorted(rows.tolist()) == [0, 1, 2, 3]


def test_complete_stores_have_no_mask(sample_store: Path) -> None:
    with ecgstore.open(sample_store) as store:
        assert store.missing_leads is None
        batch = next(iter(pipes.loader(store, batch_size=3)))
    assert batch.missing_leads is None


@pytest.mark.parametrize("augmentation", ALL, ids=lambda one: type(one).__name__)
def test_no_augmentation_puts_a_signal_there(augmentation: Any) -> None:
    batch = make_batch(8)
    missing = torch.zeros(8, 3, dtype=torch.bool)
    missing[::3, 1] = True
    assert batch.signals is not None
    batch.signals.masked_fill_(missing[:, :, None], 0)
    expected = replace(augmentation, probability=1.0)(
        batch.replace(signals=batch.signals.clone())
    )
    masked = replace(augmentation, probability=1.0)(
        batch.replace(missing_leads=missing)
    )
    signals, _ = fixed(masked)
    assert not signals[missing.numpy()].any()
    np.testing.assert_array_equal(
        signals[~missing.numpy()], expected.signals.numpy()[~missing.numpy()]
    )


@pytest.mark.parametrize("by", ["lead", "all_leads"])
def test_standardisation_leaves_them_out(some_store: Path, by: Any) -> None:
    with ecgstore.open(some_store) as store:
        whole = store.select(rows=[1, 3])
        standardise = pipes.Standardise.fit(store.select(), by=by)
        batch = standardise(next(iter(pipes.loader(store, batch_size=4))))
        signals, missing = fixed(batch)
        assert missing.any()
        assert not signals[missing].any()
        assert (signals[~missing] != 0).any(axis=1).all()
        alone = pipes.Standardise.fit(whole, by="lead")
        if by == "lead":
            for lead in ABSENT:
                place = LEADS.index(lead)
                assert standardise.mean[place] == pytest.approx(alone.mean[place])
                assert standardise.sd[place] == pytest.approx(alone.sd[place])
        else:
            values = store.signals(slice(None)).astype(float)[~missing]
            assert standardise.mean[0] == pytest.approx(values.mean(), abs=1e-9)
            assert standardise.sd[0] == pytest.approx(values.std())
        again, _ = fixed(standardise.inverse(batch))
        assert not again[missing].any()
