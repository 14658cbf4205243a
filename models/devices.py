"""Which device to compute on."""

import torch

from ecgstore.errors import ConfigError


def chosen_device(name: str | None = None) -> torch.device:
    """Return a device by its name; a GPU if there is one and no name is given.

    Raises
    ------
    ConfigError
        If there is no such device here.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    # Builds of PyTorch without CUDA say so by an AssertionError.
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"no device {name!r} ({reason}); expected one such as cpu, cuda or cuda:1"
        ) from error
    return device
