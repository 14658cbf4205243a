"""Explain the decision of networks and trees for one record and one class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from ecgstore.arrays import FloatArray
from ecgstore.diagnoses.unknown_class import unknown_class_hint
from ecgstore.errors import EcgStoreError, SchemaError, short_list, short_repr
from ecgstore.models.explanation.integration import Attribution
from ecgstore.models.explanation.saliency import integrated_gradients
from ecgstore.models.explanation.table_gradients import table_gradients
from ecgstore.models.explanation.tree_shap import contributions, expected_log_odds
from ecgstore.models.networks.extractor import Extractor
from ecgstore.models.tabular.classifiers import NetworkOnTable
from ecgstore.models.tabular.forest import Forest
from ecgstore.models.tabular.logit_fusion import LARGEST_LOGIT
from ecgstore.pipes.batch import Batch


class FeatureContribution(NamedTuple):
    """What a handcrafted feature adds to the logit of a class.

    Attributes
    ----------
    name : str
        Name of the feature.
    value : float
        Its value in the record, NaN if undefined.
    contribution : float
        In log-odds.
    """

    name: str
    value: float
    contribution: float


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Explanation:
    """Why a class is probable in a record, or not.

    The base, the values of the saliency and the contributions of the features sum to
    the logit, up to the error of an integration.

    Attributes
    ----------
    record_id : str
        The record's name.
    label_name : str
        Name of the class.
    logit : float
        Log-odds of the class.
    base : float
        What is the same for all records: the log-odds without signal and features.
    leads : tuple of str
        Names of the leads that the networks take.
    fs : float
        Sampling rate in Hz.
    signal : ndarray of shape (n_leads, n_samples)
        What the networks got, in mV; NaN in leads that the record lacks.
    n_real_samples : int
        Samples before the padding.
    saliency : ndarray of shape (n_leads, n_samples)
        What each sample adds, in log-odds.
    features : tuple of FeatureContribution
        What each feature adds that the model uses for the class, the largest first.
    threshold : float or None
        Probability from which on the model predicts the class; None if it has none.
    """

    record_id: str
    label_name: str
    logit: float
    base: float
    leads: tuple[str, ...]
    fs: float
    signal: FloatArray
    n_real_samples: int
    saliency: FloatArray
    features: tuple[FeatureContribution, ...] = ()
    threshold: float | None = None

    @property
    def probability(self) -> float:
        """Probability of the class."""
        return float(expit(self.logit))

    @property
    def is_predicted(self) -> bool | None:
        """Whether the probability reaches the threshold; None without a threshold."""
        return None if self.threshold is None else self.probability >= self.threshold

    @property
    def from_signal(self) -> float:
        """What the signal adds, in log-odds."""
        return float(self.saliency.sum())

    @property
    def from_features(self) -> float:
        """What all features add, in log-odds."""
        return float(sum(one.contribution for one in self.features))


def explain_record(
    batch: Batch,
    label_name: str,
    label_names: Sequence[str],
    *,
    networks: Sequence[Extractor] = (),
    forests: Sequence[Forest] = (),
    table_networks: Sequence[NetworkOnTable] = (),
    features: Mapping[str, float] | None = None,
    network_weight: float = 1.0,
    forest_weight: float = 1.0,
    table_weight: float = 1.0,
    offset: float = 0.0,
) -> Explanation:
    """Explain why models find a class in a record, or do not.

    The logit that is explained is the mean logit of the networks times their weight,
    plus the mean log-odds of the forests times theirs, plus the mean logit of the small
    networks times theirs, plus the offset. Logits beyond -30 or 30 count as these, as
    in a `LogitFusion`; what such a model adds is shortened in proportion.

    Parameters
    ----------
    batch : Batch
        The record, with its signals, as the networks take them.
    label_name : str
        The class.
    label_names : sequence of str
        Names of the classes, in the order of the logits of all networks.
    networks : sequence of Extractor
        Trained networks on signals.
    forests : sequence of Forest
        Trained trees, which find the class by its name.
    table_networks : sequence of NetworkOnTable
        Trained small networks on features.
    features : mapping of str to float, optional
        Values of the columns of forests and small networks by name, NaN where
        undefined.
    network_weight, forest_weight, table_weight, offset : float
        Of the class in the sum, such as scale times weight and offset of a
        `LogitFusion`.

    Returns
    -------
    Explanation

    Raises
    ------
    EcgStoreError
        If there is no such class, a feature is missing, or the signals are not those
        that the networks take.
    ValueError
        If there is nothing to explain, or not one record.
    """
    if not networks and not forests and not table_networks:
        raise ValueError("neither networks nor forests were given; expected some")
    if len(batch) != 1:
        raise ValueError(f"the batch has {len(batch)} records; expected one")
    signals = batch.in_mv().signals
    if signals is None:
        raise ValueError("the batch has no signals; read 'signals'")
    signal = signals[0].cpu().double().numpy()  # (n_leads, n_samples)
    saliency = np.zeros_like(signal)
    base = logit = offset
    place = place_of(label_name, label_names)
    parts: dict[str, float] = {}
    for network in networks:
        of_samples = _limited(integrated_gradients(network, batch, place))
        weight = network_weight / len(networks)
        saliency += weight * of_samples.values
        base += weight * of_samples.baseline_logit
        logit += weight * of_samples.logit
    of_tables = [
        (forest_weight / len(forests), *_of_forest(one, label_name, features or {}))
        for one in forests
    ] + [
        (table_weight / len(table_networks), *_of_network(one, place, features or {}))
        for one in table_networks
    ]
    for weight, names, found in of_tables:
        limited = _limited(found)
        base += weight * limited.baseline_logit
        logit += weight * limited.logit
        for name, added in zip(names, limited.values.tolist(), strict=True):
            parts[name] = parts.get(name, 0.0) + weight * added
    by_size = sorted(parts, key=lambda name: (-abs(parts[name]), name))
    if batch.missing_leads is not None:
        signal[batch.missing_leads[0].cpu().numpy()] = np.nan
    return Explanation(
        record_id=batch.record_ids[0],
        label_name=label_name,
        logit=logit,
        base=base,
        leads=batch.leads,
        fs=batch.fs,
        signal=signal,
        n_real_samples=int(batch.n_real_samples[0]),
        saliency=saliency,
        features=tuple(
            FeatureContribution(name, float((features or {})[name]), parts[name])
            for name in by_size
        ),
    )


def place_of(label_name: str, label_names: Sequence[str]) -> int:
    """Return the place of a class among the classes of a model.

    Raises
    ------
    EcgStoreError
        If the model has no such class.
    """
    if label_name not in label_names:
        raise EcgStoreError(
            f"the model has no class {short_repr(label_name)}; "
            f"{unknown_class_hint(label_name, label_names)}expected one of "
            f"{short_list(label_names)}"
        )
    return [*label_names].index(label_name)


def _limited(found: Attribution) -> Attribution:
    """Return what is left of contributions if logits are clipped as in a fusion."""
    base, logit = np.clip(
        [found.baseline_logit, found.logit], -LARGEST_LOGIT, LARGEST_LOGIT
    ).tolist()
    change = found.logit - found.baseline_logit
    # Of a class that all or none of the training records have, both are infinite.
    share = (logit - base) / change if change and np.isfinite(change) else 1.0
    return Attribution(share * found.values, logit, base)


def _of_forest(
    forest: Forest, label_name: str, features: Mapping[str, float]
) -> tuple[list[str], Attribution]:
    """Return the columns that are used for a class, and what each adds."""
    place = place_of(label_name, forest.label_names)
    row = _row(features, forest.columns)[None]
    begin, end = forest.tree_begins[forest.class_begins[place : place + 2]]
    used = np.unique(forest.feature[begin:end])
    used = used[used >= 0]
    added = contributions(forest, row)[0, place]
    return (
        [forest.columns[n] for n in used.tolist()],
        Attribution(
            added[used],
            float(forest.log_odds(row)[0, place]),
            float(expected_log_odds(forest)[place]),
        ),
    )


def _of_network(
    network: NetworkOnTable, place: int, features: Mapping[str, float]
) -> tuple[Sequence[str], Attribution]:
    """Return the columns of a small network, and what each adds."""
    row = _row(features, network.columns).astype(np.float32)
    return network.columns, table_gradients(network, row, place)


def _row(features: Mapping[str, float], columns: Sequence[str]) -> FloatArray:
    """Return the values of columns."""
    missing = [name for name in columns if name not in features]
    if missing:
        raise SchemaError(
            f"the features have no column {short_repr(missing[0])} ({len(missing)} of "
            f"{len(columns)} are missing); expected the columns of the model"
        )
    return np.array([features[name] for name in columns], np.float64)
