"""New records are predicted as if a store had been built from them."""

import csv
import io
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies as st

import ecgstore
from ecgstore.cli import main
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.inference.new_records import new_record_of, read_new_record
from ecgstore.models.inference.prediction import OK, predict, predict_signal
from ecgstore.models.networks.create import create_model
from ecgstore.models.running import Outputs, run_network
from ecgstore.models.settings import ModelSettings
from ecgstore.reasons import Reason
from ecgstore.sample import sample_folder
from ecgstore.sources import given_headers
from ecgstore.storage import Store

WriteRecord = Callable[..., Path]
CONFIG = Config(beats="none", select="all")
pytestmark = pytest.mark.usefixtures("one_thread")


def build(source: Path, out: Path, config: Config = CONFIG) -> Path:
    ecgstore.build_store([source], out, config, n_workers=1, quiet=True)
    return out


@pytest.fixture(scope="module")
def store_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(sample_folder(), tmp_path_factory.mktemp("predict") / "sample.h5")


@pytest.fixture(scope="module")
def checkpoint_file(sample_checkpoint: Path) -> Path:
    return sample_checkpoint


def untrained(config: Config = CONFIG, **model: object) -> Checkpoint:
    """Return a checkpoint of random weights."""
    chosen = ModelSettings(**{"model": "cnn", "fs": 100.0, **model})  # type: ignore[arg-type]
    names = config.classes.names
    with torch.random.fork_rng([]):
        torch.manual_seed(1)
        network = create_model(
            "cnn",
            len(chosen.leads or config.leads),
            len(names),
            chosen.normalise_by,
        )
    return Checkpoint(
        model=chosen,
        weights=network.state_dict(),
        label_names=names,
        config=config,
        fingerprint="",
    )


def outputs_for(store: Store, checkpoint: Checkpoint) -> Outputs:
    return run_network(
        checkpoint.network(),
        store.select(),
        transform=[checkpoint.decimate()],
        leads=checkpoint.leads,
    )


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_:
        main(["predict", *map(str, arguments)])
    printed = capsys.readouterr()
    code = exit_.value.code
    return code if isinstance(code, int) else 0, printed.out, printed.err


def rows_of(text: str) -> list[dict[str, str]]:
    assert "\r" not in text
    return [*csv.DictReader(io.StringIO(text))]


# -- the same as a store ----------------------------------------------------


def test_preprocessed_signals_are_bit_identical_to_a_store(store_file: Path) -> None:
    with Store(store_file) as store:
        assert {500.0, 1000.0} <= set(store.records["fs_original"])
        padding = store.quality["pad_length"]
        for header in given_headers([sample_folder()]):
            record = read_new_record(header, store.config)
            row = store.row(record.record_id)
            stored = store.signals([row])[0]
            assert record.signal.dtype == stored.dtype
            assert record.signal.tobytes() == stored.tobytes()
            assert record.n_real_samples == store.n_samples - padding.iloc[row]


def test_derived_and_missing_leads_are_those_of_a_build(
    tmp_path: Path, write_record: WriteRecord
) -> None:
    config = replace(CONFIG, allow_missing_leads=True)
    eight = write_record("A0001", leads=("I", "II", *ecgstore.LEADS[6:]))
    limb = write_record("A0002", leads=ecgstore.LEADS[:6])
    headers, checkpoint = [eight, limb], untrained(config)
    with Store(build(eight.parent, tmp_path / "out.h5", config)) as store:
        for row, header in enumerate(headers):
            record = read_new_record(header, store.config)
            assert record.signal.tobytes() == store.signals([row])[0].tobytes()
            missing = store[record.record_id].missing_leads
            assert record.missing_leads == missing
        expected = outputs_for(store, checkpoint).probabilities
    predicted = [one.probabilities for one in predict(checkpoint, headers)]
    np.testing.assert_array_equal(np.array(predicted), expected)


