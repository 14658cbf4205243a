"""Read the parts of a collection at URLs, which are found without a request."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.storage.format import schema
from ecgstore.storage.remote.cache import Identity, cache_entries
from ecgstore.storage.remote.copies import Copy, DiskCopy, MemoryCopy
from ecgstore.storage.remote.line import Line
from ecgstore.storage.remote.mirror import Mirror
from ecgstore.storage.remote.object_reader import Connections, ObjectReader
from ecgstore.storage.remote.signal_check import Checksums, SignalCheck, SignalUnits
from ecgstore.storage.remote.units import Units, region, signal_region
from ecgstore.system.urls import divided, shown


@dataclass(frozen=True, slots=True)
class RemotePart:
    """What a collection says of a part at a URL.

    Attributes
    ----------
    url : str
        Its URL.
    n_bytes, n_rows : int
        Size of the file, and number of its records.
    fingerprint, fingerprint_offset : str, int
        Fingerprint of the store, and where it stands in the file.
    offsets, row_bytes : dict
        Where each large table begins, and the bytes of a row of it, by path.
    """

    url: str
    n_bytes: int
    n_rows: int
    fingerprint: str
    fingerprint_offset: int
    offsets: dict[str, int]
    row_bytes: dict[str, int]


class _PartReader(ObjectReader):
    """A part of a collection, which is compared with it before anything is read.

    Parameters
    ----------
    part : RemotePart
        The part.
    connections : Connections
        Those of all parts.
    refusal : callable
        Returns the error for a part, with a problem.
    """

    def __init__(
        self,
        part: RemotePart,
        connections: Connections,
        refusal: Callable[[str, str], EcgStoreError],
    ) -> None:
        super().__init__(part.url, connections)
        self._part = part
        self._refusal = refusal
        self._identifying = threading.Lock()
        self._is_identified = False

    def read(self, begin: int, end: int) -> bytes:
        """Return a range, if the object is the part that was collected."""
        with self._identifying:
            if not self._is_identified:
                self._identify()
        return super().read(begin, end)

    def _identify(self) -> None:
        """Compare size and fingerprint."""
        part = self._part
        begin = part.fingerprint_offset
        try:
            found, version = self.begin(begin, begin + len(part.fingerprint))
        except EcgStoreError as error:
            problem = f"cannot be read ({str(error).removeprefix(f'{self.shown}: ')})"
            raise self._refusal(self.shown, problem) from error
        if version.n_bytes != part.n_bytes or found != part.fingerprint.encode():
            problem = "is another store than the one that was collected"
            raise self._refusal(self.shown, problem)
        self._is_identified = True


def part_mirrors(
    parts: Sequence[RemotePart],
    signal_shape: tuple[int, ...],
    checksums: Sequence[Checksums],
    fetch_checksums: Callable[[], object],
    cache: Path | None,
    refusal: Callable[[str, str], EcgStoreError],
) -> list[Mirror]:
    """Return mirrors of parts of a collection; nothing is requested yet.

    They share their connections, and the limit of requests that are under way.

    Parameters
    ----------
    parts : sequence of RemotePart
        The parts, whose numbers were checked.
    signal_shape : tuple of int
        Leads and samples of a row of the signals.
    checksums : sequence of Checksums
        The checksums of the rows of each part, in the collection.
    fetch_checksums : callable
        Fetches them.
    cache : Path, optional
        Folder in which what is fetched is kept; nothing is kept if left out.
    refusal : callable
        Returns the error for a part, from its URL and the problem.
    """
    units = [_units(part, signal_shape, refusal) for part in parts]
    copies: list[Copy] = []
    if cache is None:
        copies += [MemoryCopy(divided(one.url)[1], one.n_bytes) for one in parts]
    else:
        entries = cache_entries(
            cache,
            [
                Identity(shown(one.url), one.n_bytes, {"fingerprint": one.fingerprint})
                for one in parts
            ],
        )
        copies += map(DiskCopy, entries, units)
    connections, line = Connections(), Line()
    mirrors = []
    for part, copy, of_part, sums in zip(parts, copies, units, checksums, strict=True):
        reader = _PartReader(part, connections, refusal)
        mirror = Mirror(reader, copy, of_part, line)
        blocks = Checksums(
            mirror,
            part.offsets[schema.BLOCK_CHECKSUMS],
            part.row_bytes[schema.BLOCK_CHECKSUMS],
        )
        signals = _signal_units(part, of_part, signal_shape)
        mirror.check_with(SignalCheck(signals, sums, blocks, fetch_checksums))
        mirrors.append(mirror)
    return mirrors


def _units(
    part: RemotePart,
    signal_shape: tuple[int, ...],
    refusal: Callable[[str, str], EcgStoreError],
) -> Units:
    """Divide a part into units."""
    regions = [
        signal_region(begin, part.row_bytes[name], (part.n_rows, *signal_shape))
        if name == schema.SIGNALS
        else region(begin, part.row_bytes[name], part.n_rows)
        for name, begin in part.offsets.items()
    ]
    try:
        return Units.of(regions, part.n_bytes)
    except ValueError as error:
        raise SchemaError(
            str(refusal(shown(part.url), f"has tables that overlap ({error})"))
        ) from error


def _signal_units(
    part: RemotePart, units: Units, signal_shape: tuple[int, ...]
) -> SignalUnits:
    """Return which units are signals."""
    begin, row_bytes = part.offsets[schema.SIGNALS], part.row_bytes[schema.SIGNALS]
    of_signals = signal_region(begin, row_bytes, (part.n_rows, *signal_shape))
    return SignalUnits(
        int(units.numbers_at(np.array([begin]))[0]),
        part.n_rows,
        of_signals.n_units // part.n_rows,
        row_bytes,
    )
