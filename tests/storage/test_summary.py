"""The summary of a store."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import ecgstore
from ecgstore.storage import Store
from ecgstore.storage.summary import summarise

WriteRecord = Callable[..., Path]


def test_summary_counts_what_pandas_counts(store: Store, sample_store: Path) -> None:
    summary = summarise(sample_store)
    records, quality = store.records, store.quality
    labels = pd.DataFrame(store.labels(), columns=[*store.label_names])
    assert summary["path"] == str(sample_store)
    assert summary["size_bytes"] == sample_store.stat().st_size
    assert summary["n_records"] == len(records)
    assert summary["n_features"] == store.features().shape[1]
    assert summary["signals"] == {
        "shape": [len(records), 12, 5000],
        "dtype": "int16",
        "fs": 500.0,
    }
    assert summary["software"] == store.software
    assert summary["fingerprint"] == store.fingerprint
    assert summary["beats_engine"] == "ecgstore"
    assert summary["sources"] == records["source"].value_counts().to_dict()
    assert summary["classes"] == labels.sum().to_dict()
    by_fold = labels.groupby(records["fold"].to_numpy())
    assert summary["folds"] == {
        fold: {"records": len(group), "classes": group.sum().to_dict()}
        for fold, group in by_fold
    }
    assert summary["quarantine"] == store.quarantine["reason"].value_counts().to_dict()
    names = {value: name for name, value in store.beats_statuses.items()}
    status = quality["beats_status"].map(names).value_counts()
    assert summary["beats"] == status.to_dict()

    def flagged(column: str, least: float = 0) -> int:
        columns = [f"{column}_{lead}" for lead in ecgstore.LEADS]
        return int((quality[columns] > least).any(axis=1).sum())

    flags = {
        "a lead is flat": flagged("flat_fraction", 0.9999),
        "a lead is clipped": flagged("clipped_fraction"),
        "missing samples interpolated": flagged("missing_fraction"),
        "exceeds the range of int16": flagged("saturated_fraction"),
        "header checksum differs": flagged("checksum_differs"),
        "header first value differs": flagged("first_value_differs"),
        "shorter than stored, padded": int((quality["pad_length"] > 0).sum()),
    }
    assert summary["flags"] == {name: n for name, n in flags.items() if n}


def test_every_flag_is_counted(tmp_path: Path, write_record: WriteRecord) -> None:
    """One or two records per flag, and one without any."""
    noise = np.random.default_rng(4).integers(-900, 900, (12, 5000))
    folder = write_record("A0001", noise).parent
    for number, (lead, samples, value) in enumerate(
        [(1, slice(None), 5), (11, slice(0, 900), 32767), (4, slice(50, 60), -32768)]
    ):
        changed = noise.copy()
        changed[lead, samples] = value
        write_record(f"A000{number + 2}", changed)
    pulse = noise.copy()
    pulse[3, 1000:1100] = 20_000
    write_record("A0005", pulse, gain="400/mV")
    write_record("A0006", noise[:, :4000])
    for record_id, field in (("A0007", 6), ("A0008", 5), ("A0009", 6)):
        header = write_record(record_id, noise)
        lines = header.read_text().splitlines()
        fields = lines[12].split()
        fields[field] = str(int(fields[field]) - 1)
        lines[12] = " ".join(fields)
        header.write_text("\n".join([*lines, ""]))
    config, out = ecgstore.Config(beats="none"), tmp_path / "o.h5"
    ecgstore.build_store([folder], out, config, n_workers=1, quiet=True)
    summary = summarise(out)
    assert summary["flags"] == {
        "a lead is flat": 1,
        "a lead is clipped": 2,  # A0005 is beyond 32.767 mV
        "missing samples interpolated": 1,
        "exceeds the range of int16": 1,
        "header checksum differs": 2,
        "header first value differs": 1,
        "shorter than stored, padded": 1,
    }
    assert summary["beats"] == {"not_computed": 9}
    assert summary["n_records"] == 9
