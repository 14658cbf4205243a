"""Explain the decision of a trained network for a record that is in no store."""

from pathlib import Path

import torch

from ecgstore.errors import EcgStoreError, counted
from ecgstore.lead_names import LeadNames
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.explanation.explain import Explanation, explain_record
from ecgstore.models.inference.new_records import (
    batch_of,
    config_of_new_records,
    headers_of,
    read_new_record,
)
from ecgstore.pipes.devices import available_device


def explain_new_record(
    checkpoint: Checkpoint,
    record: str | Path,
    label_name: str | None = None,
    *,
    device: torch.device | str = "cpu",
    lead_names: LeadNames | None = None,
    allow_missing_leads: bool | None = None,
) -> Explanation:
    """Explain why a network finds a class in a new record, or does not.

    Parameters
    ----------
    checkpoint : Checkpoint
        The network, and the options of the store that it was trained on.
    record : str or Path
        A header, or a signal file beside one, as `predict` takes it.
    label_name : str, optional
        The class; the most probable one if left out.
    device : torch.device or str
        Device of the network.
    lead_names : LeadNames, optional
        As for `predict`.
    allow_missing_leads : bool, optional
        As for `predict`.

    Raises
    ------
    EcgStoreError
        If there is no such record or class, or the record cannot be used.
    """
    headers = headers_of(record)
    if len(headers) != 1:
        raise EcgStoreError(
            f"{record}: has {counted(len(headers), 'record')}; expected one: name its "
            "header"
        )
    config = config_of_new_records(checkpoint, lead_names, allow_missing_leads)
    new = read_new_record(headers[0], config)
    device = available_device(device)
    network = checkpoint.network().to(device)
    batch = checkpoint.decimate()(batch_of([new], config, checkpoint.leads).to(device))
    if label_name is None:
        with torch.inference_mode():
            logits = network(*network.inputs(batch)).logits[0]
        label_name = checkpoint.label_names[int(logits.argmax())]
    return explain_record(batch, label_name, checkpoint.label_names, networks=[network])
