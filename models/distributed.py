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
    """Join the processes that ``torchrun`` started, if any, and leave them at the end.

    Parameters
    ----------
    name : str, optional
        Name of the device; under ``torchrun``, only "cpu" makes a difference.

    Yields
    ------
    torch.device
        The device of this process: under ``torchrun``, a GPU of its own if there are
        any.
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
    """Return the number of processes that train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_first_process() -> bool:
    """Return whether this process, the only one or rank 0, writes the files."""
    return not dist.is_initialized() or dist.get_rank() == 0


def sum_over_processes(value: Tensor) -> Tensor:
    """Return the sum of a number over all processes."""
    if dist.is_initialized():
        value = value.clone()
        dist.all_reduce(value)
    return value


def gather_from_processes(value: Any) -> list[Any]:
    """Return the values of all processes, in the order of their ranks."""
    if not dist.is_initialized():
        return [value]
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


@torch.no_grad()
def broadcast_buffers(network: nn.Module) -> None:
    """Copy the running statistics of rank 0 to every process."""
    if dist.is_initialized():
        for buffer in network.buffers():
            dist.broadcast(buffer, 0)
