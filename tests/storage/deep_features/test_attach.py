"""Attaching deep features to a store."""

import pickle
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

import ecgstore
from ecgstore import pipes
from ecgstore.errors import ConfigError, EcgStoreError, SchemaError, StoreClosedError
from ecgstore.models import Checkpoint
from ecgstore.storage.deep_features.names import column_names
from ecgstore.storage.deep_features.sidecar import write_sidecar_digests
from ecgstore.storage.format.layout import set_attribute

Change = Callable[[h5py.File], None]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def checkpoint(sample_checkpoint: Path) -> Checkpoint:
    return Checkpoint.load(sample_checkpoint)


@pytest.fixture
def changed(features_file: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that changes a copy of the features, digests included."""

    def change(how: Change, new_digests: bool = True) -> Path:
        path = Path(shutil.copy(features_file, tmp_path / "changed.features.h5"))
        with h5py.File(path, "r+") as file:
            how(file)
            if new_digests:
                write_sidecar_digests(file)
        return path

    return change


def test_attached_features_are_columns(
    store: ecgstore.Store, features_file: Path
) -> None:
    assert dict(store.attached) == {}
    handcrafted = store.features()
    assert store.features(attached=True) is handcrafted
    assert store.attach(features_file) == "cnn"
    with h5py.File(features_file) as file:
        expected = file["features"][...]
    values = store.attached["cnn"]
    np.testing.assert_array_equal(values, expected)
    assert values.dtype == np.float32
    assert not values.flags.writeable
    n = expected.shape[1]
    assert store.features() is handcrafted
    table = store.features([5, 2], attached=True)
    assert table.index.to_list() == store.records.index[[5, 2]].to_list()
    assert table.columns.to_list() == [
        *store.feature_names,
        *(f"cnn_{number:03d}" for number in range(n)),
    ]
    np.testing.assert_array_equal(table.iloc[:, -n:], expected[[5, 2]])
    np.testing.assert_array_equal(table.iloc[:, :-n], handcrafted.iloc[[5, 2]])
    assert store.features(attached=True).shape == (len(store), handcrafted.shape[1] + n)
    middle = float(np.median(expected[:, 3]))
    chosen = store.select(query=f"cnn_003 > {middle!r} and age > 0")
    age = store.records["age"].to_numpy() > 0
    assert (
        chosen.rows.tolist()
        == np.flatnonzero((expected[:, 3] > np.float32(middle)) & age).tolist()
    )


def test_columns_of_many_features_are_sorted_by_number() -> None:
    names = column_names("resnet", np.zeros((1, 1200), np.float32))
    assert names == sorted(names)
    assert names[0] == "resnet_0000"


def test_loaders_and_datasets_read_attached_features(
    store: ecgstore.Store, features_file: Path
) -> None:
    with pytest.raises(ValueError, match="no field 'cnn'"):
        pipes.loader(store, fields=("signals", "cnn"))
    store.attach(features_file)
    values = store.attached["cnn"]
    fields = ("labels", "cnn", "age")
    with pipes.loader(store, 5, shuffle=True, fields=fields) as loader:
        for batch in loader:
            features = batch.columns["cnn"]
            assert isinstance(features, torch.Tensor)
            np.testing.assert_array_equal(features, values[batch.rows])
            features.zero_()  # a batch owns its memory
    assert values.any()
    assert isinstance(batch.to("cpu").columns["cnn"], torch.Tensor)
    dataset = store.as_dataset([7, 3], fields=fields)
    np.testing.assert_array_equal(dataset[1]["cnn"], values[3])
    batch_of_dataset = dataset.collate(dataset.__getitems__([0, 1]))
    np.testing.assert_array_equal(batch_of_dataset["cnn"], values[[7, 3]])
    again = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(again[0]["cnn"], values[7])


def test_features_of_several_models_have_names(
    store: ecgstore.Store, features_file: Path
) -> None:
    store.attach(features_file)
    with pytest.raises(EcgStoreError, match="cnn is attached already"):
        store.attach(features_file)
    assert store.attach(features_file, "seed1") == "seed1"
    assert list(store.attached) == ["cnn", "seed1"]
    assert store.features([0], attached=True).columns[-1].startswith("seed1_")
    for name in ("signals", "age", "fold", "row", "a b", "", "x" * 65):
        with pytest.raises(ConfigError, match="cannot be called"):
            store.attach(features_file, name)


def test_a_pickled_store_attaches_the_features_again(
    store: ecgstore.Store, features_file: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copy(features_file, tmp_path / "f.h5"))
    store.attach(path, "deep")
    pickled = pickle.dumps(store)
    with pickle.loads(pickled) as copy:
        np.testing.assert_array_equal(copy.attached["deep"], store.attached["deep"])
        assert list(copy.attached) == ["deep"]
    path.unlink()
    shutil.copy(features_file, path)
    with h5py.File(path, "r+") as file:
        file["features"][0, 0] += 1
        write_sidecar_digests(file)
    with pytest.raises(SchemaError, match="replaced by other features"):
        pickle.loads(pickled)
    path.unlink()
    with pytest.raises(EcgStoreError, match="no such file"):
        pickle.loads(pickled)


def test_closing_the_store_closes_the_features(
    sample_store: Path, features_file: Path
) -> None:
    store = ecgstore.open(sample_store)
    store.attach(features_file)
    values = store.attached["cnn"]
    reader = pipes.RecordReader(store, ("cnn",))
    store.close()
    with pytest.raises(StoreClosedError):
        _ = store.attached
    with pytest.raises(StoreClosedError):
        _ = store.attached_seen
    with pytest.raises(StoreClosedError):
        store.attach(features_file)
    with pytest.raises(StoreClosedError):
        reader.read(pipes.RowBatch(np.zeros(1, np.int64), np.zeros(1, np.uint64)))
    assert np.isfinite(values).all()


def _swap(name: str) -> Change:
    def change(file: h5py.File) -> None:
        file[name][:2] = file[name][:2][::-1]

    return change


def _set(name: str, value: Any) -> Change:
    def change(file: h5py.File) -> None:
        set_attribute(file, name, value)

    return change


def _nan(file: h5py.File) -> None:
    file["features"][3, 1] = np.nan


def _short(file: h5py.File) -> None:
    values = file["features"][:-1]
    del file["features"]
    file["features"] = values


def _double(file: h5py.File) -> None:
    values = file["logits"][...].astype(np.float64)
    del file["logits"]
    file["logits"] = values


def _without(name: str) -> Change:
    def change(file: h5py.File) -> None:
        del file[name]

    return change


def _without_attribute(file: h5py.File) -> None:
    del file.attrs["store_fingerprint"]


@pytest.mark.parametrize(
    ("how", "new_digests", "message"),
    [
        (_set("store_fingerprint", "0" * 64), True, "made from a store with"),
        (_swap("records/record_id"), True, "row 0 is record"),
        (_swap("row"), True, "/row is not 0 to"),
        (_swap("features"), False, "/features is damaged"),
        (_nan, True, "row 3 are not all finite"),
        (_set("format_version", 1), True, "format version 1"),
        (_set("format", "ecgstore"), True, "is a store; "),
        (_without("seen"), False, "/seen is missing"),
        (_without("row"), False, "/row is missing"),
        (_without("records"), False, "/records/record_id is missing"),
        (_short, False, "/logits is float32 of shape"),
        (_double, False, "/logits is float64"),
        (_without_attribute, True, "damaged, it cannot be read"),
        (_set("software", "other"), False, "its attributes are damaged"),
        (_set("model", '{"model": "x y"}'), True, "its model is 'x y', which no model"),
        (_set("model", '{"model": "%s"}' % ("x" * 9999)), True, "which no model has"),
        (_set("model", '{"model": 7}'), True, "its model is 7, which no model has"),
        (_set("model", "[" * 9999), True, "damaged, it cannot be read"),
    ],
)
def test_features_of_other_records_or_damaged_ones_are_refused(
    store: ecgstore.Store,
    changed: Callable[..., Path],
    how: Change,
    new_digests: bool,
    message: str,
) -> None:
    path = changed(how, new_digests)
    with pytest.raises(SchemaError, match=message) as caught:
        store.attach(path)
    assert str(caught.value).startswith(str(path))
    assert "extract" in str(caught.value)
    assert dict(store.attached) == {}


def test_every_changed_bit_is_noticed_or_without_effect(
    sample_store: Path, features_file: Path, tmp_path: Path
) -> None:
    def content(path: Path) -> list[Any]:
        with ecgstore.open(sample_store) as store:
            name = store.attach(path)
            with h5py.File(path, locking=False) as file:
                logits = file["logits"]
                attributes = [*file.attrs.items(), *logits.attrs.items()]
                arrays = (store.attached[name], store.attached_seen[name], logits)
                values = [array[...].tobytes() for array in arrays]
            return [name, str(attributes), *values]

    whole, expected = features_file.read_bytes(), content(features_file)
    path, choose, n_refused = tmp_path / "a.h5", random.Random(3), 0
    for place in [
        *choose.sample(range(4096), 20),
        *choose.sample(range(len(whole)), 30),
    ]:
        changed = bytearray(whole)
        changed[place] ^= 1 << choose.randrange(8)
        path.write_bytes(changed)
        try:
            found = content(path)
        except EcgStoreError:
            n_refused += 1
        else:
            assert found == expected, place
    assert n_refused > 20


def test_files_of_another_format_are_refused(
    store: ecgstore.Store, features_file: Path, tmp_path: Path
) -> None:
    content = features_file.read_bytes()
    for broken in (b"", b"nonsense", content[: len(content) // 2], content[:-1]):
        path = tmp_path / "broken.h5"
        path.write_bytes(broken)
        with pytest.raises(SchemaError, match="expected features made by"):
            store.attach(path)
    with pytest.raises(SchemaError, match="is a store; "):
        store.attach(store.path)
    with pytest.raises(EcgStoreError, match="no such file"):
        store.attach(tmp_path / "nowhere.h5")
    with pytest.raises(EcgStoreError, match="a folder"):
        store.attach(tmp_path)


def test_features_of_another_store_are_refused(
    few_records: Path, features_file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.h5"
    no_beats = ecgstore.make_config(options={"beats": "none"})
    ecgstore.build_store([few_records], other, no_beats, n_workers=1, quiet=True)
    with (
        ecgstore.open(other) as store,
        pytest.raises(SchemaError, match=r"extract the features again: .*other\.h5"),
    ):
        store.attach(features_file)


def test_repacked_features_are_read(
    store: ecgstore.Store, features_file: Path, changed: Callable[..., Path]
) -> None:
    def pack(file: h5py.File) -> None:
        values, attributes = file["features"][...], dict(file["features"].attrs)
        del file["features"]
        packed = file.create_dataset("features", data=values, compression="gzip")
        packed.attrs.update(attributes)

    store.attach(changed(pack, False))
    store.attach(features_file, "plain")
    np.testing.assert_array_equal(store.attached["cnn"], store.attached["plain"])
