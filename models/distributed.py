"""Several processes that train one network, as ``torchrun`` starts them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ecgstore.models.devices import chosen_device


@contextmanager
def process_group(name: str | None = None) -> Iterator[torch.device]:
    """Join the processes that ``torchrun`` started, if it did, and leave them after.

    Parameters
    ----------
    name : str, optional
        Name of the device, where it is not for ``torchrun`` to say.

    Yields
    ------
    torch.device
        What this process computes on: a GPU of its own, if there are any.
    """
    if "LOCAL_RANK" not in os.environ or dist.is_initialized():
        yield chosen_device(name)
        return
    device = torch.device("cpu")
    has_gpu = torch.cuda.is_available() and name != "cpu"
    if has_gpu:
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if has_gpu else "gloo")
    try:
        yield device
        # A process that leaves while another one still waits for it would end both.
        dist.barrier()
    finally:
        dist.destroy_process_group()


def n_processes() -> int:
    """Return how many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_first_process() -> bool:
    """Return whether this process is the only one, or the one that writes files."""
    return not dist.is_initialized() or dist.get_rank() == 0


def sum_over_processes(value: Tensor) -> Tensor:
    """Return the sum of a number over all processes."""
    if dist.is_initialized():
        value = value.clone()
        dist.all_reduce(value)
    return value


def all_parts(part: Any) -> list[Any]:
    """Return what every process holds, in the order of the processes."""
    if not dist.is_initialized():
        return [part]
    parts: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(parts, part)
    return parts


@torch.no_grad()
def share_buffers(network: nn.Module) -> None:
    """Give every process the running statistics of the first one."""
    if dist.is_initialized():
        for buffer in network.buffers():
            dist.broadcast(buffer, 0)
