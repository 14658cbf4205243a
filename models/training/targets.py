"""Targets of a store that a network learns to predict beside the classes."""

from collections.abc import Sequence

import numpy as np

from ecgstore.errors import ConfigError, EcgStoreError
from ecgstore.models.networks.target_head import TargetHead, varies
from ecgstore.models.training.objectives import NumberObjective
from ecgstore.similar_names import did_you_mean
from ecgstore.storage import Selection, Store


def target_objective(
    head: TargetHead, training: Selection, names: Sequence[str]
) -> NumberObjective:
    """Return the objective to predict targets; fit the layer that predicts them.

    Parameters
    ----------
    head : TargetHead
        The layer of the network, whose means and standard deviations are computed.
    training : Selection
        The training records.
    names : sequence of str
        Names of the targets, as many as the layer has.

    Raises
    ------
    ConfigError
        If a name is not one of the store's targets, or is there twice.
    EcgStoreError
        If a target is missing in all training records, or the same in all.
    """
    columns = _columns(training.store, names)
    values = training.targets()[:, columns].astype(np.float64)
    for name, column, is_varied in zip(names, values.T, varies(values), strict=True):
        if not is_varied:
            raise EcgStoreError(
                f"{training.store.place}: target {name} has "
                f"{len(np.unique(column[np.isfinite(column)]))} different values in "
                "the training records; expected two or more, to learn from: leave it "
                "out of targets"
            )
    head.fit(values)
    return NumberObjective(head, "targets", columns)


def _columns(store: Store, names: Sequence[str]) -> list[int]:
    """Return the columns of targets in `Store.targets`."""
    known = store.target_names
    for name in names:
        if name not in known:
            has = f"expected some of {', '.join(known)}" if known else "it has none"
            raise ConfigError(
                f"{store.place}: no target {name!r}; {did_you_mean(name, known)}{has}: "
                "`ecgstore label STORE --targets age` adds it; with --labels TABLE, "
                "columns of a table"
            )
    if len(set(names)) < len(names):
        raise ConfigError(f"targets are {', '.join(names)}; expected each of them once")
    return [known.index(name) for name in names]
