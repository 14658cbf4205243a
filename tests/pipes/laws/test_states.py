"""States: which are refused, and what they do not depend on."""

import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import ecgstore
from ecgstore import pipes
from ecgstore.errors import EcgStoreError
from ecgstore.pipes.loading import Loader
from ecgstore.pipes.testing import digest
from ecgstore.storage import Selection
from tests.pipes.batches import rows_of
from tests.pipes.laws.pipes_of_laws import described, make_loader


def test_the_state_of_another_pipe_is_refused(
    few: Selection, sample_store: Path, tmp_path: Path
) -> None:
    state = make_loader(few).state_dict()
    shutil.copy(sample_store, tmp_path / "other.h5")
    with h5py.File(tmp_path / "other.h5", "r+") as file:
        file["fingerprint"][()] = np.bytes_("0" * 64)
    n = len(few)
    with ecgstore.open(tmp_path / "other.h5") as other:
        others = Selection(other, few.rows)
        rest = Selection(few.store, few.rows[1:])
        moved = Selection(few.store, few.rows - 1)
        cases: list[tuple[str, Loader, str]] = [
            ("fingerprint", make_loader(others), "open the store"),
            ("rows", make_loader(rest), "select the same records"),
            ("rows", make_loader(moved), "select the same records"),
            ("seed", make_loader(few, seed=8), "same seed and order"),
            ("order", make_loader(few, shuffle=False), "same seed and order"),
            (
                "order_seed",
                make_loader(few, shuffle=False, order=pipes.Shuffled(n, 8)),
                "same seed and order",
            ),
            (
                "seed",
                make_loader(few, seed=9, shuffle=False, order=pipes.Shuffled(n, 7)),
                "same seed and order",
            ),
        ]
        for name, loader, advice in cases:
            with pytest.raises(EcgStoreError, match=f": {name} was .*{advice}"):
                loader.load_state_dict(state)
            # The loader that refused it is unchanged.
            assert loader.state_dict()["consumed"] == 0
            assert len(list(loader)) == len(loader)


def test_a_state_is_a_copy(few: Selection) -> None:
    for prefetch in (0, 2):
        loader = make_loader(few, prefetch=prefetch)
        for _ in loader:
            break
        before = dict(loader.state_dict())
        loader.state_dict().clear()
        assert loader.state_dict() == before
        loaded = dict(before)
        loader.load_state_dict(loaded)
        loaded["consumed"] = 0
        assert loader.state_dict() == before


@pytest.mark.parametrize("state", [None, [], "state"])
def test_other_objects_than_states_are_refused(few: Selection, state: Any) -> None:
    loader = make_loader(few)
    for _ in loader:
        break
    before = loader.state_dict()
    with pytest.raises(EcgStoreError, match="expected a dict that state_dict"):
        loader.load_state_dict(state)
    assert loader.state_dict() == before
    assert loader.epoch == 0


def test_a_refused_state_changes_nothing(few: Selection) -> None:
    wrong = make_loader(few, seed=8).state_dict()
    for prefetch in (0, 2):
        loader = make_loader(few, 2, prefetch=prefetch)
        whole = [digest(batch) for batch in loader]
        loader.set_epoch(0)
        loop = iter(loader)
        consumed = [digest(next(loop)) for _ in range(2)]
        with pytest.raises(EcgStoreError, match="seed"):
            loader.load_state_dict(wrong)
        restored = make_loader(few, 2)
        restored.load_state_dict(loader.state_dict())
        assert consumed + [digest(batch) for batch in restored] == whole
        assert consumed + [digest(batch) for batch in loop] == whole


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 3}, "version was 3, now it is 2; .*release"),
        ({"version": None}, "version"),
        ({"n_rows": 12}, "n_rows"),
        ({"consumed": None}, "consumed"),
        ({"consumed": -1}, "consumed"),
        ({"consumed": 12}, "consumed"),
        ({"consumed": 1.5}, "consumed"),
        ({"epoch": None}, "epoch"),
        ({"epoch": -1}, "epoch"),
        ({"epoch": "1"}, "epoch"),
    ],
)
def test_an_altered_state_is_refused(
    few: Selection, change: dict[str, Any], message: str
) -> None:
    state = {**make_loader(few).state_dict(), **change}
    state = {name: value for name, value in state.items() if value is not None}
    loader = make_loader(few)
    with pytest.raises(EcgStoreError, match=message):
        loader.load_state_dict(state)


def test_states_do_not_depend_on_the_chain(few: Selection) -> None:
    """Saved with labels and a thread, resumed with signals and without a thread."""
    loader = make_loader(few, 2, fields=("labels",), prefetch=3, transform=described)
    loop = iter(loader)
    next(loop), next(loop)
    other = make_loader(few, 3, prefetch=0)
    other.load_state_dict(loader.state_dict())
    expected = few.rows[pipes.Shuffled(len(few), 7).indices(0, 0, len(few))]
    assert rows_of(other) == expected[4:].tolist()


def test_numpy_integers_make_states_of_json(few: Selection) -> None:
    two: Any = np.int64(2)
    loader = make_loader(few, two, seed=np.int64(7))
    loader.set_epoch(two + 1)
    next(iter(loader))
    state = json.loads(json.dumps(loader.state_dict()))
    assert state == loader.state_dict()
    plain = make_loader(few, 2, seed=7)
    plain.load_state_dict(state)
    assert plain.epoch == 3


def test_the_size_of_a_state_does_not_depend_on_the_position(few: Selection) -> None:
    order = pipes.Weighted(np.ones(len(few)), seed=1, n_draws=10**12)
    node = pipes.Rows(few, order, 10**3)
    node.reset()
    state = {**node.state_dict(), "epoch": 10**9, "consumed": 10**12 - 10**3}
    node.reset(state)
    assert len(next(node)) == 10**3
    assert node.state_dict()["epoch"] == 10**9 + 1
    assert len(json.dumps(state)) < 1000


def test_a_state_of_the_release_before_is_resumed(few: Selection) -> None:
    """Its `rows` are the digest of the row numbers."""
    loader = make_loader(few, 2)
    loop = iter(loader)
    next(loop), next(loop)
    old = {**loader.state_dict(), "version": 1, "rows": few.rows_sha256[:16]}
    other = make_loader(few, 3)
    other.load_state_dict(old)
    assert other.state_dict() == old
    whole = make_loader(few, 2)
    whole.load_state_dict(loader.state_dict())
    resumed = make_loader(few, 2)
    resumed.load_state_dict(old)
    assert [digest(one) for one in resumed] == [digest(one) for one in whole]
    assert resumed.state_dict()["version"] == 2
    with pytest.raises(EcgStoreError, match="rows was"):
        make_loader(few).load_state_dict({**old, "rows": "0" * 16})
