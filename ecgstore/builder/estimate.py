"""Say before a long build how much room and time it takes, at most."""

import shutil
import sys
import time
from pathlib import Path
from typing import Final

from ecgstore.beats import BeatStatus
from ecgstore.config import Config
from ecgstore.features import defined_features, measure as measure_features
from ecgstore.sample import sample_folder
from ecgstore.signals.quality import measure as measure_quality
from ecgstore.signals.signature import signature
from ecgstore.signals.stored_form import stored_form
from ecgstore.sources import read_record, signal_sha256
from ecgstore.storage.format import schema

LONG_BUILD: Final = 5000
"""Records from which a build is long: it takes half a minute or more."""

_TYPICAL_TEXT: Final = 24  # bytes
_ROUNDS: Final = 3
_ROWS: Final = 1000


def announce(
    n_records: int | None, room: Path | None, config: Config, n_workers: int | None
) -> None:
    """Print how much room and time the records below the sources take.

    Nothing is said of small builds, nor if a limit or windows make the number of rows
    unknown.

    Parameters
    ----------
    n_records : int or None
        Number of headers found; fewer records may be selected.
    room : Path or None
        Folder on the disk that gets the store; None if none gets all of it.
    config : Config
        Options of the build.
    n_workers : int or None
        Number of processes; None if an executor does the work.
    """
    if n_records is None or n_records < LONG_BUILD or config.windows is not None:
        return
    size = f"{n_records * _bytes_of_row(config) / 1e9:.1f} GB"
    if room is not None:
        free = shutil.disk_usage(room).free
        size += f" in {room} ({free / 1e9:.1f} GB free)"
    seconds = n_records * seconds_of_record(config)
    if n_workers is None:
        how_long = f"{seconds / 3600:.1f} hours of one core like this one's"
    else:
        minutes = seconds / 60 / n_workers
        how_long = f"{max(1, round(minutes))} min with {n_workers} processes"
    print(
        f"{n_records} records found; if all are selected: {size}, and about {how_long}",
        file=sys.stderr,
        flush=True,
    )


def _bytes_of_row(config: Config) -> float:
    """Return the bytes of a row, with texts of a typical length."""
    specs = schema.store_specs(
        config,
        _ROWS,
        dict.fromkeys(schema.RECORD_TEXTS, _TYPICAL_TEXT),
        features=[
            (feature.name, feature.unit)
            for feature in defined_features(config.duration_s, config.fs, config.leads)
        ],
        beats_status={status.name.lower(): int(status) for status in BeatStatus},
    )
    return sum(spec.nbytes for spec in specs) / _ROWS


def seconds_of_record(config: Config) -> float:
    """Return how long a core of this machine works for one record, without the disk.

    Scan and fill of a record of the bundled sample, the fastest of three rounds.
    """
    header = sample_folder() / "ptb-xl" / "g1" / "HR00001.hea"
    fastest = float("inf")
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        for _ in ("scan", "fill"):
            record = read_record(header)
        signal_sha256(record.signal)
        signature(record.signal, record.fs)
        measure_quality(record.signal, record.fs)
        prepared = stored_form(record.signal, record.fs, config)
        measure_features(prepared, config)
        fastest = min(fastest, time.perf_counter() - began)
    return fastest
