"""One line instead of a traceback where PyTorch is not installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ecgstore.errors import EcgStoreError

_LIBRARIES: Final = ("sklearn", "torch", "torchdata")


@contextmanager
def needs_torch() -> Iterator[None]:
    """Say what to install if an import within the ``with`` lacks it.

    Raises
    ------
    EcgStoreError
        If PyTorch, torchdata or scikit-learn is not installed.
    """
    try:
        yield
    except ImportError as error:
        cause = error.__cause__ if isinstance(error.__cause__, ImportError) else error
        if cause.name not in _LIBRARIES:
            raise
        raise EcgStoreError(
            f"this command needs {cause.name}, which is not installed; "
            'pip install "ecgstore[torch]"'
        ) from error
