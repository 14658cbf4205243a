"""A trained network in ONNX."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Final

import torch
from torch.export import ExportedProgram

from ecgstore.errors import EcgStoreError
from ecgstore.models.conversion.description import ENTRY
from ecgstore.models.conversion.portable import INPUTS, OUTPUTS

if TYPE_CHECKING:
    from onnx import GraphProto

_NEEDED: Final = ("onnx", "onnxscript")


def check_onnx() -> None:
    """Raise an error if a library for ONNX is missing.

    Raises
    ------
    EcgStoreError
        Naming the library, and what to install.
    """
    for name in _NEEDED:
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            raise EcgStoreError(
                f"ONNX needs {error.name}, which is not installed: pip install "
                '"ecgstore[onnx]"'
            ) from error


def onnx_bytes(program: ExportedProgram, text: str) -> bytes:
    """Return the content of a file of ONNX.

    Parameters
    ----------
    program : ExportedProgram
        The network.
    text : str
        What describes it.
    """
    with _quiet():
        exported = torch.onnx.export(
            program,
            (),
            dynamo=True,
            input_names=INPUTS,
            output_names=OUTPUTS,
            verbose=False,
        )
    assert exported is not None  # as for all programs without a file
    model = exported.model_proto
    _clean(model.graph)
    del model.metadata_props[:]
    model.metadata_props.add(key=ENTRY, value=text)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _clean(graph: "GraphProto") -> None:
    """Remove what is there to repair the exporter, and name the free axes."""
    del graph.metadata_props[:], graph.value_info[:]
    graph.doc_string = ""
    for part in (*graph.node, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    signals = graph.input[0].type.tensor_type.shape.dim
    names = {signals[0].dim_param: "n_records", signals[2].dim_param: "n_samples"}
    for value in (*graph.input, *graph.output):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param:
                axis.dim_param = names[axis.dim_param]


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide what the exporter says to those who write it."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)  # that torchvision, which is not used, is missing
    try:
        with warnings.catch_warnings():
            # PyTorch 2.13 copies its own trees in a way that it has deprecated.
            warnings.filterwarnings(
                "ignore", r"`isinstance\(treespec, LeafSpec\)`", FutureWarning
            )
            yield
    finally:
        logger.setLevel(level)
