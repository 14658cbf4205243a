"""Bit-identical results for the same arguments."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def reproducible(seed: int, device: torch.device) -> Iterator[None]:
    """Seed PyTorch and select deterministic algorithms; restore both at the end.

    Where PyTorch has no deterministic algorithm for a GPU, it warns and uses another.

    Parameters
    ----------
    seed : int
        Seed of PyTorch's random generators, whose states are restored at the end.
    device : torch.device
        The device that is computed on.
    """
    on_gpu = device.type == "cuda"
    if on_gpu:  # required by cuBLAS, before its first use in the process
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    with torch.random.fork_rng([device] if on_gpu else []):
        torch.manual_seed(seed)
        if not on_gpu:  # the layers of all networks here are deterministic on CPUs
            yield
            return
        was_strict = torch.are_deterministic_algorithms_enabled()
        only_warned = torch.is_deterministic_algorithms_warn_only_enabled()
        torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(was_strict, warn_only=only_warned)
