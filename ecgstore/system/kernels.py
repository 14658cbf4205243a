"""Compile kernels with numba and store their machine code for later processes."""

import contextlib
import functools
import hashlib
from collections.abc import Callable
from functools import partial as bind
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numba
from numba.core.caching import FunctionCache
from numba.core.registry import cpu_target
from numba.core.types import unliteral

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

    A kernel that others call with different constants would be compiled for each of
    them, though its machine code is the same; here it is compiled once for their type.
    To assign an array to a slice costs seconds to compile, a loop does not: numba
    compiles an error message with both shapes.

    Stored code saves time and nothing else: where it is damaged, or cannot be stored,
    a kernel is compiled.
    """
    name = function.__qualname__
    function.__qualname__ = f"{name}_{_sources_digest()}"
    try:
        compiled: Any = numba.njit(nogil=True)(function)
        compiled.get_call_template = bind(
            _template_of_types, compiled.get_call_template
        )
        with contextlib.suppress(RuntimeError):  # no folder can be written
            compiled._cache = _Cache(function)  # type: ignore[no-untyped-call]
    finally:
        function.__qualname__ = name
    return cast("Callable[P, R]", compiled)


def is_compiled(compiled: Callable[..., Any]) -> bool:
    """Return whether a kernel's code for this processor is loaded or stored."""
    dispatcher: Any = compiled
    if dispatcher.signatures:
        return True
    machine = cpu_target.target_context.codegen().magic_tuple()
    try:
        stored = dispatcher._cache._cache_file._load_index()
        return any(key[1] == machine for key in stored)
    except Exception:  # no folder can be written, or the index is damaged
        return False


def can_be_stored(compiled: Callable[..., Any]) -> bool:
    """Return whether there is a folder for the machine code of a kernel."""
    dispatcher: Any = compiled
    return dispatcher._cache.cache_path is not None


def _template_of_types(
    template_of: Callable[[Any, Any], Any], args: Any, kws: Any
) -> Any:
    """Return how a kernel is called by another one, whose constants are plain numbers.

    `template_of` is numba's method, to which types are passed.
    """
    of_type: Any = unliteral
    return template_of(
        tuple(map(of_type, args)),
        {name: of_type(value) for name, value in kws.items()},
    )


class _Cache(FunctionCache):
    """Stored machine code of one kernel, without which it works too."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the stored code for a signature; None if there is none to use."""
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        except MemoryError:
            raise
        # Which one Python raises depends on how the files are damaged.
        except Exception:
            # An unreadable index would keep new code from being stored.
            with contextlib.suppress(OSError):
                self.flush()  # type: ignore[no-untyped-call]
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store code, unless the disk is full, or no file can be written there."""
        with contextlib.suppress(Exception):
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]


@functools.cache
def _sources_digest() -> str:
    """Return a digest of the contents of all kernel files of the package."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("_*kernels.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