def test_missing_leads_can_be_allowed(
    capsys: pytest.CaptureFixture[str],
    checkpoint_file: Path,
    write_record: WriteRecord,
) -> None:
    header = write_record("A0001", leads=ecgstore.LEADS[:6])
    _, printed, _ = run(capsys, checkpoint_file, header)
    assert "missing_leads" in printed
    code, printed, _ = run(capsys, checkpoint_file, header, "--allow-missing-leads")
    assert code == 0
    assert ',ok,"without leads V1, V2, V3, V4, V5, V6",0.' in printed
    checkpoint = Checkpoint.load(checkpoint_file)
    [refused] = predict(checkpoint, header, allow_missing_leads=False)
    assert refused.status == "missing_leads"


def test_names_of_leads_can_be_mapped(
    capsys: pytest.CaptureFixture[str],
    checkpoint_file: Path,
    write_record: WriteRecord,
    tmp_path: Path,
) -> None:
    names = (*ecgstore.LEADS[:11], "chest 6")
    header, file = write_record("A0001", leads=names), tmp_path / "names.toml"
    file.write_text('"Chest 6" = "V6"')
    _, printed, _ = run(capsys, checkpoint_file, header)
    assert [row["status"] for row in rows_of(printed)] == ["missing_leads"]
    _, printed, _ = run(capsys, checkpoint_file, header, "--lead-names", file)
    [mapped] = rows_of(printed)
    plain = write_record("A0001", folder="plain")
    _, printed, _ = run(capsys, checkpoint_file, plain)
    assert mapped == {**rows_of(printed)[0], "path": str(header)}


def test_probabilities_equal_those_for_a_store(
    store_file: Path, checkpoint_file: Path
) -> None:
    checkpoint = Checkpoint.load(checkpoint_file)
    headers = given_headers([sample_folder()])
    predictions = [*predict(checkpoint, headers)]
    assert [prediction.path for prediction in predictions] == list(map(str, headers))
    assert {prediction.status for prediction in predictions} == {OK}
    with Store(store_file) as store:
        probabilities = outputs_for(store, checkpoint).probabilities
        assert len(predictions) == len(store)
        for prediction in predictions:
            assert prediction.probabilities is not None
            np.testing.assert_array_equal(
                prediction.probabilities,
                probabilities[store.row(prediction.record_id)],
            )


@pytest.mark.parametrize(
    ("options", "model"),
    [
        ({"dtype": "float32"}, {}),
        ({"duration_s": 4.0, "fs": 200.0, "high_hz": 30.0}, {"fs": None}),
        ({}, {"leads": ("V5", "I", "aVF"), "normalise_by": "lead"}),
        ({}, {"fs": 250.0, "leads": ("II",)}),
    ],
)
def test_predictions_use_the_options_of_store_and_model(
    tmp_path: Path,
    few_records: Path,
    write_record: WriteRecord,
    options: dict[str, object],
    model: dict[str, object],
) -> None:
    short = np.random.default_rng(3).integers(-900, 900, (12, 1777))
    header = write_record("Z0001", short)
    for path in (header, header.with_suffix(".mat")):
        shutil.move(path, few_records / path.name)
    config = replace(CONFIG, **options)  # type: ignore[arg-type]
    checkpoint = untrained(config, **model)
    predicted = {
        prediction.record_id: prediction.probabilities
        for prediction in predict(checkpoint, given_headers([few_records]))
    }
    with Store(build(few_records, tmp_path / "out.h5", config)) as store:
        outputs = outputs_for(store, checkpoint)
        assert sorted(predicted) == sorted(store)
        for row, name in enumerate(store):
            probabilities = predicted[name]
            assert probabilities is not None
            np.testing.assert_array_equal(probabilities, outputs.probabilities[row])


