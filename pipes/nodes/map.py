"""The node that applies a function to every batch."""

from collections.abc import Callable
from typing import Any, TypeVar

from torchdata.nodes import BaseNode

from ecgstore.pipes.arguments import require_result

A = TypeVar("A")
B = TypeVar("B")


class Map(BaseNode[B]):
    """A node that applies a function to every item of its source.

    Parameters
    ----------
    source : BaseNode
        The node that yields the items.
    function : callable
        Takes an item and returns another. For exact resume it must depend on the item
        alone: draw what is random from `Batch.seeds`.
    """

    def __init__(self, source: BaseNode[A], function: Callable[[A], B]) -> None:
        super().__init__()
        self._source = source
        self._function = function

    def reset(self, initial_state: dict[str, Any] | None = None) -> None:
        """Begin the next epoch, or resume from a state."""
        super().reset(initial_state)
        self._source.reset(initial_state)

    def next(self) -> B:
        """Return the function's result for the next item.

        Raises
        ------
        TypeError
            If the function returns None.
        """
        item = next(self._source)
        try:
            return require_result(self._function, self._function(item))
        except StopIteration as error:
            # Passed on, it would end the epoch, and the rest would be lost silently.
            raise RuntimeError(
                f"{self._function!r} raised StopIteration; expected a result for every "
                "item"
            ) from error

    def get_state(self) -> dict[str, Any]:
        """Return the state of the source."""
        state: dict[str, Any] = self._source.state_dict()
        return state
