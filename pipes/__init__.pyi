from .batch import Batch as Batch, RowBatch as RowBatch
from .dataset import StoreDataset as StoreDataset
from .loader_bound import (
    LoaderBound as LoaderBound,
    measure_loader_bound as measure_loader_bound,
)
from .loading import Loader as Loader, loader as loader
from .nodes.device import ToDevice as ToDevice
from .nodes.map import Map as Map
from .nodes.prefetch import Prefetch as Prefetch
from .nodes.read import Read as Read
from .nodes.rows import Rows as Rows
from .orders.order import (
    BlockShuffled as BlockShuffled,
    ClassBalanced as ClassBalanced,
    Order as Order,
    Repeated as Repeated,
    Sequential as Sequential,
    Shuffled as Shuffled,
    Weighted as Weighted,
)
from .orders.shuffle_quality import mixing as mixing
from .reading.buffers import Buffers as Buffers
from .reading.record_reader import RecordReader as RecordReader
from .reading.sharing import WorkSharing as WorkSharing
from .reading.window import RandomCrop as RandomCrop
from .transforms.augment import (
    Augment as Augment,
    Augmentation as Augmentation,
    BaselineWander as BaselineWander,
    Draws as Draws,
    Gain as Gain,
    LeadDropout as LeadDropout,
    Powerline as Powerline,
    TimeMask as TimeMask,
    TimeShift as TimeShift,
    WhiteNoise as WhiteNoise,
    WhiteNoiseAtSnr as WhiteNoiseAtSnr,
)
from .transforms.decimate import Decimate as Decimate
from .transforms.standardise import (
    Standardise as Standardise,
    StandardiseFeatures as StandardiseFeatures,
)
