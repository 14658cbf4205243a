"""``ecgstore convert``: a network for other programs, a store in today's format."""

from pathlib import Path

import click

from ecgstore.cli.options.common import OWN_MODEL
from ecgstore.cli.output import echo
from ecgstore.cli.torch_needed import needs_torch
from ecgstore.errors import ConfigError, EcgStoreError
from ecgstore.system.known_files import known_file, known_format


@click.command(
    epilog="""\b
Examples:
  ecgstore convert runs/resnet18 -o resnet18.onnx
  ecgstore convert runs/resnet18 -o resnet18.pt2
  ecgstore convert old.h5 -o new.h5
"""
)
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The file to write: .onnx for ONNX, .pt2 for torch.export; .h5 for a store.",
)
@OWN_MODEL
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
def convert(source: Path, out: Path, model: str | None, overwrite: bool) -> None:
    """Write a trained network for other programs, or an old store in today's format.

    SOURCE is a network: the folder of a training, or the model.safetensors in it; a
    hybrid cannot be converted. It is written as ONNX, or as a program of torch.export,
    which maps signals in mV and numbers of real samples to logits and features,
    without ecgstore; its classes, leads and preprocessing are in its metadata.

    Or SOURCE is a store, of any version of the format, or a collection, which is
    written as one store. Nothing is computed again; labels of `ecgstore label` are
    written into the new store, which has another fingerprint, so that features are
    extracted again.
    """
    if known_file(source) in map(known_format, ("ecgstore", "ecgstore collection")):
        _convert_store(source, out, model, overwrite)
    else:
        _convert_network(source, out, model, overwrite)


def _convert_store(source: Path, out: Path, model: str | None, overwrite: bool) -> None:
    """Write a store in the version of the format that is written now."""
    from ecgstore.builder.subset import convert_store
    from ecgstore.storage.format.schema import FORMAT

    if model is not None:
        raise ConfigError(
            f"{source}: is a store; --model is for networks: leave it out"
        )
    if out.suffix in (".onnx", ".pt2"):
        raise ConfigError(
            f"{out}: ends in {out.suffix}, as a network; {source} is a store: expected "
            "a name that ends in .h5"
        )
    convert_store(source, out, overwrite=overwrite)
    echo(f"wrote {out}, a store of format version {FORMAT.version}")


def _convert_network(
    checkpoint: Path, out: Path, model: str | None, overwrite: bool
) -> None:
    """Write a network for programs without ecgstore."""
    with needs_torch():
        from ecgstore.models import Checkpoint, convert as write, load
    trained = load(checkpoint, model=model)
    if not isinstance(trained, Checkpoint):
        raise EcgStoreError(
            f"{checkpoint}: is a hybrid, which cannot be converted; expected a network "
            "on signals: ecgstore train --inputs deep"
        )
    echo(write(trained, out, overwrite=overwrite))
