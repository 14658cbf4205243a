"""A trained network as a file of ``torch.export``."""

import io

import torch
from torch.export import ExportedProgram

from ecgstore.models.conversion.description import ENTRY


def program_bytes(program: ExportedProgram, text: str) -> bytes:
    """Return the content of a file for ``torch.export.load``.

    Parameters
    ----------
    program : ExportedProgram
        The network.
    text : str
        What describes it.
    """
    saved = io.BytesIO()
    torch.export.save(program, saved, extra_files={f"{ENTRY}.json": text})
    return saved.getvalue()
