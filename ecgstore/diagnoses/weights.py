"""The weights of the PhysioNet/CinC Challenge 2020: partial credit for misdiagnoses.

The table beside this module is the Challenge's own, unchanged: Perez Alday et al. 2020,
*Physiol. Meas.* 41 124003, licence CC BY 4.0. Cardiologists rated how similar the
diagnoses of each pair are in treatment and risk; confusing similar diagnoses costs
little.
"""

import csv
from functools import cache
from importlib.resources import files

import numpy as np

from ecgstore.arrays import FloatArray


@cache
def challenge_weights() -> tuple[tuple[str, ...], FloatArray]:
    """Return the scored codes and the weight of every pair of them.

    Returns
    -------
    codes : tuple of str
        The 27 SNOMED CT codes that the Challenge scores, in the order of its table.
    weights : ndarray of shape (27, 27)
        In row i and column j, the credit for predicting diagnosis j where diagnosis i
        is true, from 0.15 to 1. The array is read-only.

    Examples
    --------
    >>> codes, weights = challenge_weights()
    >>> atrial_fibrillation, sinus_rhythm = map(codes.index, ("164889003", "426783006"))
    >>> float(weights[atrial_fibrillation, sinus_rhythm])
    0.25
    """
    table = files("ecgstore.diagnoses").joinpath("challenge2020_weights.csv")
    head, *rows = csv.reader(table.read_text(encoding="utf-8").splitlines())
    weights = np.array([row[1:] for row in rows], dtype=np.float64)
    weights.setflags(write=False)
    return tuple(head[1:]), weights
