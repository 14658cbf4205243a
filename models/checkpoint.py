"""A trained extractor with everything needed to apply it to other records."""

import hashlib
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import torch
from numpy.typing import NDArray
from torch import Tensor

from ecgstore.arrays import FloatArray
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError, SchemaError, short_repr
from ecgstore.models.array_files import (
    Arrays,
    read_arrays,
    unusable_content,
    with_prefix,
    write_arrays,
)
from ecgstore.models.networks.create import create_model
from ecgstore.models.networks.extractor import Extractor
from ecgstore.models.networks.names import MODELS
from ecgstore.models.networks.own import name_to_run, short_name
from ecgstore.models.record_lists import origin_with_tensors, seen_tensors
from ecgstore.models.running import NetworkRunner
from ecgstore.models.settings import ModelSettings
from ecgstore.models.store_check import check_store
from ecgstore.models.weights import check_weights
from ecgstore.pipes.transforms.decimate import Decimate
from ecgstore.system.file_format import FileFormat
from ecgstore.system.known_files import known_file

if TYPE_CHECKING:
    from ecgstore.storage import Store

FORMAT: Final = FileFormat("ecgstore model", 4, "`ecgstore train`")

_WEIGHTS: Final = "weights/"
_ORIGIN: Final = "origin/"
"""Beginnings of the names of arrays in a file."""

MODEL_FILE: Final = "model.safetensors"
"""The checkpoint in the folder of a training."""

