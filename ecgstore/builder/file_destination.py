"""A build's store is a file on a disk."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecgstore.builder.destination import ShardPlace
from ecgstore.builder.parts_folder import PartsFolder
from ecgstore.errors import EcgStoreError
from ecgstore.system.atomic_files import is_same_file, publish


class FileDestination:
    """A file; see `Destination`.

    Parameters
    ----------
    final : Path
        Its absolute path.
    """

    def __init__(self, final: Path) -> None:
        self.local = final
        self.folder: Path | str = final.parent
        self.parts: ShardPlace = PartsFolder.of(final)

    def __str__(self) -> str:
        """Return its path."""
        return str(self.local)

    def check(self) -> None:
        """Check that there can be a file of that name."""
        final = self.local
        if not final.parent.is_dir():
            raise EcgStoreError(
                f"{final.parent}: no such folder; create it, or choose another output"
            )
        if final.is_dir():
            raise EcgStoreError(f"{final}: is a folder; expected the name of a file")

    def prepare(self, quiet: bool) -> None:
        """Do nothing: unfinished files lie in the same folder."""

    def exists(self) -> bool:
        """Return whether there is something of that name."""
        return os.path.lexists(self.local)

    def has(self, file: Path) -> bool:
        """Return whether a file has two names, of which one is this."""
        return is_same_file(file, self.local)

    def put(self, file: Path, *, overwrite: bool) -> None:
        """Rename a file of the same folder."""
        publish(file, self.local, replace=overwrite)

    @contextmanager
    def writing(self, *, overwrite: bool) -> Iterator[Path]:
        """Yield the name: who writes to it replaces files when they are complete."""
        if self.exists() and not overwrite:
            raise FileExistsError(self.local)
        yield self.local

    def clean(self) -> None:
        """Do nothing."""
