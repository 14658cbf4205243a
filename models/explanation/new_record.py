"""Explain the decision of a trained model for a record that is in no store."""

from pathlib import Path

import torch

from ecgstore.errors import EcgStoreError, counted
from ecgstore.lead_names import LeadNames
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.explanation.explain import Explanation
from ecgstore.models.explanation.model import explain_model
from ecgstore.models.hybrid.model import Hybrid
from ecgstore.models.inference.new_records import (
    batch_of,
    config_of_new_records,
    feature_names,
    headers_of,
    read_new_record,
)
from ecgstore.pipes.devices import available_device
from ecgstore.remote_records.given import given_records


def explain_new_record(
    model: Checkpoint | Hybrid,
    record: str | Path,
    label_name: str | None = None,
    *,
    device: torch.device | str = "cpu",
    lead_names: LeadNames | None = None,
    allow_missing_leads: bool | None = None,
) -> Explanation:
    """Explain why a model finds a class in a new record, or does not.

    Parameters
    ----------
    model : Checkpoint or Hybrid
        The model, and the options of the store that it was trained on.
    record : str or Path
        A header, or a signal file beside one, as `predict` takes it.
    label_name : str, optional
        The class; the most probable one if left out.
    device : torch.device or str
        Device of the networks.
    lead_names : LeadNames, optional
        As for `predict`.
    allow_missing_leads : bool, optional
        As for `predict`.

    Raises
    ------
    EcgStoreError
        If there is no such record or class, the record cannot be used, or the model
        was trained on features of another version of ecgstore.
    """
    model.check_this_ecgstore()
    config = config_of_new_records(model, lead_names, allow_missing_leads)
    with given_records(record, quiet=True) as given:
        headers = headers_of(given)
        if len(headers) != 1:
            raise EcgStoreError(
                f"{record}: has {counted(len(headers), 'record')}; expected one: name "
                "its header"
            )
        new = read_new_record(headers[0], config, with_features=model.needs_features)
    device = available_device(device)
    runner = model.runner(feature_names(config), device)
    batch = batch_of([new], config, runner.leads or config.leads).to(device)
    return explain_model(model, runner, batch, label_name)
