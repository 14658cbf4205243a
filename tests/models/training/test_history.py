"""Histories and totals of an epoch are restored from their plain values."""

import json

import pytest
import torch

from ecgstore.models.training.epoch_totals import EpochTotals
from ecgstore.models.training.fit import fit
from ecgstore.models.training.history import History
from ecgstore.storage import Selection
from tests.models.training.small_trainings import TinyNetwork, fast_settings

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_history_survives_json(training: Selection, validation: Selection) -> None:
    history = fit(TinyNetwork(), training, validation, fast_settings())
    assert History.from_dict(json.loads(json.dumps(history.to_dict()))) == history


def test_totals_of_an_epoch_are_restored() -> None:
    totals = EpochTotals()
    for loss, n_records in zip(totals.timed(iter((0.5, 0.25))), (4, 2), strict=True):
        totals.add(torch.tensor(loss), n_records)
    assert totals.n_steps == 2
    assert totals.mean_loss() == pytest.approx((0.5 * 4 + 0.25 * 2) / 6)
    restored = EpochTotals.from_list(json.loads(json.dumps(totals.to_list())))
    assert restored.n_steps == 2
    assert restored.mean_loss() == totals.mean_loss()
    assert restored.waiting_share() == totals.waiting_share() > 0
