"""Write a trained network for programs without ecgstore."""

from pathlib import Path
from typing import Final

from ecgstore.errors import EcgStoreError, require_type
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.conversion.description import description
from ecgstore.models.conversion.onnx_file import check_onnx, onnx_bytes
from ecgstore.models.conversion.portable import exported_program
from ecgstore.models.conversion.program_file import program_bytes
from ecgstore.system.atomic_files import check_writable, replace_file

_FORMATS: Final = {".onnx": onnx_bytes, ".pt2": program_bytes}
"""What makes the content of a file, by the end of its name."""


def convert(
    checkpoint: Checkpoint, path: str | Path, *, overwrite: bool = False
) -> Path:
    """Write a trained network as ONNX, or as a program of ``torch.export``.

    Its inputs are ``signals``, float32 of shape (n_records, n_leads, n_samples) in mV
    with zero padding at the end, and ``n_real_samples``, int64 of shape (n_records,);
    its outputs are ``logits`` and ``features``. It takes any number of records, and of
    samples (a ``.pt2``, 33 or more). All leads must be there. The file has a text of
    JSON, named ``ecgstore``, with classes, leads, sampling rate and preprocessing.

    Parameters
    ----------
    checkpoint : Checkpoint
        The network.
    path : str or Path
        The file, which appears whole or not at all: its name ends in ``.onnx`` or
        ``.pt2``.
    overwrite : bool
        Replace an existing file.

    Returns
    -------
    Path
        The written file.

    Raises
    ------
    TypeError
        If it is another model, such as a hybrid.
    EcgStoreError
        If the name ends otherwise, the file exists or cannot be written, a library is
        missing, or the network cannot be converted.
    """
    require_type("checkpoint", checkpoint, Checkpoint, "a network on signals")
    path = Path(path)
    content_of = _FORMATS.get(path.suffix)
    if content_of is None:
        raise EcgStoreError(
            f"{path}: ends in {path.suffix or 'no suffix'}; expected a name that ends "
            f"in {' or '.join(_FORMATS)}"
        )
    if path.exists() and not overwrite:
        raise EcgStoreError(
            f"{path}: exists already; choose another output, or replace it with "
            "--overwrite (overwrite=True)"
        )
    if content_of is onnx_bytes:
        check_onnx()
    check_writable(path)
    content = content_of(exported_program(checkpoint), description(checkpoint))
    with replace_file(path, "wb") as file:
        file.write(content)
    return path
