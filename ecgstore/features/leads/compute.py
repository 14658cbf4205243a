"""What the leads say together: axes, angles, voltage criteria, progression, Q waves."""

import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.record import N_LEADS


def vector_features(waves: FloatArray) -> FloatArray:
    """Return the features of a record that come from several leads.

    Parameters
    ----------
    waves : ndarray of shape (1 + 12, n_wave_features)
        Of the record and its leads: see `ecgstore.features.waves.compute`.

    Returns
    -------
    ndarray of shape (n_features,)
        The features that `ecgstore.features.leads.definitions.VECTORS` names and
        defines, in that order, float64; NaN where undefined.

    Raises
    ------
    ValueError
        If there are other rows than these.

    Notes
    -----
    An axis is the direction of the areas of a wave in the median beat, as the areas of
    a lead are medians over the beats: a circular mean over beats is not needed.
    """
    # Imported here, because it loads numba: the table must be quick to show.
    from ecgstore.features.leads import _kernels as kernels
    from ecgstore.features.waves._kernels import QRS_DURATION

    waves = np.ascontiguousarray(waves, np.float64)
    if len(waves) != 1 + N_LEADS:
        raise ValueError(
            f"waves have the shape {waves.shape}; expected rows of the record and of "
            f"its {N_LEADS} leads"
        )
    row = np.empty(kernels.N_FEATURES)
    kernels.vector_features(waves[1:], waves[0, QRS_DURATION], row)
    return row
