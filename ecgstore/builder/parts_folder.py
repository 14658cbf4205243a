"""Where finished shards are committed: a folder that all machines share."""

import os
import re
import secrets
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from ecgstore.builder.damage import damage_of
from ecgstore.errors import EcgStoreError
from ecgstore.sources.files import printable
from ecgstore.storage.collection.parts import read_parts
from ecgstore.storage.format.hdf5 import is_collection, open_hdf5
from ecgstore.system.atomic_files import make_folder, publish

PARTS: Final = ".parts"
"""What the name of the folder adds to that of the collection."""

SHARD: Final = re.compile(r"\d{5,}-[0-9a-f]{16}\.h5")

_ARRIVING: Final = re.compile(rf"\.{SHARD.pattern}\.[0-9a-f]{{16}}\.partial")


@dataclass(frozen=True, slots=True)
class PartsFolder:
    """A folder of shards, in which the user may have files too.

    See `ShardPlace`.

    Attributes
    ----------
    path : Path
        The folder; created when the first shard is committed.
    collection : Path, optional
        The collection that is made of its shards.
    """

    path: Path
    collection: Path | None = None

    @classmethod
    def of(cls, collection: Path) -> Self:
        """Return the folder for the shards of a collection."""
        return cls(collection.with_name(collection.name + PARTS), collection)

    def __str__(self) -> str:
        """Return its path."""
        return str(self.path)

    def check(self) -> None:
        """Check that there can be a folder of shards, which a collection can name."""
        if os.path.lexists(self.path) and not self.path.is_dir():
            raise EcgStoreError(
                f"{self.path}: is a file; expected a folder for the shards, or "
                "nothing: choose another output"
            )
        name = printable(self.path.name)
        if name != self.path.name:
            raise EcgStoreError(
                f"{name}: has characters that are not UTF-8; choose another output"
            )

    def place(self, name: str) -> Path | str:
        """Return the path of a shard."""
        return self.path / name

    def of_collection(self) -> list[str]:
        """Return the shards in this folder that the collection is made of."""
        if self.collection is None:
            return []
        try:
            with open_hdf5(self.collection) as file:
                if not is_collection(file):
                    return []
                paths = read_parts(file).located(self.collection)
        except (EcgStoreError, OSError):
            return []
        return [
            path.name
            for path in paths
            if isinstance(path, Path)  # others are URLs
            and SHARD.fullmatch(path.name)
            and os.path.realpath(path.parent) == os.path.realpath(self.path)
        ]

    def holds(self, name: str, n_rows: int) -> bool:
        """Return whether a shard was committed, and is not damaged."""
        path = self.path / name
        return path.exists() and damage_of(path) is None

    def commit(self, file: Path, name: str) -> None:
        """Move a finished file into the folder, whole or not at all."""
        make_folder(self.path)
        # Hidden, and of a random name: another machine may commit the same shard.
        arriving = self.path / f".{name}.{secrets.token_hex(8)}.partial"
        try:
            try:
                os.rename(file, arriving)
            except OSError:  # it is on another disk
                shutil.copyfile(file, arriving)
            publish(arriving, self.path / name)
        finally:
            with suppress(OSError):
                arriving.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Remove a shard, if it is there."""
        (self.path / name).unlink(missing_ok=True)

    def remove_unfinished(self) -> None:
        """Remove what workers left that were killed, and the folder if it is empty."""
        for path in self.path.glob(".*.partial"):
            if _ARRIVING.fullmatch(path.name):
                path.unlink(missing_ok=True)
        self.remove_if_empty()

    def remove_if_empty(self) -> None:
        """Remove the folder, unless there is something in it."""
        with suppress(OSError):
            self.path.rmdir()
