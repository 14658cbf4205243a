"""Joined loaders yield all their batches once, in an order that resumes exactly."""

from itertools import pairwise

import pytest

from ecgstore import pipes
from ecgstore.errors import SchemaError
from ecgstore.models.training.joined_loader import JoinedLoader
from ecgstore.storage import Selection

Rows = list[tuple[int, ...]]


def joined(*selections: Selection) -> JoinedLoader:
    loaders = [
        pipes.loader(one, 4, shuffle=True, fields=("labels",)) for one in selections
    ]
    return JoinedLoader(loaders, seed=1)


def epoch_of(loader: JoinedLoader) -> Rows:
    return [tuple(batch.rows.tolist()) for batch in loader]


def test_an_epoch_has_every_batch_once_in_an_order_of_its_own(
    training: Selection, validation: Selection
) -> None:
    with joined(training, validation) as loader:
        assert len(loader) == 6
        epochs = [epoch_of(loader) for _ in range(4)]
        assert loader.epoch == 4
    for rows in epochs:
        assert sorted(row for batch in rows for row in batch) == sorted(
            [*training.rows.tolist(), *validation.rows.tolist()]
        )
    of_which = [[batch[0] % 2 for batch in rows] for rows in epochs]
    assert any(one != other for one, other in pairwise(of_which))
    with joined(training, validation) as again:
        assert [epoch_of(again) for _ in range(4)] == epochs


def test_it_resumes_exactly_after_any_batch(
    training: Selection, validation: Selection
) -> None:
    with joined(training, validation) as loader:
        whole = [epoch_of(loader) for _ in range(3)]
    for n_taken in range(13):
        with joined(training, validation) as first:
            taken = 0
            state = first.state_dict()
            while taken < n_taken:
                for _ in first:
                    taken += 1
                    state = first.state_dict()
                    if taken == n_taken:
                        break
        with joined(training, validation) as second:
            second.load_state_dict(state)
            epoch, within = divmod(n_taken, 6)
            assert second.epoch == epoch
            assert epoch_of(second) == whole[epoch][within:]
            if epoch < 2:
                assert epoch_of(second) == whole[epoch + 1]


def test_states_of_other_loaders_are_refused(
    training: Selection, validation: Selection
) -> None:
    with joined(training) as one, joined(training, validation) as two:
        with pytest.raises(SchemaError, match="not the state of 2 loaders"):
            two.load_state_dict(one.state_dict())
        with pytest.raises(SchemaError, match="not the state of 1 loaders"):
            one.load_state_dict({"epoch": 1})
