"""Compare compiled kernels with their plain Python source."""

from typing import Any

import numpy as np


def assert_equals_python(kernel: Any, *arguments: Any) -> None:
    """Assert that a compiled kernel does the same as its plain Python source."""

    def copies() -> list[Any]:
        return [x.copy() if isinstance(x, np.ndarray) else x for x in arguments]

    compiled, plain = copies(), copies()
    got, expected = kernel(*compiled), kernel.py_func(*plain)
    if expected is not None:
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    for left, right in zip(compiled, plain, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-5)
