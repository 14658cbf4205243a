"""Names of deep features: check them, and name the columns."""

from typing import Final

from ecgstore.arrays import Float32Array
from ecgstore.errors import ConfigError, short_repr
from ecgstore.storage.format import schema

RESERVED: Final = frozenset(
    (
        schema.SIGNALS,
        schema.LABELS,
        schema.TARGETS,
        schema.FEATURES,
        schema.FIDUCIALS,
        schema.R_PEAKS,
        *schema.RECORD_TEXTS,
        *schema.RECORD_NUMBERS,
        "fold",
        "row",
        "n_real_samples",
    )
)
"""Names of other fields of a store, which loaders and queries use."""

_LONGEST: Final = 64
"""Most characters of a name."""


def check_name(name: str) -> str:
    """Return a name for deep features, if it is allowed.

    Raises
    ------
    ConfigError
        If it is the name of another field, longer than 64 characters, or no identifier,
        which a query needs.
    """
    if name in RESERVED or len(name) > _LONGEST or not name.isidentifier():
        raise ConfigError(
            f"deep features cannot be called {short_repr(name)}; expected letters, "
            f"digits and _, at most {_LONGEST}, and none of "
            f"{', '.join(sorted(RESERVED))}"
        )
    return name


def column_names(name: str, features: Float32Array) -> list[str]:
    """Return a name for every column of deep features.

    Parameters
    ----------
    name : str
        Name of the deep features as a whole.
    features : ndarray of shape (n_records, n_features)
        The features.

    Examples
    --------
    >>> import numpy as np
    >>> column_names("cnn", np.zeros((5, 2), np.float32))
    ['cnn_000', 'cnn_001']
    """
    n_features = features.shape[1]
    n_digits = max(3, len(str(n_features - 1)))
    return [f"{name}_{number:0{n_digits}}" for number in range(n_features)]
