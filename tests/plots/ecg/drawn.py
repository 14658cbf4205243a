"""Prints of a known signal, and what was drawn on them."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ecgstore.arrays import FloatArray
from ecgstore.record import LEADS

FS = 500.0
N_SAMPLES = 5000


def slopes(n_samples: int = N_SAMPLES, fs: float = FS) -> FloatArray:
    """Return a signal that rises by a different number of mV/s in each lead."""
    rates = 0.02 * (np.arange(len(LEADS)) + 1)
    seconds: FloatArray = np.arange(n_samples) / fs
    return rates[:, None] * seconds


def only_axes(figure: Figure) -> Axes:
    (axes,) = figure.axes
    return axes


def line(figure: Figure, gid: str) -> Line2D:
    (only,) = [line for line in only_axes(figure).lines if line.get_gid() == gid]
    return only


def lines(figure: Figure, gid: str) -> list[Line2D]:
    return [line for line in only_axes(figure).lines if line.get_gid() == gid]


def brackets(figure: Figure, gid: str) -> list[LineCollection]:
    return [
        artist
        for artist in only_axes(figure).collections
        if isinstance(artist, LineCollection) and artist.get_gid() == gid
    ]


def xy(of: Line2D) -> tuple[FloatArray, FloatArray]:
    return np.asarray(of.get_xdata(), float), np.asarray(of.get_ydata(), float)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in only_axes(figure).texts]
