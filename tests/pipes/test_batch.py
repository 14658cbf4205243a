"""Batches: their units, devices, pinned memory, and that they belong to their user."""

import pickle
from collections.abc import Iterable
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ecgstore
from ecgstore import pipes
from ecgstore.config import Config
from ecgstore.pipes.batch import Batch
from ecgstore.pipes.reading.record_reader import ARRAYS
from ecgstore.pipes.testing import digest
from ecgstore.record import LEADS
from ecgstore.sample import sample_folder
from ecgstore.storage import Store
from tests.pipes.reading.stored import row_batch


def test_in_mv_returns_a_batch_without_signals_unchanged(store: Store) -> None:
    batch = pipes.RecordReader(store, "labels").read(row_batch([1]))
    assert batch.in_mv() is batch


def test_batches_belong_to_their_user(store: Store) -> None:
    """Changes to a batch do not affect later batches and other epochs."""

    def overwrite(batch: Batch) -> Batch:
        for tensor in batch.tensors():
            tensor.zero_()
        batch.seeds[:] = 0
        batch.names[:] = b""
        return batch

    def make(prefetch: int, **options: Any) -> Any:
        return pipes.loader(
            store,
            5,
            shuffle=True,
            fields=(*ARRAYS, "age", "fold"),
            window=pipes.RandomCrop(10),
            prefetch=prefetch,
            **options,
        )

    for prefetch in (0, 2):
        plain = [digest(batch) for batch in make(prefetch)]
        loader = make(prefetch)
        for _ in range(2):
            loader.set_epoch(1)
            for batch in loader:
                overwrite(batch)
            loader.set_epoch(0)
            assert [digest(batch) for batch in loader] == plain


def test_texts_and_names_stay_with_a_moved_batch(store: Store) -> None:
    batch = pipes.RecordReader(store, ("labels", "age", "dx")).read(row_batch([1, 2]))
    moved = batch.to("meta")
    assert list(moved.columns) == list(batch.columns)
    assert moved.columns["dx"] == batch.columns["dx"]
    assert moved.record_ids == batch.record_ids


def test_every_tensor_is_pinned(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = pipes.RecordReader(store, (*ARRAYS, "age", "dx")).read(row_batch([1, 2]))
    pinned: list[torch.Tensor] = []

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        pinned.append(tensor.clone())
        return pinned[-1]

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    tensors = list(batch.pin_memory().tensors())
    assert len(tensors) == 8
    assert {id(tensor) for tensor in tensors} == {id(tensor) for tensor in pinned}


def test_a_batch_has_leads_and_sampling_rate(tmp_path: Path) -> None:
    out = tmp_path / "slow.h5"
    config = Config(fs=250, beats="none", limit=2)
    ecgstore.build_store([sample_folder()], out, config, n_workers=1, quiet=True)
    with ecgstore.open(out) as slow:
        for leads in (None, ("V5", "II")):
            batch = next(iter(pipes.loader(slow, 2, leads=leads)))
            assert batch.leads == (leads or LEADS)
            assert batch.fs == 250


def test_changed_seeds_do_not_affect_the_next_epoch(store: Store) -> None:
    # The same epoch again, while the order's chunk is cached.
    for prefetch in (0, 2):
        loader = pipes.loader(store, 5, shuffle=True, fields=(), prefetch=prefetch)
        plain = [digest(batch) for batch in loader]
        loader.set_epoch(0)
        for batch in loader:
            batch.seeds[:] = 0
            batch.rows.zero_()
        loader.set_epoch(0)
        assert [digest(batch) for batch in loader] == plain


def test_repr_lists_the_tensors(store: Store) -> None:
    batch = pipes.RecordReader(store, ("signals", "age"), dtype="int16").read(
        row_batch([1, 2, 3])
    )
    assert len(batch) == 3
    assert repr(batch) == (
        "<Batch of 3: rows int64[3], n_real_samples int64[3], "
        "signals int16[3, 12, 5000]>"
    )
    assert len(list(batch.tensors())) == 4
    moved = batch.to("meta")
    assert all(tensor.is_meta for tensor in moved.tensors())
    assert not batch.rows.is_meta


def test_replace_changes_the_named_fields_only(store: Store) -> None:
    batch = pipes.RecordReader(store, ("signals", "labels", "age")).read(
        row_batch([1, 2])
    )
    assert batch.signals is not None
    changed = batch.replace(
        signals=-batch.signals, columns={**batch.columns, "note": ["a", "b"]}
    )
    assert changed.signals is not None
    assert torch.equal(changed.signals, -batch.signals)
    assert list(changed.columns) == ["age", "note"]
    for name in ("rows", "labels", "names", "seeds", "n_real_samples", "leads", "fs"):
        assert getattr(changed, name) is getattr(batch, name)
    assert batch.replace(labels=None).labels is None


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"signal": 1}, TypeError, "no field 'signal'; did you mean signals. expected"),
        ({"signals": np.zeros((2, 12, 5))}, TypeError, "signals .* is ndarray; expec"),
        ({"rows": None}, TypeError, "rows of a batch is NoneType; expected a tensor"),
        ({"labels": torch.zeros(3, 7)}, ValueError, r"labels .* \[3, 7\]; expected 2"),
        ({"rows": torch.zeros(3)}, ValueError, r"shape .* expected 3 records"),
    ],
)
def test_wrong_replacements_are_refused(
    store: Store, changes: dict[str, Any], error: type, message: str
) -> None:
    batch = pipes.RecordReader(store, "labels").read(row_batch([1, 2]))
    with pytest.raises(error, match=message):
        batch.replace(**changes)


def test_an_assignment_names_replace(store: Store) -> None:
    batch: Any = pipes.RecordReader(store, "labels").read(row_batch([1, 2]))
    with pytest.raises(FrozenInstanceError, match=r"batch = batch.replace\(signals=."):
        batch.signals = None
    with pytest.raises(
        FrozenInstanceError, match=r"'lables'; did you mean labels. exp"
    ):
        batch.lables = None


def test_an_index_names_the_fields(store: Store) -> None:
    batch: Any = pipes.RecordReader(store, ("signals", "labels"), window=(0, 9)).read(
        row_batch([1, 2])
    )
    message = "neither a dict nor a tuple; .* here batch.signals and batch.labels"
    with pytest.raises(TypeError, match=message):
        batch["signals"]
    with pytest.raises(TypeError, match=message):
        _signals, _labels = batch
    assert not isinstance(batch, Iterable)  # Lightning would iterate over it


def test_a_batch_survives_pickling(store: Store) -> None:
    batch = pipes.RecordReader(store, (*ARRAYS, "age", "dx")).read(row_batch([1, 2]))
    assert digest(pickle.loads(pickle.dumps(batch))) == digest(batch)


def test_labels_go_into_a_loss_as_they_are(store: Store) -> None:
    batch = pipes.RecordReader(store, "labels").read(row_batch(range(len(store))))
    assert batch.labels is not None
    assert batch.labels.dtype == torch.float32
    np.testing.assert_array_equal(batch.labels, store.labels())
    torch.nn.BCEWithLogitsLoss()(torch.zeros(batch.labels.shape), batch.labels)
