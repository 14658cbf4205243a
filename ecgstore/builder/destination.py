"""Where the files go that a build has finished: a folder, or a bucket."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol


class ShardPlace(Protocol):
    """Where finished shards are committed.

    A name belongs to one content, so that a shard that is committed twice, at the same
    time or after its worker was taken for dead, changes nothing.
    """

    def __str__(self) -> str:
        """Return the folder, for messages."""

    def check(self) -> None:
        """Raise an error if a collection cannot have its shards there."""

    def place(self, name: str) -> Path | str:
        """Return the path or URL of a shard."""

    def of_collection(self) -> list[str]:
        """Return the shards here that the collection is made of.

        None of them if there is no collection of that name, or something else.
        """

    def holds(self, name: str, n_rows: int) -> bool:
        """Return whether a shard with so many rows was committed, and is whole."""

    def commit(self, file: Path, name: str) -> None:
        """Give a finished file its name, whole or not at all.

        Parameters
        ----------
        file : Path
            A complete file on any disk; it may be moved.
        name : str
            Its name.

        Raises
        ------
        EcgStoreError, OSError
            If it cannot be written.
        """

    def remove(self, name: str) -> None:
        """Remove a shard, if it is there."""

    def remove_unfinished(self) -> None:
        """Remove what workers left that were killed, and the folder if it is empty."""

    def remove_if_empty(self) -> None:
        """Remove the folder, unless there is something in it."""


class Destination(Protocol):
    """The store that a build writes.

    Attributes
    ----------
    local : Path
        A path on this machine; unfinished files lie beside it.
    folder : Path or str
        Folder of the store, or its URL, from which a collection names its shards.
    parts : ShardPlace
        Where the shards of a collection go.
    """

    local: Path
    folder: Path | str
    parts: ShardPlace

    def __str__(self) -> str:
        """Return its path or URL, for messages."""

    def check(self) -> None:
        """Raise an error if there can be no store of that name."""

    def prepare(self, quiet: bool) -> None:
        """Make room for unfinished files."""

    def exists(self) -> bool:
        """Return whether there is a store, or anything else of that name."""

    def has(self, file: Path) -> bool:
        """Return whether a file of this machine has its name already."""

    def put(self, file: Path, *, overwrite: bool) -> None:
        """Give a finished file the name of the store; it is moved.

        Raises
        ------
        FileExistsError
            If there is an older one that may not be replaced.
        """

    def writing(self, *, overwrite: bool) -> AbstractContextManager[Path]:
        """Return a context with the name under which to finish a file, which is put.

        Raises
        ------
        FileExistsError
            If there is an older one that may not be replaced.
        """

    def clean(self) -> None:
        """Remove the place of unfinished files, unless there are some."""
