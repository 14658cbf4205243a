"""Deep features of every record are written to a file beside the store."""

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyfive
import pytest
import torch

import ecgstore
from bench.common.range_server import Server
from ecgstore import pipes
from ecgstore.cli import main
from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.models import Checkpoint, chosen_device, evaluate, extract, predict
from ecgstore.models.inference import extraction
from ecgstore.models.networks.extractor import Extractor

Change = Callable[[h5py.File], None]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def checkpoint(sample_checkpoint: Path) -> Checkpoint:
    return Checkpoint.load(sample_checkpoint)


@pytest.fixture
def store(sample_store: Path) -> Iterator[ecgstore.Store]:
    with ecgstore.open(sample_store) as opened:
        yield opened


# -- extracting -------------------------------------------------------------


def test_features_do_not_depend_on_the_other_records_of_a_batch(
    store: ecgstore.Store, checkpoint: Checkpoint, features_file: Path
) -> None:
    network, decimate = checkpoint.network(), checkpoint.decimate()
    with h5py.File(features_file) as file:
        rows, features, logits = (
            file[name][...] for name in ("row", "features", "logits")
        )
        names = file["records/record_id"].asstr()[...].tolist()
        classes = [name.decode() for name in file["logits"].attrs["names"]]
    assert rows.tolist() == list(range(len(store)))
    assert names == store.records.index.to_list()
    assert tuple(classes) == store.label_names
    assert features.dtype == logits.dtype == np.float32
    assert features.shape == (len(store), network.n_features)
    assert logits.shape == (len(store), len(classes))
    for row in np.random.default_rng(0).permutation(len(store))[:12].tolist():
        loader = pipes.loader(
            store.select(rows=[row]), fields="signals", transform=decimate
        )
        [batch] = loader
        with torch.inference_mode():
            output = network(*network.inputs(batch))
        np.testing.assert_allclose(features[row], output.features[0], atol=1e-5)
        np.testing.assert_allclose(logits[row], output.logits[0], atol=1e-5)
    assert np.ptp(features, axis=0).max() > 1e-3  # records differ


def test_the_file_names_its_store_and_model(
    store: ecgstore.Store, checkpoint: Checkpoint, features_file: Path
) -> None:
    with h5py.File(features_file) as file:
        attributes = dict(file.attrs)
    assert attributes["format"] == b"ecgstore features"
    assert attributes["format_version"] == 3
    assert attributes["store_fingerprint"].decode() == store.fingerprint
    assert attributes["weights_sha256"].decode() == checkpoint.weights_sha256()
    assert json.loads(attributes["model"]) == checkpoint.model.to_dict()


def test_the_file_lists_the_records_seen_in_training(
    store: ecgstore.Store, features_file: Path
) -> None:
    store.attach(features_file)
    seen = store.attached_seen["cnn"]
    fold = store.records["fold"].to_numpy()
    expected = np.where(fold < 8, 2, np.where(fold == 8, 1, 0))  # folds are of patients
    np.testing.assert_array_equal(seen, expected)
    assert len(set(seen.tolist())) == 3
    assert seen.dtype == np.uint8
    assert not seen.flags.writeable
    with h5py.File(features_file) as file:
        names = [name.decode() for name in file["seen"].attrs["names"]]
    assert names == ["unseen", "validation", "training", "unknown"]


