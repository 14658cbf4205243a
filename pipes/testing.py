"""Check that a pipe of one's own resumes exactly.

>>> from ecgstore.pipes.testing import assert_resumes_exactly
>>> assert_resumes_exactly(lambda: make_my_pipe(store))  # doctest: +SKIP
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Final, Protocol

import numpy as np
import torch
from torchdata.nodes import BaseNode

_MAX_STATE_BYTES: Final = 1000


class Pipe(Protocol):
    """A loader: `Loader` of this package, or any with these three methods."""

    def __iter__(self) -> Iterator[Any]: ...

    def state_dict(self) -> dict[str, Any]:
        """Return where the loader is."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Let the next iteration go on from there."""


def assert_resumes_exactly(
    make_pipe: Callable[[], Pipe | BaseNode[Any]], n_epochs: int = 2
) -> None:
    """Save a pipe at every step, restore each state in a new pipe, compare the rest.

    Every item of the rest of that epoch and of the epochs after it must be the same,
    bit for bit; and the restored pipe must have the same states, so that it can be
    saved and restored again.

    Parameters
    ----------
    make_pipe : callable
        Makes the pipe, a new one each time: a loader or a torchdata node.
    n_epochs : int
        How many epochs to go through.

    Raises
    ------
    AssertionError
        Saying after which step of which epoch what differs.
    """
    pipe = make_pipe()
    states = [[_checked(pipe.state_dict())]]
    digests: list[list[str]] = []
    for number in range(n_epochs):
        digests.append([])
        for item in _epoch(pipe, None):
            digests[-1].append(digest(item))
            states[-1].append(_checked(pipe.state_dict()))
        if not digests[-1]:
            raise AssertionError(
                f"no item in epoch {number}; expected some to compare, with a pipe of "
                "more records or a smaller batch size"
            )
        states.append([states[-1][-1]] if number < n_epochs - 1 else [])
    for epoch, saved in enumerate(states):
        for step, state in enumerate(saved):
            where = f"restored after step {step} of epoch {epoch}"
            # The end of an epoch is the beginning of the next one.
            is_end = step > 0 and step == len(digests[epoch])
            begins = (epoch + 1, 0) if is_end else (epoch, step)
            _compare_rest(make_pipe(), state, digests, states, begins, where)


def _compare_rest(
    pipe: Any,
    state: dict[str, Any],
    digests: Sequence[Sequence[str]],
    states: Sequence[Sequence[dict[str, Any]]],
    begins: tuple[int, int],
    where: str,
) -> None:
    """Compare what a restored pipe yields with what it did not yield before."""
    epoch, step = begins
    restored: dict[str, Any] | None = json.loads(json.dumps(state))
    _load(pipe, json.loads(json.dumps(state)))
    if pipe.state_dict() != state:
        raise AssertionError(
            f"{where}: saved again at once, the state is {pipe.state_dict()}; expected "
            f"{state}"
        )
    while epoch < len(digests):
        found = 0
        for number, item in enumerate(_epoch(pipe, restored), step):
            here = f"{where}: step {number} of epoch {epoch}"
            if number >= len(digests[epoch]):
                raise AssertionError(f"{here} should not be there: the epoch was over")
            if digest(item) != digests[epoch][number]:
                raise AssertionError(f"{here} differs from the uninterrupted run's")
            if pipe.state_dict() != states[epoch][number + 1]:
                raise AssertionError(
                    f"{here}: the state after it is {pipe.state_dict()}; expected "
                    f"{states[epoch][number + 1]}"
                )
            found += 1
        if found != len(digests[epoch]) - step:
            raise AssertionError(
                f"{where}: {found} items of epoch {epoch}; expected "
                f"{len(digests[epoch]) - step} from step {step} on"
            )
        restored, epoch, step = None, epoch + 1, 0


def _epoch(pipe: Any, state: dict[str, Any] | None) -> Iterator[Any]:
    """Begin an epoch, or go on from a state."""
    if isinstance(pipe, BaseNode) or state is not None:
        _load(pipe, state)
    return iter(pipe)


def _load(pipe: Any, state: dict[str, Any] | None) -> None:
    """Bring a pipe to a state; a node to the next epoch if there is none."""
    if isinstance(pipe, BaseNode):
        pipe.reset(state)
    else:
        pipe.load_state_dict(state)


def _checked(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state, if it is small and survives JSON."""
    try:
        text = json.dumps(state)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"the state {state} cannot be JSON: {error}") from error
    if json.loads(text) != state:
        raise AssertionError(f"the state {state} is another one after JSON")
    if len(text) >= _MAX_STATE_BYTES:
        raise AssertionError(
            f"the state has {len(text)} bytes; expected less than {_MAX_STATE_BYTES}"
        )
    return state


def digest(item: Any) -> str:
    """Return the SHA-256 of everything in an item, types and shapes included.

    Parameters
    ----------
    item : object
        Tensors, NumPy arrays, numbers, texts, and dataclasses, mappings and sequences
        of them.

    Raises
    ------
    TypeError
        If there is anything else in it.
    """
    found = hashlib.sha256()
    for part in _parts(item):
        found.update(len(part).to_bytes(8, "little"))
        found.update(part)
    return found.hexdigest()


def _parts(item: Any) -> Iterator[bytes]:
    """Yield the bytes of an item."""
    if isinstance(item, torch.Tensor):
        item = item.detach().cpu().numpy()
    if isinstance(item, np.ndarray | np.generic):
        yield f"{item.dtype.str} {item.shape}".encode()
        yield np.ascontiguousarray(item).tobytes()
    elif is_dataclass(item) and not isinstance(item, type):
        for each in fields(item):
            yield each.name.encode()
            yield from _parts(getattr(item, each.name))
    elif isinstance(item, Mapping):
        for name, value in item.items():
            yield from _parts(name)
            yield from _parts(value)
    elif isinstance(item, str | bytes | int | float | None):
        yield repr(item).encode()
    elif isinstance(item, Sequence):
        yield f"{len(item)} items".encode()
        for value in item:
            yield from _parts(value)
    else:
        raise TypeError(
            f"{type(item).__name__} in an item; expected tensors, arrays, numbers, "
            "texts, and dataclasses, mappings and sequences of them"
        )
