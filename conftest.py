"""Collect pipes/ and models/ once, and never run compiled code of older kernels."""

import hashlib
import os
from pathlib import Path

# Through their import names ecgstore.*.
collect_ignore = ["pipes", "models"]


def _set_numba_cache() -> None:
    """Give compiled kernels a folder named by the contents of all of them.

    Numba compiles kernels again if their own file has changed, not if one that they
    call has in another file. It reads the variable when it is imported.
    """
    root = Path(__file__).resolve().parent
    digest = hashlib.sha256()
    for path in sorted((root / "ecgstore").rglob("_*kernels.py")):
        digest.update(path.read_bytes())
    folder = root / ".numba_cache" / digest.hexdigest()[:16]
    os.environ.setdefault("NUMBA_CACHE_DIR", str(folder))


_set_numba_cache()
