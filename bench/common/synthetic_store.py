"""Write a store of any number of rows whose signals take no room on the disk."""

from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import BytesArray, IntArray
from ecgstore.beats.types import BeatStatus
from ecgstore.config import N_FOLDS, Config
from ecgstore.storage.format import schema
from ecgstore.storage.format.digest_table import FINGERPRINT
from ecgstore.storage.format.integrity import row_checksum
from ecgstore.storage.format.layout import create_file
from ecgstore.storage.format.stored_values import encoded

CONFIG: Final = Config(select="all", beats="none")

SOURCES: Final = (
    "cpsc_2018",
    "cpsc_2018_extra",
    "georgia",
    "ptb",
    "ptb-xl",
    "st_petersburg_incart",
)
FEATURE: Final = "mean_hr"

_SEXES: Final = np.array([b"male", b"female", b"unknown"])
_N_DIAGNOSES: Final = 4000
"""Different lists of codes: as many as in the 43,101 records of the Challenge."""

_WIDTHS: Final = {
    **dict.fromkeys(schema.LEAD_TEXTS, 2),
    "record_id": 12,
    "source": 20,
    "path": 48,
    "patient_id": 9,
    "sex": 7,
    "dx": 59,
    "sha256": 64,
}
_BLOCK_ROWS: Final = 1 << 17


def make_store(path: Path, n_rows: int, n_features: int) -> None:
    """Write a store with random tables; signals, marks and most features are zero.

    What is zero is never written, so that a file of 1.2 TB takes less than 5 GB where
    the system supports holes in files. Rows are in the order of a build: by source,
    then by name.

    Parameters
    ----------
    path : Path
        The file, replaced if it exists.
    n_rows, n_features : int
        Number of records and of handcrafted features.
    """
    features = [(FEATURE, "1/min"), *((f"f{k}", "1") for k in range(1, n_features))]
    specs = schema.store_specs(
        CONFIG,
        n_rows,
        _WIDTHS,
        features=features,
        beats_status={status.name.lower(): status.value for status in BeatStatus},
    )
    create_file(path, specs, schema.file_attributes(schema.FORMAT.version, "synthetic"))
    with h5py.File(path, "r+", locking=False) as file:
        write_tables(file, n_rows)
        file[FINGERPRINT][()] = encoded("0" * 64)


def write_tables(file: h5py.File, n_rows: int) -> None:
    """Write the tables that selections, groups and loaders read."""
    diagnoses = _diagnoses(np.random.default_rng(0))
    signals = file[schema.SIGNALS]
    checksum = row_checksum(np.zeros(signals.shape[1:], signals.dtype))
    for begin in range(0, n_rows, _BLOCK_ROWS):
        rows = np.arange(begin, min(begin + _BLOCK_ROWS, n_rows))
        block = slice(begin, begin + len(rows))
        for name, values in _records(rows, n_rows, diagnoses).items():
            dataset = file[schema.RECORDS][name]
            dataset[block] = values.astype(dataset.dtype)  # texts become UTF-8
        rng = np.random.default_rng([1, begin])
        labels = rng.random((len(rows), file[schema.LABELS].shape[1])) < 0.1
        file[schema.LABELS][block] = labels
        file[schema.CHECKSUMS][block] = checksum
        file[schema.FOLDS][block] = rng.integers(0, N_FOLDS, len(rows))
        file[schema.FEATURES][block, 0] = rng.normal(75, 15, len(rows))


def _records(
    rows: IntArray, n_rows: int, diagnoses: BytesArray
) -> dict[str, NDArray[Any]]:
    """Return columns of records, for some rows."""
    rng = np.random.default_rng([2, int(rows[0])])
    ages = rng.normal(60, 18, len(rows))
    rank = np.minimum(rng.zipf(1.3, len(rows)), len(diagnoses)) - 1
    return {
        "record_id": _numbered(b"E", rows),
        "source": np.array(SOURCES, "S")[rows * len(SOURCES) // n_rows],
        # Of three records, two are of one patient, and the patient of one is unknown.
        "patient_id": np.where(rows % 3 == 2, b"", _numbered(b"P", rows // 3)),
        "age": np.where(rng.random(len(rows)) < 0.01, np.nan, ages),
        "sex": _SEXES[rng.integers(0, len(_SEXES), len(rows))],
        "dx": diagnoses[rank],
        "sha256": np.array([digest.hex() for digest in _digests(rng, len(rows))], "S"),
        "same_ecg": rows,
    }


def _diagnoses(rng: np.random.Generator) -> BytesArray:
    """Return different lists of one to six codes."""
    counts = rng.integers(1, 7, _N_DIAGNOSES)
    lists = (rng.integers(10**8, 10**9, count) for count in counts)
    return np.array([",".join(map(str, codes)) for codes in lists], "S")


def _numbered(letter: bytes, numbers: IntArray) -> BytesArray:
    """Return a letter and a number of eight digits for each number."""
    powers = 10 ** np.arange(7, -1, -1)
    digits = (numbers[:, np.newaxis] // powers % 10 + ord("0")).astype(np.uint8)
    letters = np.full((len(numbers), 1), ord(letter), np.uint8)
    names: BytesArray = np.hstack([letters, digits]).view("S9")[:, 0]
    return names


def _digests(rng: np.random.Generator, n: int) -> list[bytes]:
    """Return random digests."""
    digests: list[bytes] = (
        rng.integers(0, 256, (n, 32), np.uint8).view("V32")[:, 0].tolist()
    )
    return digests
