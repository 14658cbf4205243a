"""Which device to compute on."""

import torch

from ecgstore.errors import EcgStoreError


def chosen_device(name: str | None = None) -> torch.device:
    """Return a device by its name; a GPU if there is one and no name is given.

    Raises
    ------
    EcgStoreError
        If there is no such device here.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    # Builds of PyTorch without CUDA say so by an AssertionError.
    except (RuntimeError, AssertionError) as error:
        raise EcgStoreError(
            f"device {name!r} cannot be used ({str(error).splitlines()[0]}); expected "
            "one of this machine, such as cpu or cuda:0"
        ) from error
    return device
