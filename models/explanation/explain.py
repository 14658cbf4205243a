"""Explain the decision of networks and trees for one record and one class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from ecgstore.arrays import FloatArray
from ecgstore.errors import EcgStoreError, short_list, short_repr
from ecgstore.models.explanation.saliency import integrated_gradients
from ecgstore.models.explanation.tree_shap import contributions, expected_log_odds
from ecgstore.models.networks.extractor import Extractor
from ecgstore.models.tabular.forest import Forest
from ecgstore.models.tabular.logit_fusion import LARGEST_LOGIT
from ecgstore.pipes.batch import Batch
from ecgstore.similar_names import did_you_mean


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
        What each feature adds on which the trees of the class split, the largest first.
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

    @property
    def probability(self) -> float:
        """Probability of the class."""
        return float(expit(self.logit))


def explain_record(
    batch: Batch,
    label_name: str,
    label_names: Sequence[str],
    *,
    networks: Sequence[Extractor] = (),
    forests: Sequence[Forest] = (),
    features: Mapping[str, float] | None = None,
    network_weight: float = 1.0,
    forest_weight: float = 1.0,
    offset: float = 0.0,
) -> Explanation:
    """Explain why models find a class in a record, or do not.

    The logit that is explained is the mean logit of the networks times their weight,
    plus the mean log-odds of the forests times theirs, plus the offset.

    Parameters
    ----------
    batch : Batch
        The record, with its signals, as the networks take them.
    label_name : str
        The class.
    label_names : sequence of str
        Names of the classes, in the order of the logits of the networks.
    networks : sequence of Extractor
        Trained networks.
    forests : sequence of Forest
        Trained trees, which find the class by its name.
    features : mapping of str to float, optional
        Values of the columns of the forests by name, NaN where undefined. Needed with
        forests.
    network_weight, forest_weight, offset : float
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
    if not networks and not forests:
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
    for network in networks:
        found = integrated_gradients(network, batch, place)
        weight = network_weight / len(networks)
        saliency += weight * found.values
        base += weight * found.baseline_logit
        logit += weight * found.logit
    parts: dict[str, float] = {}
    for forest in forests:
        weight = forest_weight / len(forests)
        expected, by_column = _of_forest(forest, label_name, features or {})
        base += weight * expected
        logit += weight * (expected + sum(by_column.values()))
        for name, contribution in by_column.items():
            parts[name] = parts.get(name, 0.0) + weight * contribution
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
            f"{did_you_mean(label_name, label_names)}expected one of "
            f"{short_list(label_names)}"
        )
    return [*label_names].index(label_name)


def _of_forest(
    forest: Forest, label_name: str, features: Mapping[str, float]
) -> tuple[float, dict[str, float]]:
    """Return the expected log-odds of a class, and what each column adds that is used.

    A class that all or none of the training records have is as certain as a
    `LogitFusion` takes it.
    """
    place = place_of(label_name, forest.label_names)
    names = [*features]
    row = np.array([[features[name] for name in names]], np.float64)
    row = row[:, forest.places(names)]
    expected = float(expected_log_odds(forest)[place])
    begin, end = forest.tree_begins[forest.class_begins[place : place + 2]]
    used = np.unique(forest.feature[begin:end])
    added = contributions(forest, row)[0, place]
    return (
        float(np.clip(expected, -LARGEST_LOGIT, LARGEST_LOGIT)),
        {forest.columns[n]: float(added[n]) for n in used[used >= 0].tolist()},
    )
