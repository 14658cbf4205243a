"""Beats, waves and handcrafted features."""

from ecgstore.features.beats import Beats, BeatStatus, find_beats
from ecgstore.features.feature import Feature
from ecgstore.features.morphology import q_s_peaks
from ecgstore.features.page import markdown
from ecgstore.features.table import FEATURES, compute

__all__ = [
    "FEATURES",
    "BeatStatus",
    "Beats",
    "Feature",
    "compute",
    "find_beats",
    "markdown",
    "q_s_peaks",
]
