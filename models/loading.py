"""Load a trained model of any kind from its folder or file."""

from pathlib import Path

from ecgstore.models.array_files import format_of
from ecgstore.models.checkpoint import MODEL_FILE, Checkpoint
from ecgstore.models.hybrid.file import FORMAT as HYBRID, load_hybrid
from ecgstore.models.hybrid.model import Hybrid


def load(path: str | Path, *, model: str | None = None) -> Checkpoint | Hybrid:
    """Load a trained model: a network on signals, or a hybrid.

    Nothing in the file is executed.

    Parameters
    ----------
    path : str or Path
        The folder of a training, which has a ``model.safetensors``, or that file.
    model : str, optional
        A network of one's own, as ``FILE.py:NAME``; see `Checkpoint.load`.

    Returns
    -------
    Checkpoint or Hybrid
        `predict`, `evaluate`, `extract` and `explain` take both.

    Raises
    ------
    EcgStoreError
        If there is no such file, or it has a network of one's own that is not given, or
        not the one that was trained.
    SchemaError
        If it is not a trained model, or damaged.

    Examples
    --------
    >>> model = load("runs/hybrid")  # doctest: +SKIP
    >>> [one.probabilities for one in predict(model, "A0001.hea")]  # doctest: +SKIP
    """
    path = Path(path)
    file = path / MODEL_FILE if path.is_dir() else path
    if format_of(file) == HYBRID.name:
        return load_hybrid(file, model=model)
    return Checkpoint.load(path, model=model)
