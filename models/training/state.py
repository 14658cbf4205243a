"""Everything that a stopped training needs to go on, in one file.

A state has four things in it:

told
    What the training was told: settings, digests of its records. Plain values by their
    names; a training goes on only if it is told the same, but for what cannot change a
    weight.
parts
    The ``state_dict`` of all that changes in place at every step: network, optimiser,
    schedule, loader, and the moving average of the weights if there is one.
rest
    What else has changed since the beginning, tensors and plain values that are given
    back: the history, the sums of the epoch so far, the best epoch's weights.
random
    States of PyTorch's random generators.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch

from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.models.torch_files import read_torch_file, write_torch_file

FORMAT: Final = "ecgstore training state"
VERSION: Final = 1

_HARMLESS: Final = frozenset({"setting save_every"})
"""What a training may be told differently when it goes on: no weight depends on it."""


def save_state(
    path: Path,
    parts: Mapping[str, Any],
    told: dict[str, Any],
    rest: dict[str, Any],
    device: torch.device,
) -> None:
    """Write a state; the file of before stays until the new one is whole.

    Parameters
    ----------
    path : Path
        Where to.
    parts : Mapping
        Things with a ``state_dict``, by their names.
    told : dict
        What the training was told.
    rest : dict
        What `load_state` gives back.
    device : torch.device
        What is trained on.
    """
    state = {
        "format": FORMAT,
        "version": VERSION,
        "told": told,
        "parts": {name: part.state_dict() for name, part in parts.items()},
        "random": _random_state(device),
        "rest": rest,
    }
    write_torch_file(path, state)


def load_state(
    path: Path, parts: Mapping[str, Any], told: dict[str, Any], device: torch.device
) -> dict[str, Any]:
    """Bring all parts to where a state left them, and return the rest.

    Raises
    ------
    SchemaError
        If the file is no state of a training.
    EcgStoreError
        If it is one of a training that was told something else.
    """
    names = ("told", "parts", "random", "rest")
    state = read_torch_file(path, FORMAT, VERSION, device, names)
    for name in sorted((told.keys() | state["told"].keys()) - _HARMLESS):
        mine, its = told.get(name), state["told"].get(name)
        if mine != its:
            raise EcgStoreError(
                f"{path}: is of another training: its {name} is {_short(its)}, now it "
                f"is {_short(mine)}; train as before, or remove the file to begin anew"
            )
    if state["parts"].keys() != parts.keys():
        raise SchemaError(f"{path}: lacks parts of a training; remove it to begin anew")
    for name, part in parts.items():
        try:
            part.load_state_dict(state["parts"][name])
        except (RuntimeError, ValueError, KeyError) as error:
            if isinstance(error, EcgStoreError):
                raise
            raise SchemaError(
                f"{path}: its {name} does not fit: it is of a training of another "
                "network; train that one, or remove the file to begin anew"
            ) from error
    _restore_random_state(state["random"], device)
    rest: dict[str, Any] = state["rest"]
    return rest


def _short(value: Any) -> str:
    """Return a value for a message."""
    text = str(value)
    return text if len(text) <= 300 else f"{text[:300]}..."


def _random_state(device: torch.device) -> dict[str, Any]:
    """Return the states of PyTorch's random generators, of a GPU where it trains."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def _restore_random_state(state: dict[str, Any], device: torch.device) -> None:
    """Bring PyTorch's random generators to a state."""
    torch.set_rng_state(state["cpu"].cpu())
    if "cuda" in state and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)
