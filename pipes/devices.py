"""Check that a device is available."""

import torch

from ecgstore.errors import ConfigError


def available_device(device: torch.device | str) -> torch.device:
    """Return a device, or raise an error if this machine does not have it.

    Parameters
    ----------
    device : torch.device or str
        The device, or its name, such as ``"cpu"`` or ``"cuda:1"``.

    Raises
    ------
    ConfigError
        If there is no such device.
    """
    try:
        chosen = torch.device(device)
        if chosen.type != "cuda":
            torch.empty(0, device=chosen)
    # Builds of PyTorch without a type of device raise an AssertionError.
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"device is {str(device)!r}, which this PyTorch does not have; expected "
            "one such as cpu, cuda (a GPU) or cuda:1"
        ) from error
    if chosen.type != "cuda":
        return chosen
    # Counted rather than tried: a process that uses CUDA cannot fork workers that do.
    n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not n_devices:
        raise ConfigError(
            f"device is {str(device)!r}, but PyTorch finds no CUDA device; expected "
            'an available device: use device="cpu", or a PyTorch with CUDA on a '
            "machine with a GPU"
        )
    if chosen.index not in (None, *range(n_devices)):
        raise ConfigError(
            f"device is {str(device)!r}; expected 'cuda:0' to 'cuda:{n_devices - 1}': "
            f"PyTorch finds {n_devices} CUDA devices"
        )
    return chosen
