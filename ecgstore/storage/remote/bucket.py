"""Write files to a bucket, each whole or not at all."""

import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from ecgstore.errors import EcgStoreError
from ecgstore.storage.remote.attempts import Purpose, check_process, repeated
from ecgstore.storage.remote.object_reader import connect
from ecgstore.system.urls import shown

Answer = TypeVar("Answer")

_SHORTEST_TIMEOUT_S: Final = 600
_SLOWEST_BYTES_PER_S: Final = 125_000  # 1 Mbit/s

_PART_BYTES: Final = 64 << 20
_PARTS_AT_ONCE: Final = 4
_MOST_PARTS: Final = 9_000  # S3 takes 10,000

_LARGEST_PUT: Final = 4 << 30
"""What every service takes in one request: S3 5 GiB, Azure a little less."""

_NO_BUCKET: Final = re.compile(
    "NoSuchBucket|ContainerNotFound|bucket does not exist", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A folder of a bucket. May be sent to other processes, which connect themselves.

    Attributes
    ----------
    folder : str
        Its URL, without a slash at the end.
    """

    folder: str

    def url(self, name: str) -> str:
        """Return the URL of an object."""
        return f"{self.folder}/{name}"

    def size(self, name: str) -> int | None:
        """Return the bytes of an object; None if there is none.

        Raises
        ------
        EcgStoreError
            If the bucket does not exist, or cannot be read.
        """
        store = self._connected(name)
        try:
            return int(
                self._repeated(name, lambda: store.head(name), _purpose("read"))["size"]
            )
        except FileNotFoundError:
            pass
        try:  # the answer to the other request says nothing of the bucket
            self._repeated(name, lambda: store.get(name), _purpose("read"))
        except FileNotFoundError as error:
            if _NO_BUCKET.search(str(error)):
                raise self._no_bucket(name) from error
        return None

    def read(self, name: str, begin: int, end: int) -> bytes:
        """Return a range of an object.

        Raises
        ------
        FileNotFoundError
            If there is none.
        EcgStoreError
            If it cannot be read.
        """
        store = self._connected(name)
        return bytes(
            self._repeated(
                name,
                lambda: store.get_range(name, start=begin, end=end),
                _purpose("read"),
            )
        )

    def put(self, file: Path, name: str, *, replace: bool) -> None:
        """Write a file to an object, which is not there before it is complete.

        Parameters
        ----------
        file : Path
            The file. One of more than 4 GiB is sent in parts, and whether there is an
            object is looked at before: services have no condition for it.
        name : str
            Name of the object.
        replace : bool
            Whether one that is there is replaced.

        Raises
        ------
        FileExistsError
            If there is one that may not be.
        EcgStoreError
            If it cannot be written.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError

        n_bytes = file.stat().st_size
        store = self._connected(name, n_bytes)
        arguments: dict[str, Any]
        content: Any = file
        if replace or n_bytes > _LARGEST_PUT:
            if not replace and self.size(name) is not None:
                raise FileExistsError(self.url(name))
            arguments = {
                "use_multipart": n_bytes > _PART_BYTES,
                "chunk_size": max(_PART_BYTES, n_bytes // _MOST_PARTS),
                "max_concurrency": _PARTS_AT_ONCE,
            }
        else:  # mapped, as its bytes are sent from where they are
            content = np.memmap(file, np.uint8, "r").data
            arguments = {"mode": "create"}
        try:
            self._repeated(
                name,
                lambda: obstore.put(store, name, content, **arguments),
                _purpose("written", AlreadyExistsError),
            )
        except AlreadyExistsError as error:
            raise FileExistsError(self.url(name)) from error
        except FileNotFoundError as error:
            raise self._no_bucket(name) from error

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        store = self._connected(name)
        with suppress(FileNotFoundError):
            self._repeated(name, lambda: store.delete(name), _purpose("removed"))

    def _connected(self, name: str, n_bytes: int = 0) -> Any:
        """Return a connection on which so many bytes may be sent in one request."""
        place = shown(self.url(name))
        check_process(place)
        # Servers are silent until they have everything.
        seconds = max(_SHORTEST_TIMEOUT_S, n_bytes // _SLOWEST_BYTES_PER_S)
        return connect(self.folder, place, {}, seconds, seconds)

    def _repeated(
        self, name: str, request: Callable[[], Answer], purpose: Purpose
    ) -> Answer:
        """Return the answer to a request; again if the server or network fails.

        Raises
        ------
        FileNotFoundError, AlreadyExistsError
            If there is no such object, or bucket, or there is one.
        EcgStoreError
            If it fails for another reason.
        """
        return repeated(
            request,
            shown(self.url(name)),
            threading.Event(),  # which nobody sets
            expected="a bucket",
            purpose=purpose,
        )

    def _no_bucket(self, name: str) -> EcgStoreError:
        """Return the error for a bucket that is not there."""
        return EcgStoreError(
            f"{shown(self.url(name))}: there is no such bucket; create it, or choose "
            "another output"
        )


def _purpose(done: str, *answers: type[Exception]) -> Purpose:
    """Return the purpose of a request by which an object is read, written or removed.

    Parameters
    ----------
    done : str
        What is done to it.
    *answers : type
        Errors that are answers, besides that there is no such object.
    """
    return Purpose(
        f"cannot be {done}",
        "check the address and the connection, and run the same command again to "
        "resume",
        (FileNotFoundError, *answers),
    )
