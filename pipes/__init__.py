"""Batches of ECGs as torchdata nodes: any order, read at memory speed, resumed exactly.

>>> from ecgstore import pipes
>>> pipes.loader(store, batch_size=256, shuffle=True)  # doctest: +SKIP

Needs PyTorch and torchdata: ``pip install "ecgstore[torch]"``. They are imported when a
name of this package is first used.
"""

from typing import TYPE_CHECKING

from ecgstore.lazy_names import lazy_names

if TYPE_CHECKING:
    from ecgstore.pipes.augment import (
        Augment,
        Augmentation,
        BaselineWander,
        Draws,
        Gain,
        LeadDropout,
        Powerline,
        TimeMask,
        TimeShift,
        WhiteNoise,
        WhiteNoiseAtSnr,
    )
    from ecgstore.pipes.batch import Batch, RowBatch
    from ecgstore.pipes.buffers import Buffers
    from ecgstore.pipes.dataset import StoreDataset
    from ecgstore.pipes.decimate import Decimate
    from ecgstore.pipes.device import ToDevice
    from ecgstore.pipes.loading import Loader, loader
    from ecgstore.pipes.map import Map
    from ecgstore.pipes.prefetch import Prefetch
    from ecgstore.pipes.read import Read
    from ecgstore.pipes.reading import RecordReader
    from ecgstore.pipes.replay import Headspace, headspace
    from ecgstore.pipes.rows import Rows
    from ecgstore.pipes.sample import (
        BlockShuffled,
        ClassBalanced,
        Order,
        Repeated,
        Sequential,
        Shuffled,
        Weighted,
    )
    from ecgstore.pipes.sharing import WorkSharing
    from ecgstore.pipes.shuffle_quality import mixing
    from ecgstore.pipes.standardise import Standardise, StandardiseFeatures
    from ecgstore.pipes.window import RandomCrop

_HOMES = {
    "Augment": "augment",
    "Augmentation": "augment",
    "BaselineWander": "augment",
    "Batch": "batch",
    "BlockShuffled": "sample",
    "Buffers": "buffers",
    "ClassBalanced": "sample",
    "Decimate": "decimate",
    "Draws": "augment",
    "Gain": "augment",
    "Headspace": "replay",
    "LeadDropout": "augment",
    "Loader": "loading",
    "Map": "map",
    "Order": "sample",
    "Powerline": "augment",
    "Prefetch": "prefetch",
    "RandomCrop": "window",
    "Read": "read",
    "RecordReader": "reading",
    "Repeated": "sample",
    "RowBatch": "batch",
    "Rows": "rows",
    "Sequential": "sample",
    "Shuffled": "sample",
    "Standardise": "standardise",
    "StandardiseFeatures": "standardise",
    "StoreDataset": "dataset",
    "TimeMask": "augment",
    "TimeShift": "augment",
    "ToDevice": "device",
    "Weighted": "sample",
    "WhiteNoise": "augment",
    "WhiteNoiseAtSnr": "augment",
    "WorkSharing": "sharing",
    "headspace": "replay",
    "loader": "loading",
    "mixing": "shuffle_quality",
}

__all__ = [
    "Augment",
    "Augmentation",
    "BaselineWander",
    "Batch",
    "BlockShuffled",
    "Buffers",
    "ClassBalanced",
    "Decimate",
    "Draws",
    "Gain",
    "Headspace",
    "LeadDropout",
    "Loader",
    "Map",
    "Order",
    "Powerline",
    "Prefetch",
    "RandomCrop",
    "Read",
    "RecordReader",
    "Repeated",
    "RowBatch",
    "Rows",
    "Sequential",
    "Shuffled",
    "Standardise",
    "StandardiseFeatures",
    "StoreDataset",
    "TimeMask",
    "TimeShift",
    "ToDevice",
    "Weighted",
    "WhiteNoise",
    "WhiteNoiseAtSnr",
    "WorkSharing",
    "headspace",
    "loader",
    "mixing",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES, extra=("torch", "torchdata"))
