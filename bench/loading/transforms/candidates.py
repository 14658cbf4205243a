"""The names of the transforms that are timed, and who does them; needs NumPy only."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

FS: Final = 500.0
FACTOR: Final = 5

N_RECORDS: Final = 64

Signals = NDArray[np.float32]
"""A batch of shape (64, 12, 5000) in mV."""

Work = Callable[[Signals], Any]
"""Transforms a batch, which it may change."""


@dataclass(frozen=True)
class Candidate:
    """Somebody who does a transform.

    Attributes
    ----------
    library : str
        Name in tables.
    module : str
        Its module, with a function ``make(name)`` that returns a `Work`.
    environment : str, optional
        Folder of its environment in the root of the repository.
    """

    library: str
    module: str
    environment: str | None = None


_OWN: Final = "bench.loading.transforms"
_PEERS: Final = "bench.loading.peers.transforms"
_ENVIRONMENT: Final = ".venv-peers-transforms"

KERNEL: Final = Candidate("ecgstore", f"{_OWN}.with_ecgstore")
TORCH: Final = Candidate("ecgstore, by PyTorch", f"{_OWN}.with_torch")
SCIPY: Final = Candidate("SciPy", f"{_OWN}.with_scipy")
TORCHAUDIO: Final = Candidate("torchaudio", f"{_PEERS}.with_torchaudio", _ENVIRONMENT)
BRAINDECODE: Final = Candidate(
    "braindecode", f"{_PEERS}.with_braindecode", _ENVIRONMENT
)
TORCH_ECG: Final = Candidate("torch_ecg", f"{_PEERS}.with_torch_ecg", _ENVIRONMENT)

TRANSFORMS: Final = {
    "standardise": (KERNEL, TORCH, SCIPY),
    "decimate to 100 Hz": (KERNEL, TORCH, SCIPY, TORCHAUDIO),
    "gain": (KERNEL, TORCH),
    "time shift": (KERNEL, TORCH),
    "lead dropout": (KERNEL, TORCH, BRAINDECODE),
    "time mask": (KERNEL, TORCH, BRAINDECODE, TORCH_ECG),
    "baseline wander": (KERNEL, TORCH, TORCH_ECG),
    "powerline": (KERNEL, TORCH),
    "white noise": (KERNEL, TORCH, BRAINDECODE),
    "electrode noise": (KERNEL, TORCH),
    "six augmentations": (KERNEL, TORCH),
    "everything": (KERNEL, TORCH),
}
"""Who does which transform. Every augmentation changes half of the records. The six are
gain, baseline wander, white noise, powerline, time shift and lead dropout; everything
is standardise, the six, and decimate."""
