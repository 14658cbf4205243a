"""Where finished shards are committed: a folder of a bucket."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ecgstore.builder.parts_folder import PARTS, SHARD
from ecgstore.builder.uploads import upload
from ecgstore.errors import ConfigError, EcgStoreError, SchemaError
from ecgstore.sources.files import printable
from ecgstore.storage import Store
from ecgstore.storage.remote.attempts import is_missing
from ecgstore.storage.remote.bucket import Bucket
from ecgstore.system.scratch import scratch_folder
from ecgstore.system.urls import shown


@dataclass(frozen=True, slots=True)
class PartsBucket:
    """A folder of shards in a bucket, in which the user may have objects too.

    See `ShardPlace`.

    Attributes
    ----------
    collection : str
        The URL of the collection.
    bucket : Bucket
        The folder.
    """

    collection: str
    bucket: Bucket

    @classmethod
    def of(cls, collection: str) -> Self:
        """Return the folder for the shards of a collection."""
        return cls(collection, Bucket(collection + PARTS))

    def __str__(self) -> str:
        """Return its URL."""
        return shown(self.bucket.folder)

    def check(self) -> None:
        """Check that a collection can name the folder."""
        if printable(self.bucket.folder) != self.bucket.folder:
            raise EcgStoreError(
                f"{printable(self.bucket.folder)}: has characters that are not UTF-8; "
                "choose another output"
            )

    def place(self, name: str) -> Path | str:
        """Return the URL of a shard."""
        return self.bucket.url(name)

    def of_collection(self) -> list[str]:
        """Return the shards here that the collection is made of.

        Raises
        ------
        EcgStoreError
            If it cannot be read, so that nobody knows.
        """
        try:
            with _opened(self.collection) as store:
                places = [str(part) for part in store.parts]
        except (SchemaError, ConfigError):  # something else has its name
            return []
        except EcgStoreError as error:
            if is_missing(error):
                return []
            raise
        folder = f"{self.bucket.folder}/"
        names = [
            place.removeprefix(folder) for place in places if place.startswith(folder)
        ]
        return [name for name in names if SHARD.fullmatch(name)]

    def holds(self, name: str, n_rows: int) -> bool:
        """Return whether a shard was committed, with a look at its head.

        Raises
        ------
        EcgStoreError
            If something else has its name, or it cannot be read.
        """
        if self.bucket.size(name) is None:
            return False
        url = self.bucket.url(name)
        try:
            with _opened(url) as store:
                found = len(store)
        except (SchemaError, ConfigError) as error:
            raise _other(url) from error
        if found != n_rows:
            raise _other(url)
        return True

    def commit(self, file: Path, name: str) -> None:
        """Write a finished file, unless it is there already."""
        try:
            upload(file, self.bucket, name, overwrite=False)
        except FileExistsError as error:
            raise _other(self.bucket.url(name)) from error

    def remove(self, name: str) -> None:
        """Remove a shard, if it is there."""
        self.bucket.remove(name)

    def remove_unfinished(self) -> None:
        """Do nothing: services show no object before it is complete."""

    def remove_if_empty(self) -> None:
        """Do nothing: buckets have no empty folders."""


@contextmanager
def _opened(url: str) -> Iterator[Store]:
    """Open a store at a URL, and keep nothing of it."""
    with (
        scratch_folder(None) as folder,  # in memory, it could be on Linux only
        Store(url, labels="built", cache=folder) as store,
    ):
        yield store


def _other(url: str) -> EcgStoreError:
    """Return the error for a name that something else has."""
    return EcgStoreError(
        f"{shown(url)}: is not the shard of this name; expected nothing there, or that "
        "shard: delete it, and run the same command again to resume"
    )
