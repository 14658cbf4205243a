"""Choose the device to compute on."""

import torch

from ecgstore.pipes.devices import available_device


def chosen_device(name: str | None = None) -> torch.device:
    """Return a device by its name; without one, a GPU if there is one, else the CPU.

    Raises
    ------
    ConfigError
        If this machine has no such device.
    """
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return available_device(name)
