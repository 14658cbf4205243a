"""``ecgstore convert``: a trained network for programs without ecgstore."""

from pathlib import Path

import click

from ecgstore.cli.options.common import CHECKPOINT, OWN_MODEL
from ecgstore.cli.output import echo
from ecgstore.cli.torch_needed import needs_torch
from ecgstore.errors import EcgStoreError


@click.command(
    epilog="""\b
Examples:
  ecgstore convert runs/resnet18 -o resnet18.onnx
  ecgstore convert runs/resnet18 -o resnet18.pt2
"""
)
@CHECKPOINT
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The file to write: .onnx for ONNX, .pt2 for torch.export.",
)
@OWN_MODEL
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
def convert(checkpoint: Path, out: Path, model: str | None, overwrite: bool) -> None:
    """Write a trained network as ONNX, or as a program of torch.export.

    CHECKPOINT is the folder of a training, or the model.safetensors in it; a hybrid
    cannot be converted. The file maps signals in mV and numbers of real samples to
    logits and features, without ecgstore; its classes, leads and preprocessing are in
    its metadata.
    """
    with needs_torch():
        from ecgstore.models import Checkpoint, convert as write, load
    trained = load(checkpoint, model=model)
    if not isinstance(trained, Checkpoint):
        raise EcgStoreError(
            f"{checkpoint}: is a hybrid, which cannot be converted; expected a network "
            "on signals: ecgstore train --inputs deep"
        )
    echo(write(trained, out, overwrite=overwrite))
