"""Explain the decision of a trained model of any kind for a record."""

from dataclasses import replace

import torch

from ecgstore.arrays import Float32Array
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.explanation.explain import Explanation, explain_record, place_of
from ecgstore.models.hybrid.model import Hybrid, HybridRunner
from ecgstore.models.running import NetworkRunner
from ecgstore.pipes.batch import Batch


def explain_model(
    model: Checkpoint | Hybrid,
    runner: NetworkRunner | HybridRunner,
    batch: Batch,
    label_name: str | None = None,
) -> Explanation:
    """Explain why a model finds a class in a record, or does not.

    Parameters
    ----------
    model : Checkpoint or Hybrid
        The model.
    runner : NetworkRunner or HybridRunner
        What ``model.runner(feature_names, device)`` returned.
    batch : Batch
        The record, on that device, with the fields and leads of the runner, and with
        signals.
    label_name : str, optional
        The class; the most probable one if left out.

    Returns
    -------
    Explanation
        Its logit is that of `predict`, with the same bits.

    Raises
    ------
    EcgStoreError
        If there is no such class.
    ValueError
        If the batch has no signals, or not one record.
    """
    if len(batch) != 1:
        raise ValueError(f"the batch has {len(batch)} records; expected one")
    with torch.inference_mode():
        logits = runner(batch).logits[0].double().cpu().numpy()
    if label_name is None:
        label_name = model.label_names[int(logits.argmax())]
    place = place_of(label_name, model.label_names)
    if isinstance(model, Hybrid):
        assert isinstance(runner, HybridRunner)  # its own one
        explanation = _of_hybrid(model, runner.table(batch)[0], batch, place)
    else:
        network = model.network().to(batch.rows.device)
        explanation = explain_record(
            model.decimate()(batch), label_name, model.label_names, networks=[network]
        )
    thresholds = model.thresholds
    return replace(
        explanation,
        logit=float(logits[place]),
        threshold=None if thresholds is None else float(thresholds[place]),
    )


def _of_hybrid(
    hybrid: Hybrid, row: Float32Array, batch: Batch, place: int
) -> Explanation:
    """Explain the sum of the logits of a hybrid; `row` has the values of its columns.

    The logits of the parts are centred; what that takes away is the same for all
    records, and so belongs to the offset.
    """
    fusion = hybrid.fusion
    weights = fusion.scale[place] * fusion.weights[:, place]
    of_trees, of_network, *of_extractor = weights.tolist()
    deep = hybrid.extractor
    return explain_record(
        batch if deep is None else deep.decimate()(batch),
        hybrid.label_names[place],
        hybrid.label_names,
        networks=[] if deep is None else [deep.network().to(batch.rows.device)],
        forests=[hybrid.trees.forest],
        table_networks=[hybrid.network],
        features=dict(zip(hybrid.columns, row.tolist(), strict=True)),
        network_weight=sum(of_extractor),
        forest_weight=of_trees,
        table_weight=of_network,
        offset=float(fusion.offset[place] - weights @ fusion.centres[:, place]),
    )
