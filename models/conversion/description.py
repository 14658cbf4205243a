"""What a converted network needs to be applied, as a text of JSON within its file."""

import json
from typing import Final

from ecgstore import __version__
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.conversion.portable import INPUTS, OUTPUTS
from ecgstore.models.networks.own import short_name
from ecgstore.models.store_check import PREPROCESSING

ENTRY: Final = "ecgstore"
"""Name of the text in the file: a property of the model in ONNX."""


def description(checkpoint: Checkpoint) -> str:
    """Return what describes a converted network, as JSON.

    Leads and sampling rate are those of the network's signals; the preprocessing is
    that of the store, before any decimation.
    """
    config = checkpoint.config
    return json.dumps(
        {
            "format": "ecgstore network",
            "version": 1,
            "software": f"ecgstore {__version__}",
            "model": short_name(checkpoint.model.model),
            "inputs": INPUTS,
            "outputs": OUTPUTS,
            "label_names": checkpoint.label_names,
            "leads": checkpoint.leads,
            "fs": checkpoint.fs,
            "units": "mV",
            "preprocessing": {name: getattr(config, name) for name in PREPROCESSING},
            "fingerprint": checkpoint.fingerprint,
            "weights_sha256": checkpoint.weights_sha256(),
        }
    )
