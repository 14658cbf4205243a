"""The node that applies a function to every batch."""

from collections.abc import Callable
from typing import Any, TypeVar

from torchdata.nodes import BaseNode

from ecgstore.pipes.arguments import require_same_type

T = TypeVar("T")


class Map(BaseNode[T]):
    """A node that applies a function to every batch of its source.

    To yield something else than batches, use torchdata's ``Mapper`` after this chain.

    Parameters
    ----------
    source : BaseNode
        The node that yields the batches.
    function : callable
        Takes a batch and returns a batch of the same type. For exact resume it must
        depend on the batch alone: draw what is random with `Draws`.
    """

    def __init__(self, source: BaseNode[T], function: Callable[[T], T]) -> None:
        super().__init__()
        self._source = source
        self._function = function

    def reset(self, initial_state: dict[str, Any] | None = None) -> None:
        """Begin the next epoch, or resume from a state."""
        super().reset(initial_state)
        self._source.reset(initial_state)

    def next(self) -> T:
        """Return the function's result for the next batch.

        Raises
        ------
        TypeError
            If the function returns no batch.
        """
        batch: T = next(self._source)
        return require_same_type(self._function, batch)

    def get_state(self) -> dict[str, Any]:
        """Return the state of the source."""
        state: dict[str, Any] = self._source.state_dict()
        return state
