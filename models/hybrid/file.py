"""Read and write hybrids as files of safetensors, which hold arrays and texts only."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from ecgstore.config import Config
from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.models.array_files import (
    Arrays,
    read_arrays,
    unusable_content,
    with_prefix,
    write_arrays,
)
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.hybrid.model import Hybrid
from ecgstore.models.record_lists import seen_tensors
from ecgstore.models.tabular.classifiers import NetworkOnTable, TreesOnTable
from ecgstore.models.tabular.forest import TYPES, Forest
from ecgstore.models.tabular.logit_fusion import LogitFusion
from ecgstore.models.tabular.mean_network import MeanNetwork
from ecgstore.models.tabular.table import AGE_SEX, FeatureSet
from ecgstore.models.weights import check_weights
from ecgstore.system.file_format import FileFormat

FORMAT: Final = FileFormat("ecgstore hybrid", 2, "`ecgstore train --inputs both`")

_TREES: Final = "trees/"
_NETWORK: Final = "network/"
_EXTRACTOR: Final = "extractor/"
_FUSION: Final = "fusion/"
_ORIGIN: Final = "origin/"
"""Beginnings of the names of arrays in a file."""

_THRESHOLDS: Final = "thresholds"
_OF_FUSION: Final = ("weights", "centres", "scale", "offset")


def save_hybrid(hybrid: Hybrid, path: str | Path) -> None:
    """Write a hybrid to a file, which appears whole or not at all.

    Raises
    ------
    EcgStoreError
        If it cannot be written.
    """
    write_arrays(Path(path), FORMAT, *_content(hybrid))


def load_hybrid(path: str | Path, *, model: str | None = None) -> Hybrid:
    """Read a file that `save_hybrid` wrote; it may come from anyone.

    Parameters
    ----------
    path : str or Path
        The file.
    model : str, optional
        The extractor, if it is a network of one's own; see `Checkpoint.load`.

    Raises
    ------
    EcgStoreError
        If there is no such file, or a network of one's own is needed or given for no
        reason.
    SchemaError
        If it is not such a file, damaged, or has unusable content.
    """
    path = Path(path)
    arrays, content = read_arrays(path, FORMAT)
    with unusable_content(path, FORMAT):
        return _hybrid(path, arrays, content, model)


def weights_sha256(hybrid: Hybrid) -> str:
    """Return the SHA-256 of everything that was fitted, in the order of the names."""
    arrays, _ = _content(hybrid)
    digest = hashlib.sha256()
    for name in sorted(arrays):
        if not name.startswith(_ORIGIN):
            array = arrays[name]
            digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _content(hybrid: Hybrid) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the arrays of a hybrid by name, and the rest as values of JSON."""
    seen = {
        name: np.asarray(value)
        for name, value in hybrid.origin.items()
        if isinstance(value, torch.Tensor | np.ndarray)
    }
    network = hybrid.network.network
    groups: dict[str, Arrays] = {
        _TREES: hybrid.trees.forest.arrays,
        _NETWORK: {n: w.cpu().numpy() for n, w in network.state_dict().items()},
        _FUSION: {name: getattr(hybrid.fusion, name) for name in _OF_FUSION},
        _ORIGIN: seen,
    }
    described: dict[str, Any] = {
        "label_names": list(hybrid.label_names),
        "config": hybrid.config.to_json(),
        "columns": list(hybrid.columns),
        "tree_columns": list(hybrid.trees.forest.columns),
        "versions": dict(hybrid.versions),
        "fingerprint": hybrid.fingerprint,
        "strength": str(hybrid.fusion.strength),
        "origin": {
            name: value for name, value in hybrid.origin.items() if name not in seen
        },
    }
    if hybrid.extractor is not None:
        groups[_EXTRACTOR], described["extractor"] = hybrid.extractor.content()
    arrays: dict[str, Any] = {
        prefix + name: array
        for prefix, group in groups.items()
        for name, array in group.items()
    }
    return {**arrays, _THRESHOLDS: hybrid.thresholds}, described


def _hybrid(
    path: Path, arrays: Arrays, content: Mapping[str, Any], model: str | None
) -> Hybrid:
    """Return the hybrid of what a file holds."""
    label_names = _texts(content, "label_names")
    columns = _texts(content, "columns")
    forest = Forest(
        columns=_texts(content, "tree_columns"),
        label_names=label_names,
        **_group(arrays, _TREES, TYPES),
    )
    fusion = LogitFusion(
        **_group(arrays, _FUSION, dict.fromkeys(_OF_FUSION, np.float64)),
        strength=float(content["strength"]),
    )
    extractor: Checkpoint | None = None
    if "extractor" in content:
        extractor = Checkpoint.from_content(
            path, with_prefix(arrays, _EXTRACTOR), content["extractor"], model
        )
    elif model is not None:
        raise EcgStoreError(
            f"{path}: has no network on signals; leave out --model (in Python: model)"
        )
    versions, fingerprint = content["versions"], content["fingerprint"]
    if type(fingerprint) is not str:
        raise SchemaError("the fingerprint is not a text")
    if not all(type(version) is int for version in versions.values()):
        raise SchemaError("versions are not whole numbers")
    return Hybrid(
        trees=TreesOnTable(forest, columns),
        network=_network(arrays, columns, len(label_names)),
        extractor=extractor,
        fusion=fusion,
        thresholds=_group(arrays, "", {_THRESHOLDS: np.float64})[_THRESHOLDS],
        label_names=label_names,
        config=Config.from_json(content["config"]),
        columns=columns,
        versions={str(name): version for name, version in versions.items()},
        fingerprint=fingerprint,
        origin={**content["origin"], **seen_tensors(with_prefix(arrays, _ORIGIN))},
    )


def _network(
    arrays: Arrays, columns: tuple[str, ...], n_classes: int
) -> NetworkOnTable:
    """Return the small networks."""
    sets: tuple[FeatureSet, ...] = ("handcrafted", "age_sex")
    has_age = columns[-len(AGE_SEX) :] == AGE_SEX
    chosen = sets if has_age else sets[:1]
    weights = {
        name: torch.from_numpy(array.copy())
        for name, array in with_prefix(arrays, _NETWORK).items()
    }
    with torch.device("meta"):
        expected = MeanNetwork.untrained(chosen, len(columns), n_classes).state_dict()
    check_weights(weights, expected)
    with torch.random.fork_rng([]):
        network = MeanNetwork.untrained(chosen, len(columns), n_classes)
    network.load_state_dict(weights)
    if not network.has_one_standardisation():
        raise SchemaError("the small networks standardise their table differently")
    return NetworkOnTable(network.eval(), columns)


def _group(arrays: Arrays, prefix: str, types: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arrays of a group, if they have the expected names and types."""
    group = {name: arrays[prefix + name] for name in types}
    for name, array in group.items():
        if array.dtype != types[name]:
            raise SchemaError(
                f"{prefix}{name} is {array.dtype}; expected {np.dtype(types[name])}"
            )
    return group


def _texts(content: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return a list of texts."""
    texts = content[name]
    if type(texts) is not list or not all(type(text) is str for text in texts):
        raise SchemaError(f"{name} are not texts")
    return tuple(texts)
