from .batch import Batch as Batch, RowBatch as RowBatch
from .dataset import StoreDataset as StoreDataset
from .loader_bound import (
    LoaderBound as LoaderBound,
    measure_loader_bound as measure_loader_bound,
)
from .loading import (
    Loader as Loader,
    LoaderStatistics as LoaderStatistics,
    loader as loader,
)
from .nodes.device import ToDevice as ToDevice
from .nodes.map import Map as Map
from .nodes.prefetch import Prefetch as Prefetch
from .nodes.read import Read as Read
from .nodes.rows import Rows as Rows
from .orders.block_shuffled import BlockShuffled as BlockShuffled
from .orders.class_balanced import ClassBalanced as ClassBalanced
from .orders.order import Order as Order
from .orders.repeated import Repeated as Repeated
from .orders.sequential import Sequential as Sequential
from .orders.shuffle_quality import mixing as mixing
from .orders.shuffled import Shuffled as Shuffled
from .orders.weighted import Weighted as Weighted
from .reading.buffers import Buffers as Buffers
from .reading.record_reader import RecordReader as RecordReader
from .reading.sharing import WorkSharing as WorkSharing
from .reading.window import RandomCrop as RandomCrop
from .transforms.augment import Augment as Augment
from .transforms.augmentation import Augmentation as Augmentation, Draws as Draws
from .transforms.baseline_wander import BaselineWander as BaselineWander
from .transforms.decimate import Decimate as Decimate
from .transforms.electrode_noise import ElectrodeNoise as ElectrodeNoise
from .transforms.mixup import Mixup as Mixup
from .transforms.powerline import Powerline as Powerline
from .transforms.signal_changes import (
    Gain as Gain,
    LeadDropout as LeadDropout,
    TimeMask as TimeMask,
    TimeShift as TimeShift,
)
from .transforms.standardise import (
    Standardise as Standardise,
    StandardiseFeatures as StandardiseFeatures,
)
from .transforms.white_noise import (
    WhiteNoise as WhiteNoise,
    WhiteNoiseAtSnr as WhiteNoiseAtSnr,
)
