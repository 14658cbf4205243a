"""State files of other trainings, and damaged ones, are refused."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import h5py
import pytest
import torch
from hypothesis import given, settings, strategies as st

import ecgstore
from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.models.torch_files import read_torch_file, write_torch_file
from ecgstore.models.training.fit import fit
from ecgstore.models.training.state import FORMAT
from ecgstore.storage import Selection, Store
from tests.models.training.small_trainings import (
    TRAINING_ROWS,
    VALIDATION_ROWS,
    TinyNetwork,
    fast_settings,
)

IDENTITY = {"model": "tiny"}
pytestmark = pytest.mark.usefixtures("one_thread")


def resume_from(
    path: Path,
    training: Selection,
    validation: Selection | None,
    network: TinyNetwork | None = None,
    identity: dict[str, Any] | None = IDENTITY,
    leads: Sequence[str] | None = None,
    **changes: Any,
) -> None:
    """Resume the training of the fixture `state_file`, possibly with changes."""
    fit(
        network or TinyNetwork(),
        training,
        validation,
        fast_settings(**{"epochs": 1, **changes}),
        leads=leads,
        state_file=path,
        identity=identity,
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"settings": {"learning_rate": 0.01}},
            r"settings\.learning_rate was 0\.03, now it is 0\.01",
        ),
        ({"training": range(8)}, ": training was "),
        ({"validation": range(9, 12)}, ": validation was "),
        ({"validation": None}, ": validation was .*now it is None"),
        ({"leads": ("I", "V2")}, r"leads was None, now it is \['I', 'V2'\]"),
        ({"identity": {"model": "other"}}, "model was 'tiny', now it is 'other'"),
        ({"identity": None}, "model was 'tiny', now it is None"),
        ({"identity": {"model": "tiny", "by": 1}}, "by was None, now it is 1"),
    ],
)
def test_a_training_with_other_settings_or_records_is_refused(
    store: Store, state_file: Path, change: dict[str, Any], message: str
) -> None:
    rows = {"training": TRAINING_ROWS, "validation": VALIDATION_ROWS, **change}
    validation_rows = rows["validation"]
    content = state_file.read_bytes()
    with pytest.raises(EcgStoreError, match=message) as caught:
        resume_from(
            state_file,
            store.select(rows=rows["training"]),
            None if validation_rows is None else store.select(rows=validation_rows),
            identity=change.get("identity", IDENTITY),
            leads=change.get("leads"),
            **change.get("settings", {}),
        )
    assert str(caught.value).endswith("or choose another folder")
    assert "\n" not in str(caught.value)
    assert state_file.read_bytes() == content


def test_another_store_is_refused(
    sample_store: Path, state_file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.h5"
    shutil.copy(sample_store, other)
    with h5py.File(other, "r+") as file:
        file["fingerprint"][()] = b"0" * 64
    with ecgstore.open(other) as store, pytest.raises(EcgStoreError, match="fingerpr"):
        resume_from(
            state_file,
            store.select(rows=TRAINING_ROWS),
            store.select(rows=VALIDATION_ROWS),
        )


def test_a_network_of_another_shape_is_refused(
    training: Selection, validation: Selection, state_file: Path
) -> None:
    other = TinyNetwork(has_state=False)
    with pytest.raises(SchemaError, match=r"does not fit.*of the same network"):
        resume_from(state_file, training, validation, other)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.7, 0.99])
def test_a_truncated_file_is_refused(
    training: Selection,
    validation: Selection,
    state_file: Path,
    tmp_path: Path,
    share: float,
) -> None:
    content = state_file.read_bytes()
    path = tmp_path / "last.pt"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(SchemaError, match=r"last\.pt: no ecgstore training state"):
        resume_from(path, training, validation)


@pytest.mark.parametrize(
    "content",
    [
        {"format": "ecgstore model", "version": 1},
        {"format": "ecgstore training state"},
        {"format": "ecgstore training state", "version": 1},
        {"format": "ecgstore training state", "version": 2},
        {"weight": torch.zeros(3)},
        [1, 2],
    ],
)
def test_a_file_of_another_format_is_refused(
    training: Selection, validation: Selection, tmp_path: Path, content: Any
) -> None:
    path = tmp_path / "last.pt"
    torch.save(content, path)
    with pytest.raises(SchemaError, match=r"last\.pt: "):
        resume_from(path, training, validation)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_a_schema_error(
    state_file: Path, data: st.DataObject
) -> None:
    content = bytearray(state_file.read_bytes())
    damage = data.draw(st.sampled_from(["noise", "pickle", "changed bytes"]))
    if damage == "changed bytes":
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] ^= 0x5A
    else:
        content = bytearray(data.draw(st.binary(max_size=60)))
        if damage == "pickle":
            content = bytearray(b"\x80\x02") + content
    path = state_file.with_name("broken.pt")
    path.write_bytes(content)
    changed = bytes(content) != state_file.read_bytes()
    with pytest.raises(SchemaError) if changed else nullcontext() as caught:
        read_torch_file(path, FORMAT)
    assert caught is None or str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("entry", "content"),
    [
        ("identity", None),
        ("parts", [1]),
        ("parts", {"network": None}),
        ("random", 1),
        ("random", {}),
        ("random", {"cpu": torch.zeros(3)}),
        ("progress", "x"),
        ("progress", {"best_weights": {}}),
        ("version", torch.zeros(3)),
        ("version", True),
        ("version", 1),
    ],
)
def test_entries_of_other_types_are_refused(
    training: Selection,
    validation: Selection,
    state_file: Path,
    entry: str,
    content: Any,
    tmp_path: Path,
) -> None:
    path = tmp_path / "state.pt"
    values = {**torch.load(state_file, weights_only=True), entry: content}
    write_torch_file(path, FORMAT, values)
    with pytest.raises(SchemaError, match=r"state\.pt: (?!.*SHA-256)"):
        resume_from(path, training, validation)


def _nan(weights: dict[str, torch.Tensor]) -> None:
    weights["head.bias"][0] = float("nan")


def _double(weights: dict[str, torch.Tensor]) -> None:
    weights["head.bias"] = weights["head.bias"].double()


def _longer(weights: dict[str, torch.Tensor]) -> None:
    weights["head.bias"] = weights["head.bias"].repeat(2)


def _missing(weights: dict[str, torch.Tensor]) -> None:
    del weights["head.bias"]


@pytest.mark.parametrize("change", [_nan, _double, _longer, _missing])
def test_best_weights_that_the_network_cannot_have_are_refused(
    training: Selection,
    validation: Selection,
    state_file: Path,
    change: Callable[[dict[str, torch.Tensor]], None],
    tmp_path: Path,
) -> None:
    values = torch.load(state_file, weights_only=True)
    change(values["progress"]["best_weights"])
    path = tmp_path / "state.pt"
    write_torch_file(path, FORMAT, values)
    with pytest.raises(SchemaError, match=r"state\.pt: its progress .* cannot be used"):
        resume_from(path, training, validation)


@pytest.mark.parametrize(
    ("name", "value"), [("best", 2), ("best", "1"), ("best", 0), ("epochs", [])]
)
def test_a_history_that_is_none_is_refused(
    training: Selection,
    validation: Selection,
    state_file: Path,
    name: str,
    value: Any,
    tmp_path: Path,
) -> None:
    values = torch.load(state_file, weights_only=True)
    values["progress"]["history"][name] = value
    path = tmp_path / "state.pt"
    write_torch_file(path, FORMAT, values)
    with pytest.raises(SchemaError, match=r"state\.pt: its progress .* cannot be used"):
        resume_from(path, training, validation)
