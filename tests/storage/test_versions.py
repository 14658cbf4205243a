"""Stores of every version of the format, as they were written, are still read.

Three records of the bundled sample, 2 s at 100 Hz, and one in quarantine. The
collection has two parts, in the folder beside it.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

import pytest

import ecgstore
from ecgstore.storage.verify import verify

DATA = Path(__file__).parent / "data"


class Old(NamedTuple):
    """A store, and what it held when it was written."""

    name: str
    fingerprint: str
    features_sha256: str
    r_peaks: list[int]


VERSION_1 = Old(
    "version-1.h5",
    "dbd03efc97d87f55f772e04dd5b872d7f5dda648bdf5b68915c3087adab5593e",
    "1deb5bb3a93a093685dc350454149516ed547706b518e0c874dbac14558bd6d7",
    [42, 79, 114, 150],
)
VERSION_2 = Old(
    "version-2.h5",
    "dbcea454005aaf36127c0a90953698c9c38618c4c495d24cc20b6f2867df92e4",
    "079285a23aa4c38ddd817cc792cb6bd8c8bd9f8f3d8ea85f8dacb8c658f90fb2",
    [5, 42, 79, 114, 150],
)
COLLECTION = VERSION_2._replace(
    name="version-2-collection.h5",
    fingerprint="0d6903c31500bc8391b9d90a813f274412ccdcf1b3601000276a15cf170ec519",
)


@pytest.mark.parametrize(
    "old", [VERSION_1, VERSION_2, COLLECTION], ids=lambda o: o.name
)
def test_old_stores_read_as_they_did(old: Old) -> None:
    assert list(verify(DATA / old.name)) == []
    with ecgstore.open(DATA / old.name, verify="first-touch") as store:
        assert list(store) == ["A0001", "A0002", "A0003"]
        signals = store.signals([0, 1, 2], dtype="int16")
        assert hashlib.sha256(signals.tobytes()).hexdigest() == (
            "0824b47a66cccbc9cf72393bf86a6d6d3be669376cf6e600f6ae49a084509019"
        )
        features = store.table("features")[:]
        assert hashlib.sha256(features.tobytes()).hexdigest() == old.features_sha256
        assert store.fingerprint == old.fingerprint
        assert store.software.startswith("ecgstore 0.1.0, ")
        assert store["A0003"].r_peaks.tolist() == old.r_peaks
        assert store.records["dx"].tolist() == ["59118001", "426783006", "164889003"]
        assert store.quarantine["reason"].tolist() == ["truncated_signal_file"]
        assert len(store.parts) == (2 if old is COLLECTION else 0)
