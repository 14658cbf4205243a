"""A trained hybrid: its parts, how their logits are added, and what it has seen."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor

from ecgstore.arrays import Float32Array, FloatArray
from ecgstore.beats import BEATS_VERSION
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError, SchemaError, short_list
from ecgstore.features import FEATURES_VERSION
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.networks.network import NetworkOutput
from ecgstore.models.record_lists import origin_with_tensors
from ecgstore.models.running import NetworkRunner
from ecgstore.models.store_check import check_store
from ecgstore.models.tabular.classifiers import NetworkOnTable, TreesOnTable
from ecgstore.models.tabular.logit_fusion import LogitFusion
from ecgstore.models.tabular.table import AGE_SEX, FeatureSet, fields_of, table_of
from ecgstore.pipes.batch import Batch

if TYPE_CHECKING:
    from ecgstore.storage import Store

NAME: Final = "hybrid"

VERSIONS: Final = {"beats": BEATS_VERSION, "features": FEATURES_VERSION}
"""Versions of the handcrafted features that this ecgstore computes."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Hybrid:
    """A sum of the logits of boosted trees, small networks, and an extractor.

    Attributes
    ----------
    trees, network
        Classifiers on handcrafted features.
    extractor : Checkpoint or None
        The network on signals; None if inputs are handcrafted features only.
    fusion : LogitFusion
        Weights of the logits of trees, network and extractor, and the calibration.
    thresholds : ndarray of shape (n_classes,)
        Probabilities from which on a class is predicted.
    label_names : tuple of str
        Names of the classes.
    config : Config
        Options of the store that it was trained on.
    columns : tuple of str
        Names of the columns of its table: handcrafted features, age and sex.
    versions : dict
        Versions of beats and features that it was trained on.
    fingerprint : str
        `Store.fingerprint` of that store.
    origin : dict
        Settings and scores of the training, versions of the software, and the records
        trained on: see `ecgstore.models.Checkpoint`.
    """

    trees: TreesOnTable
    network: NetworkOnTable
    extractor: Checkpoint | None
    fusion: LogitFusion
    thresholds: FloatArray
    label_names: tuple[str, ...]
    config: Config
    columns: tuple[str, ...]
    versions: Mapping[str, int]
    fingerprint: str
    origin: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "origin", origin_with_tensors(self.origin))
        n_parts, n_classes = 2 + (self.extractor is not None), len(self.label_names)
        shapes = {
            "thresholds": (self.thresholds, (n_classes,)),
            "fusion.weights": (self.fusion.weights, (n_parts, n_classes)),
            "fusion.centres": (self.fusion.centres, (n_parts, n_classes)),
            "fusion.scale": (self.fusion.scale, (n_classes,)),
            "fusion.offset": (self.fusion.offset, (n_classes,)),
        }
        for name, (array, shape) in shapes.items():
            if array.shape != shape or not np.isfinite(array).all():
                raise SchemaError(
                    f"{name} has shape {array.shape} or values that are not finite; "
                    f"expected {shape}"
                )
        if not ((self.thresholds >= 0) & (self.thresholds <= 1)).all():
            raise SchemaError("thresholds are no probabilities")
        if not (self.fusion.scale > 0).all():
            raise SchemaError("fusion.scale is not positive")
        if self.trees.forest.label_names != self.label_names:
            raise SchemaError("the classes of the trees are not those of the model")
        self.trees.forest.places(self.columns)  # refuses columns of other names
        if self.versions.keys() != VERSIONS.keys():
            raise SchemaError(
                f"versions of {short_list(self.versions)}; expected those of "
                f"{short_list(VERSIONS)}"
            )
        if self.extractor is not None and (
            self.extractor.label_names != self.label_names
            or self.extractor.config != self.config
            or not {*self.extractor.leads} <= {*self.config.leads}
        ):
            raise SchemaError("the extractor is of other classes, leads or options")

    def __repr__(self) -> str:
        parts = ["trees", "network", *([self.deep_name] if self.extractor else [])]
        return (
            f"<Hybrid of {' + '.join(parts)}, {len(self.label_names)} classes "
            f"({', '.join(self.label_names)}), {len(self.columns)} columns>"
        )

    def _repr_html_(self) -> str:
        return f"<code>{html.escape(repr(self))}</code>"

    @property
    def name(self) -> str:
        """Name of this kind of model."""
        return NAME

    @property
    def deep_name(self) -> str:
        """Name of the extractor; empty without one."""
        return "" if self.extractor is None else self.extractor.name

    @property
    def leads(self) -> tuple[str, ...]:
        """Leads of the records that it takes: all of the store's."""
        return self.config.leads

    @property
    def needs_features(self) -> bool:
        """Whether handcrafted features are among its inputs: always."""
        return True

    @property
    def runs_own_code(self) -> bool:
        """Whether the extractor is a network of one's own."""
        return self.extractor is not None and self.extractor.runs_own_code

    @property
    def target_names(self) -> tuple[str, ...]:
        """Names of predicted targets: none, whatever its extractor predicts."""
        return ()

    def settings_dict(self) -> dict[str, Any]:
        """Return the settings, for JSON."""
        deep = None if self.extractor is None else self.extractor.model.to_dict()
        return {"model": NAME, "extractor": deep}

    def check(self, store: "Store") -> None:
        """Raise an error if the model cannot be used on a store.

        Raises
        ------
        EcgStoreError
            If the store was built with other preprocessing options or classes, lacks
            leads, or has other features: of other options or of another version.
        """
        check_store(self, store, with_features=True)
        self._check_versions(store.place, versions_of(store.software))
        self._check_features(store.place, store.feature_names)

    def check_this_ecgstore(self) -> None:
        """Raise an error if this ecgstore computes other features than the model's."""
        self._check_versions("this ecgstore", VERSIONS)

    def _check_versions(self, where: str, versions: Mapping[str, int]) -> None:
        """Raise an error if features are of another version."""
        for name, version in self.versions.items():
            if versions.get(name) != version:
                raise EcgStoreError(
                    f"{where}: {name} of version {versions.get(name, 'unknown')}; the "
                    f"model was trained on version {version}: build the store again "
                    "and train on it, or use the release of ecgstore that trained it"
                )

    def _check_features(self, where: str, names: Sequence[str]) -> None:
        """Raise an error if features are missing."""
        known = {*names, *AGE_SEX}
        missing = [name for name in self.columns if name not in known]
        if missing:
            raise EcgStoreError(
                f"{where}: has no feature {missing[0]} ({len(missing)} of "
                f"{len(self.columns)} are missing), which the model was trained on: "
                "build with the same --duration, --fs and --leads as the store of the "
                "training"
            )

    def runner(
        self, feature_names: Sequence[str], device: torch.device | str
    ) -> "HybridRunner":
        """Return the function from batches to outputs; see `Model.runner`."""
        self._check_features("these records", feature_names)
        return HybridRunner(self, feature_names, device)

    def weights_sha256(self) -> str:
        """Return the SHA-256 of everything that was fitted."""
        from ecgstore.models.hybrid.file import weights_sha256

        return weights_sha256(self)


