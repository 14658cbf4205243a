"""Hybrids as files: the same after reading, or refused in a sentence."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies as st

from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.models import load
from ecgstore.models.array_files import read_arrays, write_arrays
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.hybrid.file import FORMAT, load_hybrid, save_hybrid
from ecgstore.models.hybrid.model import Hybrid
from ecgstore.models.running import run
from ecgstore.storage import Store

Content = tuple[dict[str, Any], dict[str, Any]]


@pytest.fixture(scope="session")
def file(hybrid: Hybrid, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("file") / "model.safetensors"
    save_hybrid(hybrid, path)
    return path


@pytest.fixture(scope="session")
def small_file(small_hybrid: Hybrid, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "model.safetensors"
    save_hybrid(small_hybrid, path)
    return path


def content_of(file: Path) -> Content:
    """Return arrays, which can be written to, and description of a file."""
    arrays, description = read_arrays(file, FORMAT)
    return {name: array.copy() for name, array in arrays.items()}, description


def assert_refused(path: Path, reason: str = "") -> None:
    with pytest.raises(SchemaError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ecgstore hybrid file ")
    assert reason in message
    assert "\n" not in message


# -- the same after reading -------------------------------------------------


@pytest.mark.parametrize("kind", ["hybrid", "small_hybrid"])
def test_a_hybrid_is_the_same_after_reading(
    kind: str, request: pytest.FixtureRequest, store: Store, tmp_path: Path
) -> None:
    hybrid: Hybrid = request.getfixturevalue(kind)
    save_hybrid(hybrid, tmp_path / "model.safetensors")
    for read in (load_hybrid(tmp_path / "model.safetensors"), load(tmp_path)):
        assert isinstance(read, Hybrid)
        assert read.weights_sha256() == hybrid.weights_sha256()
        assert (read.extractor is None) == (hybrid.extractor is None)
        for name in ("label_names", "config", "columns", "versions", "fingerprint"):
            assert getattr(read, name) == getattr(hybrid, name), name
        assert repr(read) == repr(hybrid)
        assert read.fusion.strength == hybrid.fusion.strength
        assert read.origin.keys() == hybrid.origin.keys()
        for name, value in hybrid.origin.items():
            if isinstance(value, torch.Tensor):
                assert torch.equal(read.origin[name], value)
        assert read.origin["settings"] == hybrid.origin["settings"]
        with torch.inference_mode():
            first, second = (
                run(model.runner(store.feature_names, "cpu"), store.select(folds=[9]))
                for model in (hybrid, read)
            )
        np.testing.assert_array_equal(first.logits, second.logits)
        np.testing.assert_array_equal(first.features, second.features)
    save_hybrid(load_hybrid(tmp_path / "model.safetensors"), tmp_path / "again")
    again = (tmp_path / "again").read_bytes()
    assert again == (tmp_path / "model.safetensors").read_bytes()


def test_a_changed_byte_is_noticed(file: Path, hybrid: Hybrid, tmp_path: Path) -> None:
    path, content = tmp_path / "model.safetensors", file.read_bytes()
    n_header = int.from_bytes(content[:8], "little")
    random, refusals = np.random.default_rng(0), []
    for number in range(120):
        changed = bytearray(content)
        place = int(random.integers(n_header if number % 2 else len(content)))
        changed[place] ^= 1 << int(random.integers(8))
        path.write_bytes(changed)
        try:
            assert load_hybrid(path).weights_sha256() == hybrid.weights_sha256()
        except SchemaError as error:
            refusals.append(str(error))
    assert len(refusals) > 115  # a blank in the header may be another blank
    assert all(refusal.startswith(f"{path}: ") for refusal in refusals)


def test_what_was_fitted_is_in_its_hash(hybrid: Hybrid) -> None:
    fusion = hybrid.fusion
    for other in (
        replace(hybrid, thresholds=np.nextafter(hybrid.thresholds, 1)),
        replace(hybrid, fusion=replace(fusion, offset=fusion.offset + 1e-9)),
        replace(hybrid, extractor=None, fusion=_of_two(hybrid)),
    ):
        assert other.weights_sha256() != hybrid.weights_sha256()
    assert replace(hybrid, origin={}).weights_sha256() == hybrid.weights_sha256()


def _of_two(hybrid: Hybrid) -> Any:
    fusion = hybrid.fusion
    return replace(fusion, weights=fusion.weights[:2], centres=fusion.centres[:2])


# -- refused ----------------------------------------------------------------


def test_every_entry_is_needed(file: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    arrays, description = content_of(file)
    for name in arrays:
        if not name.startswith(("origin/", "extractor/origin/")):
            write_arrays(
                path,
                FORMAT,
                {n: a for n, a in arrays.items() if n != name},
                description,
            )
            assert_refused(path)
    for name in description.keys() - {"extractor"}:
        write_arrays(
            path, FORMAT, arrays, {n: v for n, v in description.items() if n != name}
        )
        assert_refused(path, "KeyError")
    without = {n: v for n, v in description.items() if n != "extractor"}
    write_arrays(path, FORMAT, arrays, without)
    assert_refused(path, "fusion.weights")


@pytest.mark.parametrize(
    "change",
    [
        lambda array: array.astype(np.float32 if array.dtype != np.float32 else float),
        lambda array: array[..., None],
        lambda array: np.concatenate([array, array]),
        lambda array: array[:-1],
        lambda array: array.astype(bool) if array.dtype != bool else array * 1,
    ],
    ids=["type", "dimensions", "twice", "shorter", "truths"],
)
def test_arrays_of_other_types_and_shapes_are_refused(
    file: Path, tmp_path: Path, change: Callable[[Any], Any]
) -> None:
    path = tmp_path / "model.safetensors"
    arrays, description = content_of(file)
    for name, array in arrays.items():
        is_list = "origin/" in name  # lists of records may have any length
        if not array.ndim or (is_list and change(array).dtype == array.dtype):
            continue
        write_arrays(path, FORMAT, {**arrays, name: change(array)}, description)
        assert_refused(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_refused(
    file: Path, tmp_path: Path, value: float
) -> None:
    path = tmp_path / "model.safetensors"
    arrays, description = content_of(file)
    may_be_infinite = {"trees/threshold"}
    for name, array in arrays.items():
        if array.dtype.kind != "f" or (np.isinf(value) and name in may_be_infinite):
            continue
        changed = array.copy()
        changed.reshape(-1)[-1] = value
        write_arrays(path, FORMAT, {**arrays, name: changed}, description)
        assert_refused(path)


BAD_VALUES: dict[str, list[Any]] = {
    "label_names": ["NSR", ["NSR"], ["NSR", "NSR"], ["NSR", 1], ["NSR", "MI"], {}, []],
    "config": ["bad", "{}", {}, None, 3, "null", "[]"],
    "columns": ["age", [], ["age", "sex"], [1], None],
    "tree_columns": ["age", [1], ["other"], None],
    "versions": [[], "3", {}, {"beats": 1}, {"beats": "1", "features": 2}, None],
    "strength": ["x", None, [1], {}],
    "fingerprint": [None, 3, [], {}],
    "origin": [[], "x", 3, None, [1]],
    "extractor": [None, [], "x", {}, {"model": "cnn"}, {"model": {"model": "cnn"}}],
}


@pytest.mark.parametrize("name", BAD_VALUES)
def test_descriptions_of_other_kinds_are_refused(
    file: Path, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "model.safetensors"
    arrays, description = content_of(file)
    assert name in description
    for value in BAD_VALUES[name]:
        write_arrays(path, FORMAT, arrays, {**description, name: value})
        assert_refused(path)


def test_lists_of_seen_records_of_other_kinds_are_refused(
    file: Path, tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    arrays, description = content_of(file)
    unlisted = {n: a for n, a in arrays.items() if not n.startswith("origin/")}
    for origin in ({"training_rows": "x"}, {"training_signals": [1, 2]}):
        write_arrays(path, FORMAT, unlisted, {**description, "origin": origin})
        assert_refused(path)


def test_networks_of_other_standardisations_are_refused(
    file: Path, tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    arrays, description = content_of(file)
    arrays["network/networks.1.table_input.mean"] += 1
    write_arrays(path, FORMAT, arrays, description)
    assert_refused(path, "standardise their table differently")


def test_repeated_columns_are_refused(file: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    arrays, description = content_of(file)
    columns = description["columns"]
    twice = [columns[1], *columns[1:]]
    write_arrays(path, FORMAT, arrays, {**description, "columns": twice})
    assert_refused(path)


def test_parts_that_do_not_fit_are_refused(hybrid: Hybrid) -> None:
    assert hybrid.extractor is not None
    other, fusion = replace(hybrid.config, fs=400.0), hybrid.fusion
    of_v6 = replace(hybrid.extractor.model, leads=("I", "II", "V6"))
    for change, reason in (
        ({"thresholds": hybrid.thresholds * np.nan}, "thresholds"),
        ({"thresholds": hybrid.thresholds + 1.5}, "thresholds"),
        ({"fusion": replace(fusion, scale=0 * fusion.scale)}, "scale"),
        ({"extractor": replace(hybrid.extractor, model=of_v6)}, "extractor"),
        ({"label_names": ("AF", "NSR")}, "classes of the trees"),
        ({"config": other}, "extractor"),
        ({"extractor": replace(hybrid.extractor, config=other)}, "extractor"),
        ({"extractor": replace(hybrid.extractor, label_names=("A", "B"))}, "extractor"),
        ({"extractor": None}, "fusion.weights"),
        ({"columns": hybrid.columns[100:]}, "column"),
        ({"versions": {}}, "versions"),
    ):
        with pytest.raises(SchemaError, match=reason):
            replace(hybrid, **change)


def mutations(description: dict[str, Any]) -> st.SearchStrategy[list[tuple[str, Any]]]:
    """Return new values for some entries."""
    value = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
        max_leaves=5,
    )
    return st.lists(
        st.tuples(st.sampled_from(sorted(description)), value), min_size=1, max_size=2
    )


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_no_content_raises_another_error(
    small_file: Path, tmp_path: Path, data: st.DataObject
) -> None:
    """Whoever writes a file can write its digest, too."""
    path = tmp_path / "model.safetensors"
    arrays, description = content_of(small_file)
    if data.draw(st.booleans()):
        description.update(data.draw(mutations(description)))
    else:
        name = data.draw(st.sampled_from(sorted(arrays)))
        array = np.atleast_1d(arrays[name])
        raw = bytearray(array.tobytes())
        n_bytes = min(len(raw), 64)
        begin = data.draw(st.integers(0, len(raw) - n_bytes))
        raw[begin : begin + n_bytes] = data.draw(
            st.binary(min_size=n_bytes, max_size=n_bytes)
        )
        if array.dtype == np.bool_:
            raw = bytearray(byte & 1 for byte in raw)
        arrays[name] = np.frombuffer(raw, array.dtype).reshape(arrays[name].shape)
    write_arrays(path, FORMAT, arrays, description)
    refusal = f"{path}: "
    try:
        read = load_hybrid(path)
    except SchemaError as error:
        refusal = str(error)
    else:
        repr(read)
        read.weights_sha256()
    assert refusal.startswith(f"{path}: ")


# -- networks of one's own --------------------------------------------------


def test_an_own_extractor_is_not_run_without_being_named(
    hybrid: Hybrid, tmp_path: Path
) -> None:
    own = copy.deepcopy(hybrid.extractor)
    assert own is not None
    source = tmp_path / "mine.py"
    source.write_text("raise SystemExit('it was run')\n")
    _, description = own.content()
    model = {**description["model"], "model": "mine"}
    foreign = {**description, "model": model}
    foreign["source"] = {"path": str(source), "sha256": "0" * 64}
    save_hybrid(hybrid, tmp_path / "plain")
    all_arrays, all_described = content_of(tmp_path / "plain")
    path = tmp_path / "model.safetensors"
    write_arrays(path, FORMAT, all_arrays, {**all_described, "extractor": foreign})
    with pytest.raises(EcgStoreError, match=r"--model") as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    source.write_text("raise SystemExit('it was run')\n# changed\n")
    with pytest.raises(EcgStoreError, match=r"changed|SHA-256|another|not the one"):
        load(path, model=f"{source}:mine")


def test_a_model_is_given_for_own_networks_only(file: Path, small_file: Path) -> None:
    for path in (file, small_file):
        with pytest.raises(EcgStoreError, match="leave out --model") as caught:
            load(path, model="mine.py:mine")
        assert str(caught.value).startswith(f"{path}: ")


def test_a_hybrid_is_no_checkpoint(file: Path) -> None:
    with pytest.raises(SchemaError, match="is a hybrid"):
        Checkpoint.load(file)
