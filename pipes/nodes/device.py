"""The node that copies batches to a GPU."""

from collections import deque
from typing import Any

import torch
from torchdata.nodes import BaseNode

from ecgstore.pipes.batch import Batch
from ecgstore.pipes.devices import available_device

_cuda: Any = torch.cuda  # its streams and events have no type annotations


class ToDevice(BaseNode[Batch]):
    """A node that copies batches to a device, and converts counts to mV there.

    From pinned memory, the copy overlaps with the computation on the previous batch.
    Counts are half the bytes of voltages.

    Parameters
    ----------
    source : BaseNode
        The node that yields the batches.
    device : torch.device or str
        The device.
    in_mv : bool
        Convert int16 counts to float32 voltages in mV.

    Raises
    ------
    ConfigError
        If this machine does not have the device.
    """

    def __init__(
        self,
        source: BaseNode[Batch],
        device: torch.device | str,
        *,
        in_mv: bool = True,
    ) -> None:
        super().__init__()
        self._source = source
        self._device = available_device(device)
        self._in_mv = in_mv
        is_cuda = self._device.type == "cuda"
        self._stream = _cuda.Stream(self._device) if is_cuda else None
        self._copying: deque[tuple[Any, Batch]] = deque()

    def reset(self, initial_state: dict[str, Any] | None = None) -> None:
        """Begin the next epoch, or resume from a state."""
        super().reset(initial_state)
        self._source.reset(initial_state)

    def next(self) -> Batch:
        """Return the next batch, on the device."""
        batch: Batch = next(self._source)
        if self._stream is None:
            return self._moved(batch, non_blocking=False)
        with _cuda.stream(self._stream):
            moved = self._moved(batch, non_blocking=True)
            copied = self._stream.record_event()
        consumer = _cuda.current_stream(self._device)
        consumer.wait_event(copied)
        for tensor in moved.tensors():
            # Allocated on one stream and used on another: PyTorch must not reuse the
            # memory before the other is done.
            tensor.record_stream(consumer)
        self._copying.append((copied, batch))
        while self._copying[0][0].query() and len(self._copying) > 1:
            self._copying.popleft()
        return moved

    def get_state(self) -> dict[str, Any]:
        """Return the state of the source."""
        state: dict[str, Any] = self._source.state_dict()
        return state

    def _moved(self, batch: Batch, *, non_blocking: bool) -> Batch:
        """Return a batch on the device."""
        moved = batch.to(self._device, non_blocking=non_blocking)
        return moved.in_mv() if self._in_mv else moved