def test_training_has_precedence_over_validation_in_the_list_of_seen_records(
    store: ecgstore.Store, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    patient = store.groups()
    numbers, counts = np.unique(patient, return_counts=True)
    in_both = patient == numbers[counts > 1][0]
    first, second = np.flatnonzero(in_both)[:2]
    origin = {"training_rows": [first], "validation_rows": [second]}
    path = extract(store, replace(checkpoint, origin=origin), tmp_path / "f.h5")
    store.attach(path, "both")
    np.testing.assert_array_equal(store.attached_seen["both"], 2 * in_both)


def test_seen_records_are_unknown_if_the_checkpoint_does_not_list_them(
    store: ecgstore.Store, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    path = extract(store, replace(checkpoint, origin={}), tmp_path / "f.h5")
    store.attach(path, "unlisted")
    assert set(store.attached_seen["unlisted"].tolist()) == {3}


def test_features_of_other_weights_are_refused(
    store: ecgstore.Store, checkpoint: Checkpoint, features_file: Path
) -> None:
    with pytest.raises(SchemaError, match=r"made by weights .* extract the features"):
        store.attach(features_file, weights_sha256="0" * 64)
    store.attach(features_file, weights_sha256=checkpoint.weights_sha256())
    assert list(store.attached) == ["cnn"]


def test_another_hdf5_reader_reads_the_file(features_file: Path) -> None:
    with pyfive.File(features_file) as other, h5py.File(features_file) as expected:
        for name in ("features", "logits", "seen", "row", "records/record_id"):
            np.testing.assert_array_equal(other[name][...], expected[name][...])


def test_features_are_bit_identical_when_extracted_again(
    store: ecgstore.Store, checkpoint: Checkpoint, features_file: Path, tmp_path: Path
) -> None:
    checkpoint.save(tmp_path / "model.safetensors")
    again = extract(store, Checkpoint.load(tmp_path), tmp_path / "again.h5")
    assert again.read_bytes() == features_file.read_bytes()


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_features_do_not_depend_on_the_records_read_at_a_time(
    store: ecgstore.Store,
    checkpoint: Checkpoint,
    features_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    batch_size: int,
) -> None:
    monkeypatch.setattr(extraction, "_BATCH", batch_size)
    path = extract(store, checkpoint, tmp_path / "f.h5")
    assert path.read_bytes() == features_file.read_bytes()


def test_the_default_file_is_beside_the_store(
    sample_store: Path, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    shutil.copy(sample_store, tmp_path / "challenge.h5")
    with ecgstore.open(tmp_path / "challenge.h5") as store:
        path = extract(store, checkpoint)
        assert path == tmp_path / "challenge.cnn.features.h5"
        with pytest.raises(EcgStoreError, match=r"exists already.*--overwrite"):
            extract(store, checkpoint)
        path.write_bytes(b"")
        extract(store, checkpoint, overwrite=True)
        assert store.attach(path) == "cnn"
        with pytest.raises(EcgStoreError, match="is the store itself"):
            extract(store, checkpoint, store.path, overwrite=True)
        with pytest.raises(EcgStoreError, match="is a folder"):
            extract(store, checkpoint, tmp_path, overwrite=True)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("cache", ["folder", "off"])
def test_the_default_file_for_a_url_is_in_the_current_folder(
    sample_store: Path,
    checkpoint: Checkpoint,
    features_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cache: str,
) -> None:
    """Not in the cache, where it would be removed one day."""
    pytest.importorskip("obstore")
    chosen = "off" if cache == "off" else str(tmp_path / cache)
    monkeypatch.setenv("ECGSTORE_CACHE", chosen)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    server = Server(sample_store.parent)
    with ecgstore.open(server.url(sample_store.name)) as store:
        path = extract(store, checkpoint)
        assert path == Path("sample.cnn.features.h5")
        assert path.read_bytes() == features_file.read_bytes()
        store.attach(path)
    server.close()


def test_stores_with_other_classes_or_preprocessing_are_refused(
    store: ecgstore.Store, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    other = replace(checkpoint, label_names=checkpoint.label_names[:-1])
    with pytest.raises(EcgStoreError, match="same --classes"):
        extract(store, other, tmp_path / "f.h5")
    options: list[dict[str, Any]] = [{"fs": 400.0}, {"low_hz": 1.0}, {"max_gap_s": 0.5}]
    for option in options:
        other = replace(checkpoint, config=replace(checkpoint.config, **option))
        [name] = option
        with pytest.raises(EcgStoreError, match=rf"its {name} is .* same options"):
            extract(store, other, tmp_path / "f.h5")
    longer = replace(checkpoint, config=replace(checkpoint.config, duration_s=30.0))
    longer.check(store)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_a_stopped_extraction_leaves_nothing(
    store: ecgstore.Store,
    checkpoint: Checkpoint,
    features_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
) -> None:
    original, batches = Extractor.inputs, []

    def stop_at_third_batch(network: Extractor, batch: pipes.Batch) -> Any:
        batches.append(batch)
        if len(batches) % 3 == 0:
            raise error
        return original(network, batch)

    monkeypatch.setattr(Extractor, "inputs", stop_at_third_batch)
    monkeypatch.setattr(extraction, "_BATCH", 4)
    with pytest.raises(error):
        extract(store, checkpoint, tmp_path / "new.h5")
    assert list(tmp_path.iterdir()) == []
    older = Path(shutil.copy(features_file, tmp_path / "older.h5"))
    with pytest.raises(error):
        extract(store, checkpoint, older, overwrite=True)
    assert list(tmp_path.iterdir()) == [older]
    assert older.read_bytes() == features_file.read_bytes()


def test_outputs_that_are_not_finite_are_refused(
    store: ecgstore.Store, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    bias = torch.full_like(checkpoint.weights["head.bias"], torch.nan)
    other = replace(checkpoint, weights={**checkpoint.weights, "head.bias": bias})
    with pytest.raises(EcgStoreError, match=r"row 0 \(.*not finite"):
        extract(store, other, tmp_path / "f.h5")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_reported_before_any_work(
    store: ecgstore.Store,
    checkpoint: Checkpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Extractor, "inputs", None)  # so that no batch can be processed
    with pytest.raises(EcgStoreError, match=r"cannot be written \(No such file"):
        extract(store, checkpoint, tmp_path / "nowhere" / "f.h5")


def test_a_file_that_appeared_meanwhile_is_not_replaced(
    store: ecgstore.Store,
    checkpoint: Checkpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "f.h5"

    def write_the_same_file(*_: object) -> int:
        path.write_text("other")
        return 0

    monkeypatch.setattr(extraction, "training_roles", write_the_same_file)
    with pytest.raises(EcgStoreError, match="exists already"):
        extract(store, checkpoint, path)
    assert path.read_text() == "other"
    assert len([*tmp_path.iterdir()]) == 1


def test_unavailable_devices_are_refused() -> None:
    assert chosen_device().type in ("cpu", "cuda")
    for name in ("nonsense", "gpu", "cuda:99"):
        with pytest.raises(EcgStoreError, match=f"device is '{name}'") as raised:
            chosen_device(name)
        assert len(str(raised.value)) < 200


def test_devices_given_in_python_are_checked_too(
    store: ecgstore.Store, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    with pytest.raises(EcgStoreError, match="device is 'cuda:99'"):
        extract(store, checkpoint, tmp_path / "f.h5", device="cuda:99")
    with pytest.raises(EcgStoreError, match="device is 'cuda:99'"):
        evaluate(checkpoint, store, device="cuda:99")
    with pytest.raises(EcgStoreError, match="device is 'cuda:99'"):
        next(predict(checkpoint, [], device="cuda:99"))


# -- the command line -------------------------------------------------------


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    code = exit_.value.code
    return code if isinstance(code, int) else 0, printed.out, printed.err


def test_command_prints_a_summary_and_writes_a_table(
    capsys: pytest.CaptureFixture[str],
    sample_store: Path,
    checkpoint: Checkpoint,
    features_file: Path,
    tmp_path: Path,
) -> None:
    checkpoint.save(tmp_path / "model.safetensors")
    out, table = tmp_path / "f.h5", tmp_path / "deep.csv"
    arguments = ["extract", tmp_path, sample_store, "-o", out, "--device", "cpu"]
    code, printed, errors = run(capsys, *arguments, "--csv", table, "--quiet")
    assert (code, errors) == (0, "")
    with ecgstore.open(sample_store) as store:
        store.attach(out)
        values, names = store.attached["cnn"], store.records.index.to_list()
        n_unseen = int((store.attached_seen["cnn"] == 0).sum())
    assert f"  {n_unseen} records of unseen patients" in printed
    assert str(out) in printed
    assert f"{values.shape[0]} records x {values.shape[1]} features" in printed
    assert checkpoint.weights_sha256() in printed
    assert out.read_bytes() == features_file.read_bytes()
    with table.open(newline="") as file:
        head, *lines = csv.reader(file)
    assert b"\r" not in table.read_bytes()
    assert head[:3] == ["record_id", "row", "cnn_000"]
    assert [line[0] for line in lines] == names
    assert [int(line[1]) for line in lines] == list(range(len(names)))
    table_values = np.array([line[2:] for line in lines], np.float32)
    np.testing.assert_array_equal(table_values, values)
    code, _, errors = run(capsys, *arguments)
    assert code == 1
    assert "--overwrite" in errors
    assert run(capsys, *arguments, "--overwrite")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere.pt", "STORE"], 1, "nowhere.pt: no such file"),
        (["STORE", "STORE"], 1, "is a store"),
        (["model.safetensors", "nowhere.h5"], 1, "nowhere.h5: no such file"),
        (
            ["model.safetensors", "STORE", "--device", "nonsense"],
            1,
            "device is 'nonsense'",
        ),
        (["model.safetensors", "STORE", "-o", "nowhere/f.h5"], 1, "cannot be written"),
        (["model.safetensors"], 2, "STORE"),
    ],
)
def test_errors_are_one_line(
    capsys: pytest.CaptureFixture[str],
    sample_store: Path,
    checkpoint: Checkpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint.save(tmp_path / "model.safetensors")
    words = [sample_store if word == "STORE" else word for word in arguments]
    exit_code, _, errors = run(capsys, "extract", *words)
    assert exit_code == code
    assert message in errors
    if code == 1:
        assert errors.startswith("ecgstore: ")
        assert errors.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_without_torch_the_error_says_what_to_install(sample_store: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from ecgstore.cli import main\n"
        f"main(['extract', 'model.safetensors', {str(sample_store)!r}])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert 'pip install "ecgstore[torch]"' in done.stderr
