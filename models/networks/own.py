"""Networks of one's own: registered under a name, or named as ``FILE.py:NAME``.

A model file holds the short name of such a network and the SHA-256 of its source, never
its code. The code that runs is the one that the user names, or has registered, and only
if its SHA-256 is that of the training: a file from somewhere else cannot choose it.
"""

import hashlib
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ecgstore.errors import ConfigError, EcgStoreError, short_repr
from ecgstore.models.networks.names import MODELS
from ecgstore.similar_names import did_you_mean

if TYPE_CHECKING:
    from torch import nn

Trunk = TypeVar("Trunk", bound="Callable[..., nn.Module]")

_SUFFIX: Final = ".py"

_LONGEST_REASON: Final = 300
"""Characters of the reason in a message about a file that does not run."""


@dataclass(frozen=True, slots=True)
class OwnNetwork:
    """The code of a network.

    Attributes
    ----------
    trunk : callable
        Makes the layers for a number of leads; see `register`.
    path : str
        File of the source; empty if there is none, as in a notebook.
    sha256 : str
        SHA-256 of the file that was named, or of the source of the class or function
        that was registered; empty if Python does not know it.
    """

    trunk: "Callable[..., nn.Module]"
    path: str
    sha256: str

    def layers(
        self, n_leads: int, leads: "Sequence[str] | None", fs: float | None
    ) -> object:
        """Return what it makes, which should be a module."""
        given: dict[str, object] = {"leads": leads, "fs": fs}
        wanted = inspect.signature(self.trunk).parameters
        return self.trunk(n_leads, **{n: v for n, v in given.items() if n in wanted})


_registered: dict[str, OwnNetwork] = {}
_modules: dict[tuple[str, str], ModuleType] = {}
"""Files that have run, by absolute path and SHA-256."""


def short_name(model: str) -> str:
    """Return the name of a network in files and in names of files.

    Examples
    --------
    >>> short_name("networks/my_file.py:Mine"), short_name("resnet18")
    ('Mine', 'resnet18')
    """
    return model.rpartition(":")[2]


def model_name(model: str) -> str:
    """Return the name of a network that exists or is in a file.

    Raises
    ------
    ConfigError
        If there is no built-in or registered network of that name, and it does not
        name a file; the file is not read yet.
    """
    if _is_in_file(model) and short_name(model) in MODELS:
        raise ConfigError(
            f"model is {short_repr(model)}; expected another name than that of a "
            "built-in network: rename the class or function"
        )
    if model in MODELS or model in _registered or _is_in_file(model):
        return model
    known = [*MODELS, *_registered]
    raise ConfigError(
        f"model is {short_repr(model)}; {did_you_mean(model, known)}expected one of "
        f"{', '.join(known)}, or FILE.py:NAME for a network of your own"
    )


def register(name: str, trunk: Trunk | None = None) -> Any:
    """Make a network of one's own known under a name, in this process.

    Its class or function is called with the number of leads (and, if it has parameters
    called ``leads`` or ``fs``, with the names of the leads, and the sampling rate of
    the signals in Hz), and returns a module:

    * an attribute ``n_features`` is the number of features of a record;
    * ``forward(signals)`` gets float32 signals of shape (n_records, n_leads,
      n_samples), normalised and with zeros in the padding, and returns features of
      shape (n_records, n_features), or activations of shape (n_records, n_features,
      n_frames), which are averaged over the frames of real samples;
    * an attribute ``takes_mv`` that is true asks for signals in mV, not normalised;
    * a method ``load_pretrained()`` is called before a training, and not when trained
      weights are loaded;
    * ``forward(values, mask)``, with a parameter of the name ``mask``, gets and returns
      a mask of the real samples too; see `ecgstore.models.networks.masked`.

    A linear layer from the features to the logits is added, as for built-in networks.

    Parameters
    ----------
    name : str
        The name for `ModelSettings`; an identifier. An own network of that name is
        replaced.
    trunk : callable, optional
        The class or function; if left out, a decorator is returned.

    Returns
    -------
    callable
        `trunk`, or the decorator.

    Raises
    ------
    ConfigError
        If the name is that of a built-in network, or no identifier.

    Examples
    --------
    >>> @register("mine")  # doctest: +SKIP
    ... class Mine(nn.Module): ...
    """
    if name in MODELS or not name.isidentifier():
        raise ConfigError(
            f"a network cannot be registered as {short_repr(name)}; expected letters, "
            f"digits and _, and none of {', '.join(MODELS)}"
        )

    def add(trunk: Trunk) -> Trunk:
        try:
            path = inspect.getsourcefile(trunk) or ""
            sha256 = hashlib.sha256(inspect.getsource(trunk).encode()).hexdigest()
        except (OSError, TypeError):  # typed into an interpreter, or not written here
            path = sha256 = ""
        _registered[name] = OwnNetwork(trunk, path, sha256)
        return trunk

    return add if trunk is None else add(trunk)