def test_predictions_do_not_depend_on_dialects_and_diagnoses_of_headers(
    checkpoint_file: Path, write_record: WriteRecord
) -> None:
    adc = np.random.default_rng(0).integers(-900, 900, (12, 5000))
    first = write_record("A0001", adc)
    second = write_record("A0002", adc, gain="1000.0(0)/mV")
    text = second.read_text().replace(" 16+24 ", " 16x1+24 ").replace("#", "# ")
    second.write_text(text.replace("426783006", "164889003"))
    third = write_record("A0003", adc)
    third.write_text("".join(third.read_text().partition("#")[:1]))
    checkpoint = Checkpoint.load(checkpoint_file)
    predictions = [*predict(checkpoint, [first, second, third])]
    assert [prediction.status for prediction in predictions] == [OK] * 3
    values = [prediction.probabilities for prediction in predictions]
    np.testing.assert_array_equal(values[0], values[1])
    np.testing.assert_array_equal(values[0], values[2])


# -- records that cannot be used --------------------------------------------


def noise(n_leads: int = 12, n_samples: int = 5000) -> np.ndarray:
    return np.random.default_rng(7).integers(-900, 900, (n_leads, n_samples))


def write_faults(write: WriteRecord) -> Path:
    """Write a usable record among broken ones of many kinds; return their folder."""
    with_gap, flat, clipped, missing = (noise() for _ in range(4))
    with_gap[4, 1000:1051] = -32768
    flat[2] = 0
    clipped[2, 100:3100] = 32767
    missing[:] = -32768
    write("A0001").write_text("")
    write("A0002").with_suffix(".mat").unlink()
    truncated = write("A0003").with_suffix(".mat")
    truncated.write_bytes(truncated.read_bytes()[:-60_000])
    longer = write("A0004")
    longer.write_text(longer.read_text().replace("500 5000", "500 4000"))
    write("A0005").with_suffix(".mat").write_bytes(b"?" * 120_024)
    write("A0006", noise(11), leads=ecgstore.LEADS[:11])
    write("A0007", leads=(*ecgstore.LEADS[:11], "I"))
    write("A0008", gain="1000/mmHg")
    write("A0009", fs=0)
    write("A0010", gain="nan/mV")
    write("A0011", missing)
    write("A0012", with_gap)
    write("A0013", flat)
    write("A0014", clipped)
    write("A0015", noise(n_samples=999))
    return write("A0016").parent


def test_reasons_equal_those_of_a_build(
    tmp_path: Path, write_record: WriteRecord
) -> None:
    folder = write_faults(write_record)
    config = replace(CONFIG, reject_flat_leads=True)
    predictions = [*predict(untrained(config), given_headers([folder]))]
    record_ids = [prediction.record_id for prediction in predictions]
    assert record_ids == [f"A{n:04}" for n in range(1, 17)]
    with Store(build(folder, tmp_path / "out.h5", config)) as store:
        quarantine = store.quarantine.set_index("record_id")
    assert len(set(quarantine["reason"])) > 10
    *unusable, usable = predictions
    for prediction in unusable:
        assert prediction.probabilities is None
        left_out = quarantine.loc[prediction.record_id]
        assert prediction.status == left_out["reason"]
        assert prediction.detail.replace(f"{tmp_path}/", "") == left_out["detail"]
    assert usable.status == OK
    assert usable.detail == ""


