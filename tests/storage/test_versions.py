"""A store of format version 1, made by the release that wrote it, is still read."""

import hashlib
from pathlib import Path

import ecgstore
from ecgstore.storage.verify import verify

VERSION_1 = Path(__file__).parent / "data" / "version-1.h5"
"""Three records of the bundled sample, 2 s at 100 Hz, and one in quarantine."""


def test_version_1_has_no_damage() -> None:
    assert list(verify(VERSION_1)) == []


def test_version_1_reads_as_it_did() -> None:
    with ecgstore.open(VERSION_1, verify="first-touch") as store:
        assert list(store) == ["A0001", "A0002", "A0003"]
        signals = store.signals([0, 1, 2], dtype="int16")
        assert hashlib.sha256(signals.tobytes()).hexdigest() == (
            "0824b47a66cccbc9cf72393bf86a6d6d3be669376cf6e600f6ae49a084509019"
        )
        assert hashlib.sha256(store.table("features").tobytes()).hexdigest() == (
            "1deb5bb3a93a093685dc350454149516ed547706b518e0c874dbac14558bd6d7"
        )
        assert store.fingerprint == (
            "dbd03efc97d87f55f772e04dd5b872d7f5dda648bdf5b68915c3087adab5593e"
        )
        assert store.software.startswith("ecgstore 0.1.0, ")
        assert store["A0003"].r_peaks.tolist() == [42, 79, 114, 150]
        assert store.records["dx"].tolist() == ["59118001", "426783006", "164889003"]
        assert store.quarantine["reason"].tolist() == ["truncated_signal_file"]
