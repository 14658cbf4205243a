"""``ecgstore evaluate``: its output, its files and its errors."""

import csv
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.evaluation.evaluate import evaluate
from ecgstore.storage import Store

Run = Callable[..., tuple[int, str, str]]

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def evaluated(run: Run) -> Run:
    """Return a function that runs ``ecgstore evaluate``."""
    return partial(run, "evaluate")


def test_command_prints_and_writes(
    evaluated: Run,
    sample_store: Path,
    sample_checkpoint: Path,
    tmp_path: Path,
) -> None:
    code, printed, errors = evaluated(
        sample_checkpoint, sample_store, "--device", "cpu",
        "--json", tmp_path / "e.json", "--csv", tmp_path / "e.csv",
        "--plots", tmp_path / "plots",
    )  # fmt: skip
    assert (code, errors) == (0, "")
    for text in ("AUROC", "macro average", "subset accuracy", "AF", "2000 resamples"):
        assert text in printed
    assert "Challenge metric" not in printed
    assert "macro average (" in printed
    assert " of 7 classes" in printed
    assert "undefined scores: fold 9 has no record with " in printed
    assert "nan" not in printed
    names = ("e.json", "e.csv", "plots/reliability.png", "plots/confusion.png")
    files = [str(tmp_path / name) for name in names]
    assert printed.splitlines()[-4:] == files
    assert "of perfect probabilities that are spread like these: about 0." in printed
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == [
        "confusion.png",
        "reliability.png",
    ]
    with Store(sample_store) as store:
        expected = evaluate(Checkpoint.load(sample_checkpoint), store)
    content = json.loads((tmp_path / "e.json").read_text())
    assert [*content["predictions"]] == [*expected.record_ids]
    for name, row, probabilities, labels in zip(
        expected.record_ids,
        expected.rows,
        expected.probabilities,
        expected.labels,
        strict=True,
    ):
        of_record = content["predictions"][name]
        assert of_record["row"] == row
        assert of_record["labels"] == labels.astype(int).tolist()
        np.testing.assert_allclose(
            of_record["probabilities"], probabilities, rtol=0, atol=1e-6
        )
    assert content["label_names"] == [*expected.label_names]
    with (tmp_path / "e.csv").open() as file:
        rows = [*csv.DictReader(file)]
    assert b"\r" not in (tmp_path / "e.csv").read_bytes()
    assert [row["class"] for row in rows] == [*expected.label_names, "macro average"]
    assert float(rows[-1]["auroc"]) == pytest.approx(
        expected.scores.overall["macro_auroc"], abs=1e-6
    )
    undefined = rows[
        int(np.flatnonzero(np.isnan(expected.scores.by_class["auroc"]))[0])
    ]
    assert undefined["auroc"] == undefined["auroc_low"] == ""


def test_command_refuses_a_leak_in_one_line(
    evaluated: Run, sample_store: Path, sample_checkpoint: Path
) -> None:
    code, printed, errors = evaluated(sample_checkpoint, sample_store, "--folds", "0-7")
    assert (code, printed) == (1, "")
    assert errors.startswith("ecgstore: ")
    assert errors.count("\n") == 1


@pytest.mark.parametrize("option", ["--json", "--csv", "--plots"])
def test_files_that_cannot_be_written_are_reported_at_once(
    evaluated: Run,
    sample_store: Path,
    sample_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    option: str,
) -> None:
    monkeypatch.setattr("ecgstore.models.evaluation.evaluate.evaluate", None)
    (tmp_path / "file").write_text("older")
    code, printed, errors = evaluated(
        sample_checkpoint, sample_store, option, tmp_path / "file" / "out"
    )
    assert (code, printed) == (1, "")
    assert errors.startswith(f"ecgstore: {tmp_path / 'file' / 'out'}: cannot be ")
    assert errors.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_older_files_stay_until_new_ones_are_complete(
    evaluated: Run,
    sample_store: Path,
    sample_checkpoint: Path,
    tmp_path: Path,
) -> None:
    out = tmp_path / "e.json"
    out.write_text("older")
    options = ["--folds", "0-7", "--json", out]
    assert evaluated(sample_checkpoint, sample_store, *options)[0] == 1
    assert out.read_text() == "older"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("folds", ["", "x", "9,", "3-", "3-1", "10", "0-10", "-1"])
def test_folds_must_be_numbers(evaluated: Run, sample_store: Path, folds: str) -> None:
    code, _, errors = evaluated("model.safetensors", sample_store, f"--folds={folds}")
    assert code == 2
    assert "--folds" in errors
