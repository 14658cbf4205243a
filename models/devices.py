"""What is computed on."""

import torch

from ecgstore.errors import EcgStoreError


def chosen_device(name: str | None = None) -> torch.device:
    """Return a device by its name; a GPU if there is one, where no name is given.

    Parameters
    ----------
    name : str, optional
        Such as ``"cpu"`` or ``"cuda:1"``.

    Raises
    ------
    EcgStoreError
        If there is no such device.

    Examples
    --------
    >>> chosen_device("cpu")
    device(type='cpu')
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    # What PyTorch raises depends on what is wrong with the name or with the device.
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise EcgStoreError(
            f"no device {name!r} ({str(error).splitlines()[0]}); expected cpu, or cuda "
            "where there is a GPU that PyTorch can use"
        ) from error
    return device