def test_an_unexpected_error_is_a_prediction_with_a_reason(
    monkeypatch: pytest.MonkeyPatch, write_record: WriteRecord
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("ecgstore.models.inference.new_records.stored_form", fail)
    [prediction] = predict(untrained(), [write_record("A0001")])
    assert prediction.status == Reason.UNEXPECTED_ERROR
    assert prediction.detail.startswith("ZeroDivisionError in ecgstore.models.")
    assert "oops" not in prediction.detail  # the words of a library may be random


def test_outputs_that_are_not_finite_are_refused(write_record: WriteRecord) -> None:
    model = untrained()
    weights = {name: weight * 1e30 for name, weight in model.weights.items()}
    model = replace(model, weights=weights)
    with pytest.raises(EcgStoreError, match=r"record A0001: the outputs .* not finite"):
        next(predict(model, [write_record("A0001")]))
    with pytest.raises(EcgStoreError, match=r"the signal: the outputs .* not finite"):
        predict_signal(model, noise() / 1000, 500.0)


@pytest.mark.parametrize(
    ("given", "known"), [("female", "female"), ("F", "female"), ("Male", "male")]
)
def test_sexes_may_be_given_as_headers_have_them(given: str, known: str) -> None:
    assert new_record_of(noise() / 1000, 500.0, CONFIG, sex=given).sex == known


@pytest.mark.parametrize(
    ("person", "message"),
    [
        ({"sex": "w"}, "sex is 'w'; expected one of m, male, f, female, unknown"),
        ({"age": 300}, "age is 300; expected years, 0 to 150, or NaN where unknown"),
        ({"age": -1}, "age is -1; expected"),
        ({"age": np.inf}, "age is inf; expected"),
    ],
)
def test_impossible_ages_and_sexes_are_refused(
    person: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        predict_signal(untrained(), noise() / 1000, 500.0, **person)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 2**32), in_header=st.booleans())
def test_no_broken_file_raises(tmp_path: Path, seed: int, in_header: bool) -> None:
    rng = random.Random(seed)
    header = rng.choice(sorted(sample_folder().rglob("*.hea")))
    for path in (header, header.with_suffix(".mat")):
        content = bytearray(path.read_bytes())
        if (path == header) == in_header:
            for _ in range(1 + rng.randrange(4)):
                place = rng.randrange(min(len(content), 700))
                content[place : place + rng.randrange(3)] = rng.randbytes(1)
        (tmp_path / path.name).write_bytes(content)
    [prediction] = predict(untrained(), [tmp_path / header.name])
    assert (prediction.status == OK) == (prediction.probabilities is not None)
    assert (prediction.status == OK) == (prediction.detail == "")
    if prediction.probabilities is not None:
        probabilities = prediction.probabilities
        assert ((probabilities >= 0) & (probabilities <= 1)).all()


# -- paths given -----------------------------------------------------------


def test_each_record_is_listed_once_in_the_given_order(
    write_record: WriteRecord,
) -> None:
    first, second = write_record("A0001"), write_record("A0002")
    write_record("A0003")
    named = given_headers([second.with_suffix(".mat"), second, first.parent])
    assert [path.name for path in named] == ["A0002.hea", "A0001.hea", "A0003.hea"]


def test_paths_without_records_are_refused(
    tmp_path: Path, write_record: WriteRecord
) -> None:
    header = write_record("A0001")
    header.unlink()
    (tmp_path / "notes.txt").write_text("")
    for path, message in (
        (tmp_path / "nowhere", "no such folder"),
        (tmp_path / "nowhere.hea", "no such folder"),
        (header.parent, "no .hea, "),
        (header.with_suffix(".mat"), "no A0001.hea beside it"),
        (tmp_path / "notes.txt", "expected a folder or a .hea, "),
    ):
        with pytest.raises(EcgStoreError, match=message):
            given_headers([path])


# -- command ----------------------------------------------------------------


def test_command_writes_a_table(
    capsys: pytest.CaptureFixture[str], checkpoint_file: Path, few_records: Path
) -> None:
    out = few_records.parent / "out.csv"
    out.write_text("older")
    code, printed, errors = run(
        capsys, checkpoint_file, few_records, "-o", out, "--device", "cpu"
    )
    assert (code, printed, errors) == (0, f"{out}\n", "")
    rows = rows_of(out.read_text())
    assert [*rows[0]] == [
        "record_id",
        "path",
        "status",
        "detail",
        *CONFIG.classes.names,
    ]
    headers = given_headers([few_records])
    assert [row["path"] for row in rows] == list(map(str, headers))
    predictions = predict(Checkpoint.load(checkpoint_file), headers)
    for row, prediction in zip(rows, predictions, strict=True):
        assert prediction.probabilities is not None
        values = [float(row[name]) for name in CONFIG.classes.names]
        np.testing.assert_allclose(values, prediction.probabilities, rtol=0, atol=2e-6)
    assert sorted(path.name for path in out.parent.iterdir()) == ["out.csv", "training"]
    code, printed, _ = run(capsys, checkpoint_file, few_records, "--device", "cpu")
    assert code == 0
    assert printed == out.read_text()