def own_network(model: str, sha256: str | None = None) -> OwnNetwork:
    """Return a registered network, or run a file and return a network from it.

    Parameters
    ----------
    model : str
        Name of a registered network, or ``FILE.py:NAME``.
    sha256 : str, optional
        The SHA-256 that the source must have; a file with another one is not run.

    Raises
    ------
    ConfigError
        If there is no such network.
    EcgStoreError
        If the file cannot be read or run, or its source is another one.
    """
    model_name(model)
    if not _is_in_file(model):
        network = _registered[model]
        _check_source(f"the registered network {model!r}", network.sha256, sha256)
        return network
    file, _, attribute = model.rpartition(":")
    path = Path(file)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EcgStoreError(
            f"{path}: cannot be read ({error.strerror}); expected the Python file of a "
            f"network {attribute!r}"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    _check_source(str(path), found, sha256)
    trunk = getattr(_module(path, content, found), attribute, None)
    if not callable(trunk):
        raise ConfigError(
            f"{path}: has no class or function {attribute!r}; expected one that makes "
            "a network for a number of leads"
        )
    return OwnNetwork(trunk, str(path.absolute()), found)


def source_of(model: str) -> dict[str, str] | None:
    """Return path and SHA-256 of an own network's source; None for a built-in one."""
    if model in MODELS:
        return None
    network = own_network(model)
    return {"path": network.path, "sha256": network.sha256}


def name_to_run(
    where: Path, stored: str, source: Mapping[str, str] | None, given: str | None
) -> str:
    """Return the name of the network whose weights are in a file.

    Parameters
    ----------
    where : Path
        The file, for messages.
    stored : str
        The short name in the file.
    source : Mapping, optional
        Path and SHA-256 of the source in the file; the path is only shown.
    given : str, optional
        The network that the user has named.

    Raises
    ------
    EcgStoreError
        If it is a network of one's own that the user has neither named nor registered,
        or its source has changed.
    """
    if stored in MODELS:
        return stored
    if given is not None and _is_in_file(given) and short_name(given) == stored:
        name = given
    elif stored in _registered:
        name = stored
    else:
        known_as = Path((source or {}).get("path") or "FILE.py").name
        example = short_repr(f"{known_as}:{stored}")[1:-1]
        raise EcgStoreError(
            f"{where}: its network {short_repr(stored)} is code that ecgstore does not "
            "have, and a file never chooses the code that runs; name it: --model "
            f"{example} (in Python: model={example!r}, or models.register)"
        )
    own_network(name, (source or {}).get("sha256"))
    return name


def _is_in_file(model: str) -> bool:
    """Return whether a name is ``FILE.py:NAME``."""
    file, _, attribute = model.rpartition(":")
    return file.endswith(_SUFFIX) and attribute.isidentifier()


def _check_source(where: str, found: str, expected: str | None) -> None:
    """Raise an error if the source is not that of the training, where it is known."""
    if expected and found != expected:
        raise EcgStoreError(
            f"{where}: its source has changed since the training (SHA-256 "
            f"{found[:12] or 'unknown'}, expected {expected[:12]}); use the source of "
            "the training: `ecgstore train` has written a copy beside model.safetensors"
        )


def _module(path: Path, content: bytes, sha256: str) -> ModuleType:
    """Run the content of a file, once, and return its names."""
    key = str(path.absolute()), sha256
    if key not in _modules:
        module = ModuleType(f"ecgstore_own_network_{sha256[:16]}")
        module.__file__ = key[0]
        sys.modules[module.__name__] = module  # dataclasses look their module up
        try:
            exec(compile(content, key[0], "exec"), module.__dict__)
        except Exception as error:
            del sys.modules[module.__name__]
            raise EcgStoreError(
                f"{path}: cannot be run ({_reason(error, key[0])}); expected a Python "
                "file that defines a network"
            ) from error
        _modules[key] = module
    return _modules[key]


def _reason(error: Exception, file: str) -> str:
    """Return type, text and line of an error in a file."""
    if isinstance(error, SyntaxError) and error.filename == file:
        line = error.lineno
    else:
        frames = traceback.extract_tb(error.__traceback__)
        line = next((f.lineno for f in reversed(frames) if f.filename == file), None)
    text = " ".join(str(error).split())[:_LONGEST_REASON]
    return f"line {line}: {type(error).__name__}: {text}"
