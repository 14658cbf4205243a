"""Why a model finds a class in a record, for the page."""

import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ecgstore import pipes
from ecgstore.arrays import Float32Array
from ecgstore.features.normal_ranges import NORMAL_RANGES
from ecgstore.features.shown import unit_of, value_text
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.explanation.explain import Explanation, FeatureContribution
from ecgstore.models.explanation.model import explain_model
from ecgstore.models.hybrid.model import Hybrid, HybridRunner
from ecgstore.models.running import NetworkRunner
from ecgstore.plots.ecg.highlight import strengths
from ecgstore.storage import Selection, Store

if TYPE_CHECKING:
    import torch

_KEPT: Final = 16
"""Explanations in memory: the page asks for the signal and for the features."""

_MOST_FEATURES: Final = 12
"""Features that are shown by themselves; the others are summed."""


class Explained:
    """Explanations of the decisions about records, the last ones kept.

    It must be used by one thread at a time.

    Parameters
    ----------
    store : Store
        The store.
    model : Checkpoint or Hybrid
        The model.
    runner : NetworkRunner or HybridRunner
        Its runner for the store.
    device : torch.device
        Its device.
    """

    def __init__(
        self,
        store: Store,
        model: Checkpoint | Hybrid,
        runner: NetworkRunner | HybridRunner,
        device: "torch.device",
    ) -> None:
        self._store = store
        self._model = model
        self._runner = runner
        self._device = device
        self._kept: OrderedDict[tuple[int, str], Explanation] = OrderedDict()

    def summary(self, row: int, label_name: str) -> dict[str, Any]:
        """Return what adds to the log odds of a class, and the features that do most.

        Raises
        ------
        EcgStoreError
            If the model has no such class.
        """
        explanation = self._of(row, label_name)
        features = explanation.features
        others = features[_MOST_FEATURES:]
        return {
            "class": explanation.label_name,
            "logit": explanation.logit,
            "base": explanation.base,
            "from_signal": explanation.from_signal,
            "from_features": explanation.from_features if features else None,
            "probability": explanation.probability,
            "threshold": explanation.threshold,
            "features": [_shown(one) for one in features[:_MOST_FEATURES]],
            "n_others": len(others),
            "of_others": sum(one.contribution for one in others),
        }

    def strengths(self, row: int, label_name: str) -> tuple[Float32Array, float]:
        """Return how strongly each sample speaks for a class, from -1 to 1.

        Returns
        -------
        ndarray of shape (n_leads, n_samples)
            float32, a line for each lead of the store; 0 in leads that the model does
            not take.
        float
            Their sampling rate in Hz, that of the network.
        """
        explanation = self._of(row, label_name)
        of_leads = strengths(explanation.saliency, explanation.fs)
        shape = (self._store.n_leads, of_leads.shape[1])
        of_store: Float32Array = np.zeros(shape, np.float32)
        of_store[self._store.lead_numbers(explanation.leads)] = of_leads
        return of_store, explanation.fs

    def _of(self, row: int, label_name: str) -> Explanation:
        """Return an explanation, computed unless it is kept."""
        key = row, label_name
        if key not in self._kept:
            with pipes.loader(
                Selection(self._store, np.array([row])),
                1,
                fields=tuple(dict.fromkeys((*self._runner.fields, "signals"))),
                leads=self._runner.leads,
                device=self._device,
            ) as loader:
                [batch] = loader
                self._kept[key] = explain_model(
                    self._model, self._runner, batch, label_name
                )
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


def _shown(one: FeatureContribution) -> dict[str, Any]:
    """Return what a feature adds, and its value as readers see it."""
    range_ = NORMAL_RANGES.get(one.name)
    unit = None if math.isnan(one.value) else unit_of(one.name)
    return {
        "name": one.name,
        "text": value_text(one.name, one.value),
        "unit": "" if unit in (None, "1") else unit,
        "normal": "" if range_ is None else str(range_),
        "contribution": one.contribution,
    }
