"""The table of digests in a file: which datasets it lists, before they are known."""

from collections.abc import Sequence
from typing import Final

from ecgstore.storage.format.dataset_spec import DatasetSpec, Dimension, scales
from ecgstore.storage.format.stored_values import UNSEALED, encoded

DIGESTS: Final = "digests/sha256"
"""SHA-256 of every dataset."""

DATASETS: Final = "digests/dataset"
"""Coordinate of these digests: the path of each dataset."""

FINGERPRINT: Final = "fingerprint"
"""Digest over all digests, where it is a dataset."""

NOT_LISTED: Final = (DIGESTS, FINGERPRINT)
"""Datasets that are made of the digests."""


def with_digests(specs: Sequence[DatasetSpec]) -> tuple[DatasetSpec, ...]:
    """Return the datasets of a file with the table of their digests in front.

    It is a dataset, not an attribute of each, so that it can be written in place:
    whatever ends a program while it writes with the HDF5 library leaves a file that the
    library does not open again.

    Examples
    --------
    >>> import numpy as np
    >>> labels = DatasetSpec("labels", np.dtype("u1"), (5, 2))
    >>> table, _ = with_digests([labels])
    >>> table.dimensions[0].names
    ['digests/dataset', 'labels']
    """
    paths = {*(spec.path for spec in specs), *scales(specs), DATASETS}
    listed = sorted(paths.difference(NOT_LISTED))
    table = DatasetSpec.of(
        DIGESTS,
        encoded([UNSEALED] * len(listed)),
        (Dimension(DATASETS, names=listed),),
    )
    return (table, *specs)
