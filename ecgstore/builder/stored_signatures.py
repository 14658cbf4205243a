"""Signatures of stored signals, for stores of version 1, which have none."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgstore.record import LEADS, lead_rows
from ecgstore.signals.signature import signature, signature_array
from ecgstore.storage import Store
from ecgstore.storage.format import schema

_BLOCK_ROWS: Final = 256


def stored_signatures(store: Store) -> NDArray[Any]:
    """Return a signature for every record of a store that has none.

    A build computes them of the source's signals. Those of stored ones, filtered and at
    another rate, are so similar that they are compared in the same way.

    Parameters
    ----------
    store : Store
        The store, all of whose signals are read.

    Returns
    -------
    ndarray of shape (n_records,)
        Of `ecgstore.signals.signature.SIGNATURE`.
    """
    kept = np.arange(len(LEADS))[lead_rows(store.leads)]
    padding = store.table(f"{schema.QUALITY}/{schema.PAD_LENGTH}")
    missing = store.missing_leads
    found: list[bytes] = []
    for begin in range(0, len(store), _BLOCK_ROWS):
        rows = np.arange(begin, min(begin + _BLOCK_ROWS, len(store)))
        signals = np.full((len(rows), len(LEADS), store.n_samples), np.nan)
        signals[:, kept] = store.signals(rows)
        if missing is not None:
            number, lead = np.nonzero(missing[rows])
            signals[number, kept[lead]] = np.nan
        n_real = store.n_samples - padding[rows]
        found += [
            signature(signal[:, :n], store.fs)
            for signal, n in zip(signals, n_real.tolist(), strict=True)
        ]
    return signature_array(found)