def test_command_counts_unusable_records(
    capsys: pytest.CaptureFixture[str], checkpoint_file: Path, write_record: WriteRecord
) -> None:
    good = write_record("A0001")
    bad = write_record("A0002", noise(11), leads=ecgstore.LEADS[:11])
    code, printed, errors = run(capsys, checkpoint_file, good, bad)
    assert code == 0
    assert errors.count("\n") == 1
    assert "1 of 2 records cannot be used" in errors
    row = rows_of(printed)[1]
    assert row["status"] == "missing_leads"
    assert row["detail"]
    assert {row[name] for name in CONFIG.classes.names} == {""}
    assert run(capsys, checkpoint_file, good, bad, "--strict")[0] == 1
    assert run(capsys, checkpoint_file, good, "--strict")[0] == 0


def test_an_interrupted_command_leaves_the_old_table(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    checkpoint_file: Path,
    write_record: WriteRecord,
    tmp_path: Path,
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out.csv"
    out.write_text("older")
    monkeypatch.setattr("ecgstore.models.inference.new_records.stored_form", interrupt)
    code, _, _ = run(capsys, checkpoint_file, write_record("A0001"), "-o", out)
    assert code == 130
    assert out.read_text() == "older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "records"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["CHECKPOINT"], 2, "RECORDS"),
        (["nowhere.pt", "records"], 1, "nowhere.pt: no such file"),
        (["CHECKPOINT", "nowhere"], 1, "no such folder"),
        (["CHECKPOINT", "."], 1, "no .hea, "),
        (["CHECKPOINT", "records", "--device", "abacus"], 1, "abacus"),
        (["CHECKPOINT", "records", "-o", "no/out.csv"], 1, "no/out.csv"),
        (["CHECKPOINT", "records", "-o", "."], 2, "directory"),
    ],
)
def test_errors_are_one_line(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    checkpoint_file: Path,
    tmp_path: Path,
    write_record: WriteRecord,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    if "records" in arguments:
        write_record("A0001")
    monkeypatch.chdir(tmp_path)
    paths = {"CHECKPOINT": str(checkpoint_file)}
    exit_code, _, errors = run(capsys, *(paths.get(word, word) for word in arguments))
    assert exit_code == code
    assert message in errors
    if code == 1:
        assert errors.startswith("ecgstore: ")
        assert errors.count("\n") == 1


def test_without_torch_the_error_says_what_to_install() -> None:
    for command in ("predict", "evaluate"):
        code = (
            "import sys; sys.modules['torch'] = None\n"
            "from ecgstore.cli import main\n"
            f"main(['{command}', 'model.safetensors', 'records'])\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert 'pip install "ecgstore[torch]"' in done.stderr
        assert done.stderr.count("\n") == 1


def test_only_what_is_needed_is_imported() -> None:
    heavy = "{'pandas', 'h5py', 'neurokit2', 'sklearn', 'matplotlib', 'torchdata'}"
    code = (
        "import sys\n"
        "import ecgstore.models.inference.prediction_table, ecgstore.models.loading\n"
        f"print({heavy} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_one_folder_is_given_as_it_is(few_records: Path) -> None:
    expected = [p.path for p in predict(untrained(), given_headers([few_records]))]
    for records in (few_records, str(few_records), [str(few_records)]):
        assert [p.path for p in predict(untrained(), records)] == expected
    assert given_headers(few_records) == given_headers([few_records])


def test_a_store_is_refused_with_the_commands_for_stores(
    store_file: Path,
    checkpoint_file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _, errors = run(capsys, checkpoint_file, store_file, "--device", "cpu")
    assert code == 1
    assert "is a store" in errors
    assert "`ecgstore evaluate`" in errors
    assert "`ecgstore extract`" in errors
