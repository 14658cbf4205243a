"""Batches of ECGs as torchdata nodes: any order, read at memory speed, resumed exactly.

>>> from ecgstore import pipes
>>> pipes.loader(store, batch_size=256, shuffle=True)  # doctest: +SKIP

Needs PyTorch and torchdata: ``pip install "ecgstore[torch]"``. They are imported when a
name of this package is first used.
"""

from ecgstore.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__, __file__, extra=("torch", "torchdata")
)
