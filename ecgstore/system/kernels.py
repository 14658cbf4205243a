"""Compile kernels with numba and store their machine code for later processes."""

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")

_PACKAGE = Path(__file__).resolve().parent.parent


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function at its first call; while it runs, other threads run too.

    Parameters
    ----------
    function : callable
        A function that numba can compile. If kernels of other files call it, its file
        is named ``_kernels.py`` or ``_<subject>_kernels.py``.

    Returns
    -------
    callable
        The compiled function.

    Notes
    -----
    Numba stores machine code under the qualified name of the function, and compiles
    again when the function's own file has changed. It does not notice changes of other
    files, whose kernels it compiles into their callers. So the name under which code
    is stored contains a digest of all kernel files.
    """
    name = function.__qualname__
    function.__qualname__ = f"{name}_{_sources_digest()}"
    try:
        compiled = numba.njit(cache=True, nogil=True)(function)
    finally:
        function.__qualname__ = name
    return cast("Callable[P, R]", compiled)


@functools.cache
def _sources_digest() -> str:
    """Return a digest of the contents of all kernel files of the package."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("_*kernels.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
