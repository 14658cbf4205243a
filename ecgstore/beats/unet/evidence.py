"""The network's evidence of waves: its weights, and how long records pass it."""

import functools
import threading
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import numpy as np

from ecgstore.arrays import BoolArray, Float32Array, IntArray
from ecgstore.beats.unet import (
    _decoding_kernels as decoding,
    _network_kernels as network,
)
from ecgstore.beats.unet._mixing_kernels import PAD, row_length
from ecgstore.beats.unet.inputs import NETWORK_HZ, NetworkInput

CELL_S: Final = 2 / NETWORK_HZ
"""Duration of a cell of the network's output in s."""

WEIGHTS: Final = "weights.npz"

PART: Final = 1 << 14
"""Length of the parts in which long records pass the network, in samples: 66 s."""

OVERLAP: Final = 1 << 11
"""Samples that two parts share: more than twice the network's receptive field."""


@dataclass(frozen=True, eq=False, slots=True)
class Evidence:
    """The network's output for a record.

    Attributes
    ----------
    leads : ndarray of shape (n_usable,)
        Indices of the leads that are usable at any time.
    probabilities : ndarray of shape (n_usable, 7, n_cells)
        Probabilities of the classes of each cell of 8 ms: no wave, and the parts before
        and behind the peak of a P wave, a QRS complex and a T wave.
    usable : ndarray of shape (n_usable, n_cells)
        In which cells each of these leads is neither silent nor missing.
    """

    leads: IntArray
    probabilities: Float32Array
    usable: BoolArray


@functools.cache
def weights() -> Float32Array:
    """Return the weights of the network in the order of use."""
    with files(__package__).joinpath(WEIGHTS).open("rb") as file, np.load(file) as data:
        values = np.asarray(data["weights"], np.float32)
    values.flags.writeable = False
    return values


def evidence_of(record: NetworkInput, values: Float32Array) -> Evidence:
    """Return the network's output for a record, with some weights."""
    probabilities = class_probabilities(record.x, record.usable, values)
    n_cells = probabilities.shape[2]
    cells = np.repeat(record.usable, network.STEP // 2, axis=1)[:, :n_cells]
    return Evidence(record.leads, probabilities, np.ascontiguousarray(cells))


class _Memory(threading.local):
    """Arrays of each thread that are used again for the next record of a length.

    To touch new memory for every record would take a sixth of the time.
    """

    def __init__(self) -> None:
        self._size = (0, 0)
        nothing = np.empty(0, np.float32)
        self._arrays = (nothing, nothing, nothing)

    def of(
        self, n_leads: int, n_samples: int
    ) -> tuple[Float32Array, Float32Array, Float32Array]:
        """Return the network's input, memory and output."""
        if (n_leads, n_samples) != self._size:
            n_logits = row_length(n_samples // 2)
            self._arrays = (
                np.zeros((n_leads, n_samples), np.float32),
                np.zeros(network.memory_size(n_leads, n_samples), np.float32),
                np.zeros((n_leads, network.N_CLASSES, n_logits), np.float32),
            )
            self._size = n_leads, n_samples
        return self._arrays


_memory = _Memory()


def class_probabilities(
    x: Float32Array, usable: BoolArray, values: Float32Array
) -> Float32Array:
    """Return the probabilities of the classes, of shape (n_leads, 7, n_cells).

    `x` of shape (n_leads, n_samples) is the network's input, and `usable` says which
    leads count in each span of `STEP` samples. Long records pass the network in parts
    that overlap.
    """
    n_leads, n_samples = x.shape
    shape = (n_leads, network.N_CLASSES, n_samples // 2)
    probabilities = np.empty(shape if n_samples > PART else 0, np.float32)
    begin = 0
    while True:
        end = min(begin + PART, n_samples)
        n = -(-(end - begin) // network.STEP) * network.STEP
        part, memory, logits = _memory.of(n_leads, n)
        part[:, : end - begin] = x[:, begin:end]
        part[:, end - begin :] = x[:, end - 1 : end]  # avoids a step at the end
        first = begin // network.STEP
        spans = np.ascontiguousarray(usable[:, first : first + n // network.STEP])
        network.forward(part, spans, values, memory, logits)
        of_part = np.empty((n_leads, network.N_CLASSES, (end - begin) // 2), np.float32)
        decoding.to_probabilities(logits, PAD, of_part)
        if n_samples <= PART:
            return of_part
        skipped = OVERLAP // 4 if begin else 0  # in cells
        probabilities[:, :, begin // 2 + skipped : end // 2] = of_part[:, :, skipped:]
        if end == n_samples:
            return probabilities
        begin += PART - OVERLAP
