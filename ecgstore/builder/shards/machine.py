"""Make a worker on another machine, after a look at whether it can do the work."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ecgstore.builder.compilation import compile_kernels
from ecgstore.builder.plan import software
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError
from ecgstore.system.locks import try_lock

_SECONDS_BETWEEN_LOOKS: Final = 0.5


@dataclass(frozen=True, slots=True)
class OnMachine:
    """A function that makes a worker where records can be read as they are here.

    Attributes
    ----------
    make_worker : callable
        Makes the worker.
    config : Config
        Options of the build.
    folders : tuple of Path
        Folders that must be there.
    filled : frozenset of Path
        Those with something in them: without its mount, a folder is often empty.
    expected : str
        Versions of the software, on which the bytes of a store depend.
    """

    make_worker: Callable[[], Callable[[Any], Any]]
    config: Config
    folders: tuple[Path, ...]
    filled: frozenset[Path]
    expected: str

    @classmethod
    def of(
        cls,
        make_worker: Callable[[], Callable[[Any], Any]],
        config: Config,
        folders: tuple[Path, ...],
    ) -> "OnMachine":
        """Return a function that expects what this machine has."""
        filled = frozenset(folder for folder in folders if not _is_empty(folder))
        return cls(make_worker, config, folders, filled, software())

    def __call__(self) -> Callable[[Any], Any]:
        """Return the worker.

        Raises
        ------
        EcgStoreError
            If a folder or the software is not the same.
        """
        for folder in self.folders:
            is_missing = not folder.exists()
            if is_missing or (folder in self.filled and _is_empty(folder)):
                raise EcgStoreError(
                    f"{folder}: is {'not there' if is_missing else 'empty'}; expected "
                    "a folder that all workers see under this path: mount it there, "
                    "and run the same command again to resume"
                )
        found = software()
        if found != self.expected:
            raise EcgStoreError(
                f"has {found}; expected the versions of the machine that began the "
                f"build, {self.expected}: install these"
            )
        with _only_one_of_machine():
            compile_kernels(self.config, 1, (), quiet=True)
        return self.make_worker()


def _is_empty(path: Path) -> bool:
    """Return whether a path is a folder with nothing in it."""
    return path.is_dir() and next(path.iterdir(), None) is None


@contextmanager
def _only_one_of_machine() -> Iterator[None]:
    """Let one process of this machine and user compile, whose code the others load."""
    user = getattr(os, "getuid", lambda: 0)()
    path = Path(tempfile.gettempdir()) / f"ecgstore-kernels-{user}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while try_lock(descriptor) is False:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        yield
    finally:
        os.close(descriptor)
