"""Choose what to compute on."""

import torch

from ecgstore.errors import ConfigError


def chosen_device(name: str | None = None) -> torch.device:
    """Return the device of a name, or a GPU if there is one.

    Parameters
    ----------
    name : str, optional
        As PyTorch names devices, such as ``"cpu"`` or ``"cuda:1"``.

    Raises
    ------
    ConfigError
        If this machine has no such device.

    Examples
    --------
    >>> chosen_device("cpu")
    device(type='cpu')
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    # What PyTorch raises depends on the device and on how it was built.
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"no device {name!r} ({reason}); expected one such as cpu, cuda or cuda:1"
        ) from error
    return device
