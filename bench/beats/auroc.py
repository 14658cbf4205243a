"""The AUROC of one feature, with its confidence interval."""

import numpy as np

from ecgstore.arrays import FloatArray


def auroc(positive: FloatArray, negative: FloatArray) -> tuple[float, float]:
    """Return the area under the ROC curve, and half of its 95 % interval.

    The standard error is that of Hanley and McNeil 1982, Radiology 143:29-36.

    Parameters
    ----------
    positive : ndarray of shape (n_positive,)
        Values of the records with the diagnosis.
    negative : ndarray of shape (n_negative,)
        Values of the records without it.
    """
    above = (positive[:, None] > negative).mean()
    area = float(above + (positive[:, None] == negative).mean() / 2)
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)  # as the paper calls them
    variance = area * (1 - area)
    variance += (len(positive) - 1) * (q1 - area**2)
    variance += (len(negative) - 1) * (q2 - area**2)
    n_pairs = len(positive) * len(negative)
    return area, 1.96 * float(np.sqrt(max(variance, 0) / n_pairs))
