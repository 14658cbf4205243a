"""What each column of a table adds to a logit of the small networks.

The network sees each column twice: standardised, and whether its value is missing. The
baseline is a record whose columns all have their mean over the training records, none
missing. So a missing value adds what its absence says.
"""

from typing import Final

import numpy as np
import torch
from torch import Tensor

from ecgstore.arrays import Float32Array
from ecgstore.models.explanation.integration import Attribution, integrate
from ecgstore.models.tabular.classifiers import NetworkOnTable

_TOLERANCE: Final = 0.001
"""Smaller than for signals: such a network is fast."""


def table_gradients(
    classifier: NetworkOnTable, row: Float32Array, place: int
) -> Attribution:
    """Return what each column adds to the logit of a class: integrated gradients.

    Parameters
    ----------
    classifier : NetworkOnTable
        The network, in evaluation mode.
    row : ndarray of shape (n_columns,)
        Values of its columns, NaN where missing.
    place : int
        Place of the class among the logits.

    Returns
    -------
    Attribution
        Values of shape (n_columns,), each the sum of the two of its column. They sum
        to the difference of the logits within 0.001 or 0.1 %.

    Raises
    ------
    ValueError
        If the row has another number of columns.
    """
    if row.shape != (len(classifier.columns),):
        raise ValueError(
            f"row has shape {row.shape}; expected ({len(classifier.columns)},), the "
            "columns of the network"
        )
    network = classifier.network

    def logit_of(points: Tensor) -> Tensor:
        return network.of_standardised(points).logits[:, place]

    with torch.inference_mode(False), torch.enable_grad():
        table = torch.from_numpy(row.astype(np.float32))[None]
        found = integrate(logit_of, network.table_input(table), _TOLERANCE)
    of_columns = found.values.reshape(2, -1).sum(axis=0)
    return Attribution(of_columns, found.logit, found.baseline_logit)
