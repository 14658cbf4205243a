"""Targets and columns of tables as fields of batches."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import ecgstore
from ecgstore import pipes
from ecgstore.config import Config
from ecgstore.storage import Store


@pytest.fixture(scope="module")
def with_targets(
    tmp_path_factory: pytest.TempPathFactory, dozen_records: Path
) -> Iterator[Store]:
    """Yield a store with a target and two columns of a table."""
    folder = tmp_path_factory.mktemp("targets")
    names = sorted(path.stem for path in dozen_records.rglob("*.hea"))
    lines = [
        f"{name},{place * 5 if place % 3 else ''},{name.lower()},{place}"
        for place, name in enumerate(names)
    ]
    table = folder / "labels.csv"
    table.write_text("\n".join(["record_id,ef,site,ward", *lines]))
    config = Config(
        beats="none", select="all", targets=("ef", "age"), columns=("site", "ward")
    )
    out = folder / "out.h5"
    ecgstore.build_store(
        [dozen_records], out, config, labels=table, n_workers=1, quiet=True
    )
    with ecgstore.open(out) as store:
        yield store


def test_batches_have_the_targets_of_their_rows(with_targets: Store) -> None:
    expected = with_targets.targets()
    assert np.isnan(expected).any()
    loader = pipes.loader(
        with_targets, 5, shuffle=True, fields=("targets", "site", "ward")
    )
    n_read = 0
    for batch in loader:
        assert batch.targets is not None
        assert batch.targets.dtype == torch.float32
        rows = batch.rows.numpy()
        assert np.array_equal(batch.targets.numpy(), expected[rows], equal_nan=True)
        records = with_targets.records.iloc[rows]
        assert batch.columns["site"] == records["site"].tolist()
        ward = batch.columns["ward"]
        assert isinstance(ward, torch.Tensor)
        assert ward.tolist() == records["ward"].tolist()
        n_read += len(batch)
    assert n_read == len(with_targets)


def test_datasets_have_targets(with_targets: Store) -> None:
    dataset = with_targets.as_dataset(fields=("signals", "targets"))
    targets = dataset[[2, 0]]["targets"]
    assert isinstance(targets, torch.Tensor)
    expected = with_targets.targets([2, 0])
    assert np.array_equal(targets.numpy(), expected, equal_nan=True)


def test_a_store_without_targets_has_no_such_field(store: Store) -> None:
    with pytest.raises(ValueError, match="no field 'targets'"):
        pipes.RecordReader(store, ("targets",))
