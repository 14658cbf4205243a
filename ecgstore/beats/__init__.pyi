from .engines import (
    BEATS_VERSION as BEATS_VERSION,
    ENGINES as ENGINES,
    find_beats as find_beats,
)
from .types import Beats as Beats, BeatStatus as BeatStatus
