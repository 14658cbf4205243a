"""Copy beats and features from rows of an older store that hold the same signal.

Both depend on nothing but the stored signal, its padding, the leads that are absent,
options that both stores share, and the versions of the software: see
`ecgstore.features.measure`. So a row of another store is used if its signal is the
same, byte by byte. Everything else of a row is computed: the SHA-256 in
`/records/sha256` covers the samples rounded to 1 uV, and of two recordings that differ
by less, the stored signals and the quality may differ.
"""

from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import IntArray
from ecgstore.errors import EcgStoreError
from ecgstore.storage import Store
from ecgstore.storage.format import schema
from ecgstore.storage.format.integrity import row_checksum

MEASURED: Final = (
    schema.FEATURES,
    schema.R_PEAKS,
    schema.FIDUCIALS,
    f"{schema.QUALITY}/{schema.BEATS_STATUS}",
)
"""Datasets that are copied."""

_PADDING: Final = f"{schema.QUALITY}/{schema.PAD_LENGTH}"
_MISSING: Final = f"{schema.RECORDS}/missing_leads"

DECISIVE: Final = (*MEASURED, _PADDING, _MISSING)
"""Datasets that must be intact; a damaged signal is only not the same as another."""


class OldStore(NamedTuple):
    """An older store as worker processes get it.

    Attributes
    ----------
    path : Path
        Its absolute path.
    fingerprint : str
        What its content was when rows of it were found.
    """

    path: Path
    fingerprint: str

    def opened(self) -> Store:
        """Return the store.

        Raises
        ------
        EcgStoreError
            If another store has its name now: the rows that were found are not in it.
        """
        store = Store(self.path, labels="built")
        if store.fingerprint != self.fingerprint:
            store.close()
            raise EcgStoreError(
                f"{self.path}: was replaced by another store during the build that "
                "copies from it; run the same command again"
            )
        return store


class OldBlock:
    """Rows of an older store, one for some of the rows of a block.

    Parameters
    ----------
    store : Store
        The older store.
    numbers : ndarray of shape (n_rows,)
        For each row of the block a row of the store, or -1.

    Attributes
    ----------
    n_reused, n_damaged : int
        Rows of the block that were copied, and rows of the store that were not because
        their signal differs from its checksum.
    """

    def __init__(self, store: Store, numbers: IntArray) -> None:
        self.n_reused = self.n_damaged = 0
        chosen = np.flatnonzero(numbers >= 0)
        rows = numbers[chosen]
        self._place = {int(position): at for at, position in enumerate(chosen)}
        dtype: Any = store.dtype
        self._signals = store.signals(rows, dtype=dtype)
        self._missing = store.table(_MISSING)[rows]
        self._padding = store.table(_PADDING)[rows]
        self._checksums = store.table(schema.CHECKSUMS)[rows]
        self._measured = {path: store.table(path)[rows] for path in MEASURED}

    def copy(
        self,
        position: int,
        signal: NDArray[Any],
        padding: int,
        missing_leads: tuple[str, ...],
        block: dict[str, Any],
    ) -> bool:
        """Copy what was measured on a signal, if the older store has the same.

        Parameters
        ----------
        position : int
            Position of the row in the block.
        signal : ndarray of shape (n_leads, n_samples)
            The signal as it is stored.
        padding : int
            Samples at its end that are no part of the record.
        missing_leads : tuple of str
            Leads that the record lacks.
        block : dict
            The rows of every dataset.

        Returns
        -------
        bool
            False if nothing was copied.
        """
        at = self._place.get(position)
        if at is None:
            return False
        content = signal.tobytes()
        if self._signals[at].tobytes() != content:
            checksum = row_checksum(self._signals[at].tobytes())
            self.n_damaged += checksum != self._checksums[at]
            return False
        if (self._padding[at], self._missing[at]) != (
            padding,
            ",".join(missing_leads).encode(),
        ):
            return False
        for path, values in self._measured.items():
            block[path][position] = values[at]
        self.n_reused += 1
        return True


class OldValues:
    """An older store, open for copying from its rows.

    Parameters
    ----------
    old : OldStore
        Which store.
    """

    def __init__(self, old: OldStore) -> None:
        self._store = old.opened()

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def of_block(self, numbers: IntArray) -> OldBlock:
        """Return rows by their numbers, or -1 for none; see `OldBlock`."""
        return OldBlock(self._store, numbers)
