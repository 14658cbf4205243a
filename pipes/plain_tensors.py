"""Tensors whose values a kernel of numba may read."""

import torch
from torch import Tensor


def is_plain(tensor: Tensor, *dtypes: torch.dtype) -> bool:
    """Return whether a kernel may compute on a tensor instead of PyTorch.

    That is so if its values are of a given type and on the CPU, no gradient is asked
    for, and PyTorch is not writing its operations down, as it does for an export.

    Parameters
    ----------
    tensor : Tensor
        The input of a computation.
    *dtypes : torch.dtype
        The types of values that the kernel reads; float32 if left out.

    Examples
    --------
    >>> is_plain(torch.zeros(3)), is_plain(torch.zeros(3, requires_grad=True))
    (True, False)
    """
    return (
        tensor.device.type == "cpu"
        and tensor.dtype in (dtypes or (torch.float32,))
        and not tensor.requires_grad
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    )