_MOST_NAMES: Final = 12
"""Most classes or leads that a summary lists."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Checkpoint:
    """A trained extractor.

    Attributes
    ----------
    model : ModelSettings
        The network and its inputs.
    weights : dict
        Its weights, and the running statistics of its normalisations.
    label_names : tuple of str
        Names of the classes, in the order of the logits.
    target_names : tuple of str
        Names of the targets that it predicts beside them.
    config : Config
        Options of the store it was trained on: preprocessing and class set.
    fingerprint : str
        `Store.fingerprint` of that store.
    origin : dict
        Settings and history of the training, versions of the software, and the records
        trained on and validated on: ``training_rows`` and ``validation_rows``, int64
        tensors of shape (n_records,), and ``training_signals`` and
        ``validation_signals``, the first 8 bytes of the SHA-256 of their source
        signals, uint8 tensors of shape (n_records, 8). Sequences of integers are
        converted to such tensors.
    source : dict or None
        Of a network of one's own: ``path`` and ``sha256`` of its source at the
        training; see `ecgstore.models.networks.own`. None for a built-in network.
    """

    model: ModelSettings
    weights: dict[str, Tensor]
    label_names: tuple[str, ...]
    config: Config
    fingerprint: str
    origin: dict[str, Any] = field(default_factory=dict)
    source: dict[str, str] | None = None
    target_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # By name, whatever the defaults of the settings are.
        named = replace(self.model, leads=self.leads)
        object.__setattr__(self, "model", named)
        object.__setattr__(self, "origin", origin_with_tensors(self.origin))

    def __repr__(self) -> str:
        summary = ", ".join(
            value if name == "model" else f"{name} {value}"
            for name, value in self._summary().items()
        )
        return f"<Checkpoint of {summary}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
            for name, value in self._summary().items()
        )
        return f"<table>{rows}</table>"

    def _summary(self) -> dict[str, str]:
        """Return what matters to a reader, as texts by their names."""
        summary = {
            "model": short_name(self.model.model),
            "classes": _shortened(self.label_names),
            **({"targets": ", ".join(self.target_names)} if self.target_names else {}),
            "fs": f"{self.fs:g} Hz",
            "leads": _shortened(self.leads),
        }
        try:
            epochs, number = (self.origin["history"][n] for n in ("epochs", "best"))
            best = epochs[number - 1]
            return {
                **summary,
                "epoch": f"{number} of {len(epochs)}",
                "validation macro AUROC": f"{best['validation_auroc']:.3f}",
                "validation loss": f"{best['validation_loss']:.3f}",
            }
        except (KeyError, IndexError, TypeError, ValueError):
            return summary  # made by hand

    @property
    def name(self) -> str:
        """Name of the network."""
        return short_name(self.model.model)

    @property
    def needs_features(self) -> bool:
        """Whether handcrafted features are among its inputs: never."""
        return False

    @property
    def runs_own_code(self) -> bool:
        """Whether the network is one's own."""
        return self.source is not None

    def check_this_ecgstore(self) -> None:
        """Do nothing: signals are the same in all releases that read the file."""

    @property
    def thresholds(self) -> FloatArray | None:
        """None: thresholds are chosen when it is evaluated."""
        return None

    def settings_dict(self) -> dict[str, Any]:
        """Return the settings of the network, for JSON."""
        return self.model.to_dict()

    def runner(
        self, feature_names: Sequence[str], device: torch.device | str
    ) -> NetworkRunner:
        """Return the network with its sampling rate and leads, ready for batches.

        Parameters
        ----------
        feature_names : sequence of str
            Not used.
        device : torch.device or str
            Device of the network.
        """
        del feature_names
        network = self.network().to(device)
        return NetworkRunner(network, [self.decimate()], self.leads)

    def network(self) -> Extractor:
        """Return the network, in evaluation mode."""
        network = self._untrained_network()
        network.load_state_dict(self.weights)
        network.leads, network.fs = self.leads, self.fs
        return network.eval()

    @property
    def fs(self) -> float:
        """Sampling rate in Hz of the signals that the network takes."""
        return self.model.fs or self.config.fs

    @property
    def leads(self) -> tuple[str, ...]:
        """Names of the leads that the network takes, in their order."""
        return self.model.leads or self.config.leads

    def check_weights(self) -> None:
        """Refuse weights that the network cannot have.

        Raises
        ------
        SchemaError
            Naming the first weight that is missing, unknown, of another type or shape,
            or not finite.
        """
        with torch.device("meta"):  # types and shapes only: no memory, no random draws
            expected = self._untrained_network().state_dict()
        check_weights(self.weights, expected)

    def _untrained_network(self) -> Extractor:
        """Return a new network of the checkpoint's model."""
        return create_model(
            self.model.model,
            len(self.leads),
            len(self.label_names),
            self.model.normalise_by,
            leads=self.leads,
            fs=self.fs,
            pretrained=False,
            n_targets=len(self.target_names),
            sha256=None if self.source is None else self.source["sha256"],
        )

    def decimate(self) -> Decimate:
        """Return the batch transform from the store's sampling rate to the model's."""
        return Decimate.to(self.fs, self.config.fs)

    def weights_sha256(self) -> str:
        """Return the SHA-256 of the weights, which identifies the training.

        Weights are hashed in the order of their names: a line with name, type and
        shape, then the elements in C order.
        """
        digest = hashlib.sha256()
        for name in sorted(self.weights):
            weight = self.weights[name].detach().cpu().contiguous()
            digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}\n".encode())
            digest.update(weight.reshape(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def check(self, store: "Store") -> None:
        """Raise an error if the preprocessing or the classes of a store differ.

        Raises
        ------
        EcgStoreError
            If the store was built with other preprocessing options or classes, or lacks
            leads that the network takes.
        """
        check_store(self, store)

    def save(self, path: str | Path) -> None:
        """Write the checkpoint to a file, which appears whole or not at all.

        Raises
        ------
        EcgStoreError
            If it cannot be written.
        """
        write_arrays(Path(path), FORMAT, *self.content())

    def content(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Return the arrays by name, and the rest as values of JSON."""
        listed = {
            name: value
            for name, value in self.origin.items()
            if isinstance(value, Tensor)
        }
        arrays = {
            prefix + name: tensor.detach().cpu().numpy()
            for prefix, tensors in ((_WEIGHTS, self.weights), (_ORIGIN, listed))
            for name, tensor in tensors.items()
        }
        described = {
            "model": self.model.to_dict(),
            "label_names": list(self.label_names),
            "config": self.config.to_json(),
            "fingerprint": self.fingerprint,
            "origin": {
                name: value for name, value in self.origin.items() if name not in listed
            },
            **({} if self.source is None else {"source": self.source}),
            **({"target_names": [*self.target_names]} if self.target_names else {}),
        }
        return arrays, described

    @classmethod
    def load(cls, path: str | Path, *, model: str | None = None) -> Self:
        """Read a checkpoint that `save` wrote.

        Parameters
        ----------
        path : str or Path
            The file, or the folder of a training, which has a ``model.safetensors``.
        model : str, optional
            A network of one's own, as ``FILE.py:NAME``; needed unless it is registered.
            The file is run only if it is the one that was trained.

        Raises
        ------
        EcgStoreError
            If there is no such file, or it has a network of one's own that is not
            given, or not the one that was trained.
        SchemaError
            If it is not a checkpoint.
        """
        path = Path(path)
        if path.is_dir():
            if not (path / MODEL_FILE).exists() and (known := known_file(path)):
                raise EcgStoreError(
                    f"{path}: is {known}; expected an {FORMAT.name}, or the folder of "
                    f"a training, which has a {MODEL_FILE}"
                )
            path = path / MODEL_FILE
        arrays, content = read_arrays(path, FORMAT)
        with unusable_content(path, FORMAT):
            return cls.from_content(path, arrays, content, model)

    @classmethod
    def from_content(
        cls,
        path: Path,
        arrays: Arrays,
        content: Mapping[str, Any],
        model: str | None = None,
    ) -> Self:
        """Return the checkpoint of what `content` returned, from a file.

        Parameters
        ----------
        path : Path
            The file, for messages.
        arrays, content : Mapping
            What the file has.
        model : str, optional
            As in `load`.

        Raises
        ------
        Exception
            Of many types, if the file was not written by `save`.
        """
        name, source = _own_network(path, content, model)
        tensors = {
            name: torch.from_numpy(array.copy()) for name, array in arrays.items()
        }
        values = {
            **_typed(content, "model", dict),
            **({} if name is None else {"model": name}),
        }
        if name is None and values["model"] not in MODELS:
            # Never a name from the file: that of another file would be run.
            raise SchemaError("its network is not a built-in one")
        checkpoint = cls(
            model=ModelSettings(**{**values, "leads": tuple(values["leads"])}),
            weights=with_prefix(tensors, _WEIGHTS),
            label_names=_names(content, "label_names"),
            target_names=_names({"target_names": [], **content}, "target_names"),
            config=Config.from_json(_typed(content, "config", str)),
            fingerprint=_typed(content, "fingerprint", str),
            origin={**_typed(content, "origin", dict), **_seen(arrays)},
            source=source,
        )
        checkpoint.check_weights()
        return checkpoint


def _shortened(names: tuple[str, ...]) -> str:
    """Return the number of names, and the names if they are few."""
    listed = f" ({', '.join(names)})" if len(names) <= _MOST_NAMES else ""
    return f"{len(names)}{listed}"


def _own_network(
    path: Path, content: Mapping[str, Any], given: str | None
) -> tuple[str | None, dict[str, str] | None]:
    """Return name and source of a network of one's own; Nones for a built-in one.

    Raises
    ------
    EcgStoreError
        If its code is not given, or not that of the training; or if code is given for
        a built-in network.
    """
    model, source = content["model"], content.get("source")
    stored = model.get("model") if isinstance(model, dict) else None
    if (
        isinstance(stored, str)
        and stored.isidentifier()
        and stored not in MODELS
        and isinstance(source, dict)
        and all(isinstance(source.get(name), str) for name in ("path", "sha256"))
    ):
        return name_to_run(path, stored, source, given), source
    if given is not None:
        raise EcgStoreError(
            f"{path}: its network is {short_repr(stored)}, not one of your own; leave "
            "out --model (in Python: model)"
        )
    return None, None


def _seen(arrays: Arrays) -> dict[str, Tensor]:
    """Return the lists of training and validation records among a file's arrays."""
    return seen_tensors(with_prefix(arrays, _ORIGIN))


def _typed(content: Mapping[str, Any], name: str, type_: type) -> Any:
    """Return an entry of a file, if it is of a type."""
    value = content.get(name)
    if type(value) is not type_:
        raise SchemaError(f"{name} is not of type {type_.__name__}")
    return value


def _names(content: Mapping[str, Any], entry: str) -> tuple[str, ...]:
    """Return the names of the classes or targets in a file."""
    names = _typed(content, entry, list)
    if not all(isinstance(name, str) for name in names):
        raise SchemaError(f"{entry} are not texts")
    return tuple(names)
