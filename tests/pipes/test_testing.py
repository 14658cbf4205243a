"""`assert_resumes_exactly` detects broken pipes, `digest` every difference."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from ecgstore import pipes
from ecgstore.pipes.batch import RowBatch
from ecgstore.pipes.testing import assert_resumes_exactly, digest
from ecgstore.storage import Store


class Counting:
    """A correct pipe, which yields the numbers of epoch and step."""

    n_steps = 4

    def __init__(self) -> None:
        self.epoch, self.step = 0, 0
        self.is_loaded = True

    def item(self) -> Any:
        return [self.epoch, self.step, np.float32(self.epoch / 3 + self.step)]

    def __iter__(self) -> Iterator[Any]:
        if not self.is_loaded and self.step:
            self.epoch, self.step = self.epoch + 1, 0
        self.is_loaded = False
        while self.step < self.n_steps:
            item = self.item()
            self.step += 1
            if self.step == self.n_steps:
                self.epoch, self.step = self.epoch + 1, 0
                yield item
                return
            yield item

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "step": self.step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.epoch, self.step = state_dict["epoch"], state_dict["step"]
        self.is_loaded = True


class SkipsOne(Counting):
    def __iter__(self) -> Iterator[Any]:
        self.step += self.is_loaded and self.step > 0
        return super().__iter__()


class RepeatsOne(Counting):
    def __iter__(self) -> Iterator[Any]:
        self.step -= self.is_loaded and self.step > 0
        return super().__iter__()


class ForgetsTheEpoch(Counting):
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({**state_dict, "epoch": 0})


class ForgetsTheNextEpoch(Counting):
    """Resumes correctly, and then begins the first epoch again."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.was_loaded = True

    def __iter__(self) -> Iterator[Any]:
        if not self.is_loaded and hasattr(self, "was_loaded"):
            self.epoch = 0
        return super().__iter__()


class CropsAnew(Counting):
    """Random numbers continue from the process, not from the state."""

    n_made = 0

    def item(self) -> Any:
        self.n_made += 1
        return [*super().item(), self.n_made % 5]


class StandsStill(Counting):
    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "step": 0}


class ChangesItsState(Counting):
    """Returns the same dict at every call, so that a saved state changes."""

    def __init__(self) -> None:
        super().__init__()
        self.state: dict[str, Any] = {}

    def state_dict(self) -> dict[str, Any]:
        self.state.update(super().state_dict())
        return self.state


class StateTooBig(Counting):
    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "taken": list(range(400))}


class StateOfTuples(Counting):
    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "taken": (1, 2)}


class StateOfArrays(Counting):
    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "taken": np.arange(3)}


class EndsTwice(Counting):
    """Restored at the end of an epoch, it yields that epoch's last item again."""

    def __iter__(self) -> Iterator[Any]:
        if self.is_loaded and self.epoch and not self.step:
            self.epoch, self.step = self.epoch - 1, self.n_steps - 1
        return super().__iter__()


class IgnoresTheEnd(Counting):
    """Restored, it does not see the end of the epoch."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.n_steps = 5


class StopsEarly(Counting):
    """Restored, it leaves out the end of the epoch."""

    def __iter__(self) -> Iterator[Any]:
        items = list(super().__iter__())
        return iter(items[:-1] if hasattr(self, "was_loaded") else items)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.was_loaded = True


class CannotBeSavedTwice(Counting):
    """Counts from where it was restored."""

    begin = 0

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.begin = self.step

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "step": max(self.step - self.begin, 0)}


class ForgetsWhatWasLoaded(Counting):
    """Restored and saved again at once, its state is that of the beginning."""

    def state_dict(self) -> dict[str, Any]:
        if self.is_loaded:
            return {"epoch": 0, "step": 0}
        return super().state_dict()


class Empty(Counting):
    n_steps = 0


BROKEN = {
    SkipsOne: "differs",
    RepeatsOne: "differs",
    ForgetsTheEpoch: "differs|state",
    ForgetsTheNextEpoch: "epoch 1 differs",
    CropsAnew: "differs",
    StandsStill: "differs|state",
    ChangesItsState: "restored after step 0 of epoch 0",
    StateTooBig: "bytes; expected less than 1000",
    StateOfTuples: "by JSON",
    StateOfArrays: "JSON",
    EndsTwice: "differs|one item too many",
    IgnoresTheEnd: "one item too many|differs|state",
    StopsEarly: "expected|items",
    CannotBeSavedTwice: "state",
    ForgetsWhatWasLoaded: "state",
    Empty: "no items",
}


def test_a_correct_pipe_passes() -> None:
    assert_resumes_exactly(Counting, n_epochs=3)


@pytest.mark.parametrize("pipe", BROKEN, ids=lambda pipe: pipe.__name__)
def test_a_broken_pipe_is_detected(pipe: type[Counting]) -> None:
    with pytest.raises(AssertionError, match=BROKEN[pipe]):
        assert_resumes_exactly(pipe)


class BrokenRows(pipes.Rows):
    """A node that begins the epoch again when it is restored."""

    def reset(self, initial_state: dict[str, Any] | None = None) -> None:
        if initial_state is not None:
            initial_state = {**initial_state, "consumed": 0}
        super().reset(initial_state)


def test_a_broken_node_is_detected(store: Store) -> None:
    n_records = len(store)
    with pytest.raises(AssertionError, match="after step 1 of epoch 0"):
        assert_resumes_exactly(
            lambda: BrokenRows(store, pipes.Sequential(n_records), 16)
        )


def test_the_digest_sees_every_difference() -> None:
    ones = np.ones(4, np.float32)
    different = [
        None,
        "1",
        b"1",
        1,
        1.0,
        True,
        ones,
        ones.astype(np.float64),
        ones.reshape(2, 2),
        np.array([1, 1, 1, np.nan], np.float32),
        -ones * 0,
        ones * 0,
        [ones],
        [ones, ones],
        {"a": ones},
        {"b": ones},
        ["ab", "c"],
        ["a", "bc"],
        RowBatch(np.arange(2), np.zeros(2, np.uint64)),
        RowBatch(np.arange(2), np.ones(2, np.uint64)),
    ]
    assert len({digest(item) for item in different}) == len(different)
    assert digest(ones[::2]) == digest(ones[:2])
    with pytest.raises(TypeError, match="set in an item"):
        digest({1, 2})