def versions_of(software: str) -> dict[str, int]:
    """Return the versions that a store was built with.

    Examples
    --------
    >>> versions_of("ecgstore 0.1.0, beats 3, features 4, numpy 2.4.6")
    {'beats': 3, 'features': 4}
    """
    words = [part.split(" ") for part in software.split(", ")]
    return {
        word[0]: int(word[1])
        for word in words
        if len(word) == 2 and word[0] in VERSIONS and word[1].isdecimal()
    }


class HybridRunner:
    """Logits of a hybrid for batches of records.

    Parameters
    ----------
    hybrid : Hybrid
        The model.
    feature_names : sequence of str
        Names of the handcrafted features in the batches.
    device : torch.device or str
        Device of the extractor; the rest is computed on the CPU.

    Attributes
    ----------
    fields, leads, n_features
        See `ecgstore.models.running.Runner`. The features are those of the extractor;
        without one, those of the small networks.
    """

    def __init__(
        self, hybrid: Hybrid, feature_names: Sequence[str], device: torch.device | str
    ) -> None:
        self._hybrid = hybrid
        sets: tuple[FeatureSet, ...] = ("handcrafted", "age_sex")
        self._sets = sets if set(AGE_SEX) & {*hybrid.columns} else sets[:1]
        places = {name: n for n, name in enumerate((*feature_names, *AGE_SEX))}
        self._places = [places[name] for name in hybrid.columns]
        self._deep: NetworkRunner | None = None
        self.fields: tuple[str, ...] = fields_of(self._sets)
        self.leads: tuple[str, ...] | None = None
        self.n_features = hybrid.network.network.n_features
        if hybrid.extractor is not None:
            self._deep = hybrid.extractor.runner((), device)
            self.fields = (*self.fields, "signals")
            self.leads = self._deep.leads
            self.n_features = self._deep.n_features

    def __call__(self, batch: Batch) -> NetworkOutput:
        """Return logits, float32, and features of the records of a batch."""
        table = self.table(batch)
        hybrid = self._hybrid
        small = hybrid.network.outputs(table)
        logits = [hybrid.trees.logits(table), small.logits.double().numpy()]
        features: Tensor = small.features
        if self._deep is not None:
            deep = self._deep(batch)
            logits.append(deep.logits.double().cpu().numpy())
            features = deep.features
        fused = hybrid.fusion.logits(logits).astype(np.float32)
        return NetworkOutput(torch.from_numpy(fused), features)

    def targets(self, features: Tensor) -> Tensor | None:
        """Return None: a hybrid predicts no targets."""
        del features
        return None

    def table(self, batch: Batch) -> Float32Array:
        """Return the columns of the model for the records of a batch."""
        values: Float32Array = table_of(batch, self._sets).cpu().numpy()
        return np.ascontiguousarray(values[:, self._places])
