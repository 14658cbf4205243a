"""Transforms of ecgstore by operations of PyTorch, as on a GPU, here on the CPU."""

from bench.loading.transforms import with_ecgstore
from bench.loading.transforms.candidates import Work
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.fusing.fused import Fused
from ecgstore.pipes.transforms import decimate


def make(name: str) -> Work:
    """Return a function that transforms a batch, without the kernel."""

    def never(self: Fused, batch: Batch) -> None:
        """Leave the batch to PyTorch."""

    Fused.by_kernel = never  # type: ignore[method-assign]
    vars(decimate)["is_plain"] = lambda tensor: False
    return with_ecgstore.make(name)
