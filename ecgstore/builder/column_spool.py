"""Keep arrays in a temporary file: all columns of many stores take gigabytes."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

from ecgstore.system.atomic_files import write_errors


@dataclass(frozen=True, slots=True)
class Piece:
    """Where an array lies in a spool, its type and its shape."""

    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


class ColumnSpool:
    """Arrays in a temporary file, which has no name and ends with the process.

    Parameters
    ----------
    final : Path
        The file that is made of them, for messages: the spool is in its folder.
    """

    def __init__(self, final: Path) -> None:
        self._final = final
        self._n_bytes = 0
        self._content: NDArray[np.uint8] | None = None
        with write_errors(final):
            self._file: IO[bytes] = tempfile.TemporaryFile(  # noqa: SIM115  # see exit
                dir=final.parent
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._content = None
        self._file.close()

    def add(self, values: NDArray[Any]) -> Piece:
        """Write an array behind the others, before any is read.

        Raises
        ------
        EcgStoreError
            If the disk is full.
        """
        piece = Piece(self._n_bytes, values.dtype, values.shape)
        content = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        with write_errors(self._final):
            self._file.write(content.data)
        self._n_bytes += values.nbytes
        return piece

    def read(self, piece: Piece) -> NDArray[Any]:
        """Return a view of an array."""
        return np.ndarray(piece.shape, piece.dtype, self._mapped(), piece.offset)

    def joined(self, pieces: Sequence[Piece]) -> NDArray[Any]:
        """Return a view of arrays of one type that were added one after another."""
        first = pieces[0]
        n_rows = sum(piece.shape[0] for piece in pieces)
        return self.read(Piece(first.offset, first.dtype, (n_rows, *first.shape[1:])))

    def _mapped(self) -> NDArray[np.uint8]:
        """Return the content of the file."""
        if self._content is None:
            with write_errors(self._final):
                self._file.flush()
            # Nothing can be mapped of an empty file.
            self._content = (
                np.memmap(self._file, np.uint8, "r")
                if self._n_bytes
                else np.empty(0, np.uint8)
            )
        return self._content
