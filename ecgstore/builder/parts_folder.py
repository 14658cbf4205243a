"""Where finished shards are committed: a folder that all machines share."""

import os
import re
import secrets
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from ecgstore.errors import EcgStoreError
from ecgstore.storage.collection.parts import read_parts
from ecgstore.storage.format.hdf5 import is_collection, open_hdf5
from ecgstore.system.atomic_files import make_folder, publish

_SHARD: Final = re.compile(r"\d{5,}-[0-9a-f]{16}\.h5")

_ARRIVING: Final = re.compile(rf"\.{_SHARD.pattern}\.[0-9a-f]{{16}}\.partial")


@dataclass(frozen=True, slots=True)
class PartsFolder:
    """A folder of shards, in which the user may have files too.

    A name belongs to one content, so that a shard that is committed twice, at the same
    time or after its worker was taken for dead, changes nothing.

    Attributes
    ----------
    path : Path
        The folder; created when the first shard is committed.
    """

    path: Path

    @classmethod
    def of(cls, collection: Path) -> Self:
        """Return the folder for the shards of a collection."""
        return cls(collection.with_name(collection.name + ".parts"))

    def of_collection(self, collection: Path) -> list[str]:
        """Return the shards in this folder that a collection is made of.

        None if there is no collection of that name, or it cannot be read.
        """
        try:
            with open_hdf5(collection) as file:
                if not is_collection(file):
                    return []
                paths = read_parts(file).located(collection)
        except (EcgStoreError, OSError):
            return []
        return [
            path.name
            for path in paths
            if _SHARD.fullmatch(path.name)
            and os.path.realpath(path.parent) == os.path.realpath(self.path)
        ]

    def has(self, name: str) -> bool:
        """Return whether a shard was committed."""
        return (self.path / name).exists()

    def commit(self, file: Path, name: str) -> None:
        """Give a finished file its name in the folder, whole or not at all.

        Parameters
        ----------
        file : Path
            A complete file on any disk; it is moved.
        name : str
            Its name.

        Raises
        ------
        EcgStoreError, OSError
            If it cannot be written.
        """
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
