"""Check that a pipe resumes exactly, for tests of your own pipes and nodes.

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
    """A loader: `Loader` of this package, or any class with these three methods."""

    def __iter__(self) -> Iterator[Any]: ...

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the loader."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Let the next iteration resume from a state."""


def assert_resumes_exactly(
    make_pipe: Callable[[], Pipe | BaseNode[Any]], n_epochs: int = 2
) -> None:
    """Assert that every state of a pipe, restored in a new pipe, yields the rest.

    The state is saved before the first and after every step. All items after it, in the
    rest of its epoch and in the later epochs, must be the same bit for bit, and so must
    all later states, so that the restored pipe can be saved and restored again.

    Parameters
    ----------
    make_pipe : callable
        Returns a new pipe at every call: a loader or a torchdata node.
    n_epochs : int
        Number of epochs to compare.

    Raises
    ------
    AssertionError
        If an item or a state differs; the message names the step and the epoch.
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
                f"epoch {number} has no items to compare; use a pipe with more records "
                "or a smaller batch size"
            )
        states.append([states[-1][-1]] if number < n_epochs - 1 else [])
    for epoch, saved in enumerate(states):
        for step, state in enumerate(saved):
            where = f"restored after step {step} of epoch {epoch}"
            # The end of an epoch is the beginning of the next one.
            is_end = step > 0 and step == len(digests[epoch])
            begin = (epoch + 1, 0) if is_end else (epoch, step)
            _compare_rest(make_pipe(), state, digests, states, begin, where)


def _compare_rest(
    pipe: Any,
    state: dict[str, Any],
    digests: Sequence[Sequence[str]],
    states: Sequence[Sequence[dict[str, Any]]],
    begin: tuple[int, int],
    where: str,
) -> None:
    """Compare the items and states of a restored pipe with the uninterrupted ones."""
    epoch, step = begin
    restored: dict[str, Any] | None = json.loads(json.dumps(state))
    _load(pipe, json.loads(json.dumps(state)))
    if pipe.state_dict() != state:
        raise AssertionError(
            f"{where}: saved again at once, the state is {pipe.state_dict()}; expected "
            f"{state}"
        )
    while epoch < len(digests):
        n_items = 0
        for number, item in enumerate(_epoch(pipe, restored), step):
            here = f"{where}: step {number} of epoch {epoch}"
            if number >= len(digests[epoch]):
                raise AssertionError(f"{here} is one item too many for the epoch")
            if digest(item) != digests[epoch][number]:
                raise AssertionError(f"{here} differs from the uninterrupted run's")
            if pipe.state_dict() != states[epoch][number + 1]:
                raise AssertionError(
                    f"{here}: the state after it is {pipe.state_dict()}; expected "
                    f"{states[epoch][number + 1]}"
                )
            n_items += 1
        if n_items != len(digests[epoch]) - step:
            raise AssertionError(
                f"{where}: {n_items} items of epoch {epoch}; expected "
                f"{len(digests[epoch]) - step} from step {step} on"
            )
        restored, epoch, step = None, epoch + 1, 0


def _epoch(pipe: Any, state: dict[str, Any] | None) -> Iterator[Any]:
    """Begin an epoch, or resume from a state."""
    if isinstance(pipe, BaseNode) or state is not None:
        _load(pipe, state)
    return iter(pipe)


def _load(pipe: Any, state: dict[str, Any] | None) -> None:
    """Load a state into a pipe; without one, a node begins the next epoch."""
    if isinstance(pipe, BaseNode):
        pipe.reset(state)
    else:
        pipe.load_state_dict(state)


def _checked(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state, if it is small and unchanged by JSON."""
    try:
        text = json.dumps(state)
    except (TypeError, ValueError) as error:
        raise AssertionError(
            f"the state {state} cannot be written to JSON: {error}"
        ) from error
    if json.loads(text) != state:
        raise AssertionError(f"the state {state} is changed by JSON")
    if len(text) >= _MAX_STATE_BYTES:
        raise AssertionError(
            f"the state has {len(text)} bytes; expected less than {_MAX_STATE_BYTES}"
        )
    return state


def digest(item: Any) -> str:
    """Return the SHA-256 of the contents of an item, with their types and shapes.

    Parameters
    ----------
    item : object
        Tensors, NumPy arrays, numbers, texts, and dataclasses, mappings and sequences
        of them.

    Raises
    ------
    TypeError
        If the item contains anything else.
    """
    sha256 = hashlib.sha256()
    for part in _parts(item):
        sha256.update(len(part).to_bytes(8, "little"))
        sha256.update(part)
    return sha256.hexdigest()


def _parts(item: Any) -> Iterator[bytes]:
    """Yield the bytes of an item."""
    if isinstance(item, torch.Tensor):
        item = item.detach().cpu().numpy()
    if isinstance(item, np.ndarray | np.generic):
        yield f"{item.dtype.str} {item.shape}".encode()
        yield np.ascontiguousarray(item).tobytes()
    elif is_dataclass(item) and not isinstance(item, type):
        for field in fields(item):
            yield field.name.encode()
            yield from _parts(getattr(item, field.name))
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
