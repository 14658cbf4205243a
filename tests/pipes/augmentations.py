"""One augmentation of every class."""

from ecgstore.pipes import (
    BaselineWander,
    ElectrodeNoise,
    Gain,
    LeadDropout,
    Powerline,
    TimeMask,
    TimeShift,
    WhiteNoise,
    WhiteNoiseAtSnr,
)

AUGMENTATIONS = (
    Gain(),
    BaselineWander(),
    LeadDropout(),
    Powerline(),
    TimeMask(),
    TimeShift(),
    WhiteNoise(),
    WhiteNoiseAtSnr(),
    ElectrodeNoise(),
)
