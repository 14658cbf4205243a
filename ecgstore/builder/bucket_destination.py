"""A build's store is an object in a bucket; unfinished files stay on this machine."""

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ecgstore.builder.damage import check_written
from ecgstore.builder.destination import ShardPlace
from ecgstore.builder.parts_bucket import PartsBucket
from ecgstore.builder.uploads import is_uploaded, upload
from ecgstore.storage.remote.bucket import Bucket
from ecgstore.storage.remote.cache import DEFAULT_CACHE, chosen_cache, default_cache
from ecgstore.system.atomic_files import make_folder
from ecgstore.system.urls import divided, shown

_N_DIGITS: Final = 16


class BucketDestination:
    """An object in a bucket; see `Destination`.

    Unfinished files are in a folder of the user's cache, whose name is made of the URL,
    so that the same command finds them; in that of the default cache, if there is none.

    Parameters
    ----------
    url : str
        Its URL.
    """

    def __init__(self, url: str) -> None:
        folder, self._name = divided(url)
        self.folder: Path | str = folder
        self._bucket = Bucket(folder)
        self._shown = shown(url)
        digest = hashlib.sha256(url.encode()).hexdigest()[:_N_DIGITS]
        cache = chosen_cache(DEFAULT_CACHE) or default_cache()
        self.local = cache / "builds" / f"{digest}-{self._name}" / self._name
        self.parts: ShardPlace = PartsBucket.of(url)

    def __str__(self) -> str:
        """Return its URL."""
        return self._shown

    def check(self) -> None:
        """Check that the bucket can be asked."""
        self._bucket.size(self._name)

    def prepare(self, quiet: bool) -> None:
        """Make the folder for unfinished files, and say where it is."""
        make_folder(self.local.parent)
        if not quiet:
            print(
                f"until {self} is complete, what is unfinished is in "
                f"{self.local.parent}",
                file=sys.stderr,
                flush=True,
            )

    def exists(self) -> bool:
        """Return whether there is an object of that name."""
        return self._bucket.size(self._name) is not None

    def has(self, file: Path) -> bool:
        """Return whether a file was uploaded, by a build that was killed then."""
        try:
            return is_uploaded(file, self._bucket, self._name)
        except OSError:  # there is no file, or it cannot be read
            return False

    def put(self, file: Path, *, overwrite: bool) -> None:
        """Upload a finished store, and remove it here."""
        check_written(file)
        upload(file, self._bucket, self._name, overwrite=overwrite)
        file.unlink()

    @contextmanager
    def writing(self, *, overwrite: bool) -> Iterator[Path]:
        """Yield the name of a file, and upload it."""
        yield self.local
        upload(self.local, self._bucket, self._name, overwrite=overwrite)
        self.local.unlink()

    def clean(self) -> None:
        """Remove the folder for unfinished files, unless there are some."""
        with suppress(OSError):
            self.local.parent.rmdir()
            self.local.parent.parent.rmdir()
