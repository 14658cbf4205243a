"""The report of a training says what its model says, and trusts no file."""

import copy
import json
import os
import random
import re
import shlex
import shutil
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

from ecgstore.cli.commands.train import TrainOptions, train as train_command
from ecgstore.cli.options.declared import drop_unset
from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.evaluation.evaluate import (
    Evaluation,
    TargetEvaluation,
    evaluate,
)
from ecgstore.models.hybrid.card import PART_TITLES
from ecgstore.models.hybrid.file import load_hybrid, save_hybrid
from ecgstore.models.hybrid.folder import train_hybrid_into
from ecgstore.models.hybrid.settings import HybridSettings
from ecgstore.models.loading import load
from ecgstore.models.settings import TrainingSettings
from ecgstore.models.tabular import trees
from ecgstore.options import options_of, updated
from ecgstore.reports import evaluations, page, training
from ecgstore.reports.judged import evaluations_in
from ecgstore.reports.pictures import Pictures
from ecgstore.reports.run import run_report
from ecgstore.scores.regression import regression_bootstrap
from ecgstore.scores.texts import estimate_text, number_text
from ecgstore.storage import Store
from ecgstore.system import json_files

pytestmark = pytest.mark.usefixtures("one_thread")

HOSTILE = "<script>alert(1)</script>\x1b[2J"


@pytest.fixture(scope="module")
def store(sample_store: Path) -> Iterator[Store]:
    with Store(sample_store) as opened:
        yield opened


@pytest.fixture
def run(sample_checkpoint: Path, tmp_path: Path) -> Path:
    """Return the folder of a network's training."""
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(sample_checkpoint, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def evaluation(sample_checkpoint: Path, store: Store) -> Evaluation:
    """Return the evaluation of the network on fold 9."""
    return evaluate(load(sample_checkpoint), store)


@pytest.fixture(scope="module")
def hybrid(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a hybrid's training, without signals."""
    folder = tmp_path_factory.mktemp("hybrid") / "run"
    settings = HybridSettings(
        n_inner_folds=2, fusion=TrainingSettings(epochs=2, batch_size=16, augment=False)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(trees.OPTIONS, "max_iter", 3)
        train_hybrid_into(folder, store, settings, inputs="handcrafted")
    return folder


def text_of(*arguments: Any, **options: Any) -> str:
    """Return a report as HTML whose texts are not escaped."""
    return unescape(page.html(run_report(*arguments, **options)))


def with_origin(run: Path, **values: Any) -> None:
    """Change what a model says of its training."""
    path = run / "model.safetensors"
    checkpoint = Checkpoint.load(path)
    replace(checkpoint, origin={**checkpoint.origin, **values}).save(path)


def test_without_a_store_it_says_what_the_model_is(run: Path) -> None:
    text = text_of(run)
    model = Checkpoint.load(run)
    history = model.origin["history"]
    [epoch] = history["epochs"]
    for words in (
        "Network cnn",
        *model.label_names,
        model.fingerprint,
        model.weights_sha256(),
        model.origin["software"],
        number_text(epoch["training_loss"]),
        number_text(epoch["validation_auroc"]),
        "1, kept",
        "ecgstore predict RUN",
        "give a store with --store",
    ):
        assert words in text
    n_training = len(model.origin["training_rows"])
    assert f"trained on {n_training} records" in text
    assert text_of(run / "model.safetensors").count("<table") == text.count("<table")


def test_scores_on_a_store_are_those_of_evaluate(
    run: Path, store: Store, evaluation: Evaluation
) -> None:
    text = text_of(run, store)
    for estimate in evaluation.intervals.scores["model"].values():
        assert estimate_text(*estimate) in text
    for estimates in evaluation.intervals.class_scores["model"].values():
        assert all(estimate_text(*estimate) in text for estimate in estimates)
    for threshold in evaluation.scores.thresholds:
        assert f">{number_text(float(threshold))}</td>" in text
    titles = re.findall(r'<figure class="ecg">\s*<svg[^>]*>\s*<title>([^<]+)</t', text)
    assert len(titles) == min(12, len(evaluation.rows))
    assert {*titles} <= {*evaluation.record_ids}
    assert "fold 9 of" in text
    assert "0, 1, 2, 3, 4, 5, 6, 7" in text  # the folds of the training


def test_records_that_the_model_has_seen_are_refused(run: Path, store: Store) -> None:
    with pytest.raises(EcgStoreError, match="trained or validated on"):
        run_report(run, store, folds=[0])


def test_an_evaluation_in_the_folder_gives_the_same_scores(
    run: Path, store: Store, evaluation: Evaluation
) -> None:
    (run / "a.json").write_text(json.dumps({"made": "by somebody else"}))
    (run / "evaluation.json").write_text(json.dumps(evaluation.to_dict()))
    text, of_store = text_of(run), text_of(run, store)
    assert "Scores of held-out records: evaluation.json" in text
    pattern = r"\d\.\d{3} \(\d\.\d{3} to \d\.\d{3}\)"
    assert re.findall(pattern, text) == re.findall(pattern, of_store)
    assert '<figure class="ecg">' not in text


def test_other_json_files_beside_a_model_are_left_alone(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = {"loss": '{"loss": NaN}', "empty": "", "half": '{"a": [1, 2'}
    for name, content in contents.items():
        (run / f"{name}.json").write_text(content)
    (run / "good.json").write_text('{"a": 1}')
    (run / "broken.json").symlink_to(run / "nowhere")
    (run / "folder.json").mkdir()
    os.mkfifo(run / "pipe.json")
    assert "too many: empty.json, half.json, loss.json." in text_of(run)
    # What is read is bounded, and spent on evaluations first.
    monkeypatch.setattr(json_files, "MOST_BYTES", 8)
    assert "empty.json, half.json, loss.json." in text_of(run)
    (run / "z.json").write_text('\n{ "label_names": ["')
    with pytest.raises(SchemaError, match=re.escape(f"{run / 'z.json'}: has 20 bytes")):
        run_report(run)
    monkeypatch.setattr(json_files, "MOST_BYTES", 20)
    with pytest.raises(SchemaError, match=re.escape(f"{run / 'z.json'}: is no JSON")):
        run_report(run)


def test_json_files_beside_a_model_are_freed_one_after_the_other(
    tmp_path: Path,
) -> None:
    for number in range(6):
        (tmp_path / f"{number}.json").write_text(f"[{'0,' * 1_000_000}0]")
    tracemalloc.start()
    try:
        assert evaluations_in(tmp_path, ("AF",)) == ([], [])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000  # a list takes nine million


def test_targets_are_reported_and_checked(
    run: Path, store: Store, evaluation: Evaluation
) -> None:
    rng = np.random.default_rng(1)
    n_records = len(evaluation.rows)
    values = rng.normal(60, 10, (n_records, 1)).astype(np.float32)
    values[0] = np.nan
    predictions = (values + rng.normal(0, 5, values.shape)).astype(np.float32)
    predictions[0] = 50
    patients = store.groups()[evaluation.rows]
    result = regression_bootstrap(["age"], values, predictions, patients)
    with_age = replace(
        evaluation, targets=TargetEvaluation(values, predictions, result)
    )
    path, content = run / "evaluation.json", with_age.to_dict()
    path.write_text(json.dumps(content))
    assert estimate_text(*result.scores[0]["mae"]) in text_of(run)
    name = evaluation.record_ids[1]
    damages: tuple[Callable[[dict[str, Any]], object], ...] = (
        lambda c: c["predictions"][name].update(predicted_targets=[0.0]),
        lambda c: c["predictions"][name].update(targets=[None]),
        lambda c: c["predictions"][name].update(targets=[]),
        lambda c: c["predictions"][name].pop("targets"),
        lambda c: c["targets"]["targets"]["age"]["scores"].update(mae=[1, 1]),
        lambda c: c["targets"]["targets"]["age"].update(n_known=-1),
        lambda c: c.update(targets=3),
    )
    for damage in damages:
        damaged = copy.deepcopy(content)
        damage(damaged)
        path.write_text(json.dumps(damaged))
        with pytest.raises(SchemaError, match=re.escape(str(path))):
            run_report(run)


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where the values are; of lists and long objects, the first."""
    if path:
        yield path
    if isinstance(value, dict):
        for name in [*value] if len(value) < 12 else [*value][:1]:
            yield from paths_of(value[name], (*path, name))
    elif isinstance(value, list) and value:
        yield from paths_of(value[0], (*path, 0))


WRONG: tuple[Any, ...] = (
    *(None, "", HOSTILE, True, -1, 0, 1.5, 10**400, 1e308),
    *(float("nan"), [], {}, [None], [[[]]], [0.5, "x"], {"a": 1}),
)


def test_a_damaged_evaluation_is_an_error_that_names_the_file_or_changes_nothing(
    run: Path, evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pictures, "add", lambda *_, **__: page.Paragraph("a picture"))
    for module, name in (
        (evaluations, "plot_reliability"),
        (evaluations, "plot_confusion"),
        (training, "plot_training_curves"),
    ):
        monkeypatch.setattr(module, name, lambda *_, **__: None)
    content, path = evaluation.to_dict(), run / "evaluation.json"
    draw, n_errors = random.Random(0), 0
    paths = [*paths_of(content)]
    assert len(paths) > 40
    for keys in paths:
        damaged = copy.deepcopy(content)
        holder: Any = damaged
        for key in keys[:-1]:
            holder = holder[key]
        choice = draw.choice((*WRONG, "delete"))
        if choice == "delete":
            del holder[keys[-1]]
        else:
            holder[keys[-1]] = choice
        path.write_text(json.dumps(damaged))
        message = None
        try:
            page.html(run_report(run))
        except SchemaError as error:
            message = str(error)
        if message is not None:
            n_errors += 1
            assert str(path) in message
            assert "\n" not in message
    assert n_errors > 0.5 * len(paths)


def test_a_score_that_is_not_that_of_the_predictions_is_an_error(
    run: Path, evaluation: Evaluation
) -> None:
    content = evaluation.to_dict()
    content["intervals"]["scores"]["model"]["subset_accuracy"] = [0.99, 0.9, 1.0]
    (run / "evaluation.json").write_text(json.dumps(content))
    with pytest.raises(SchemaError, match="subset_accuracy"):
        run_report(run)


@pytest.mark.parametrize(
    "values",
    [
        {"history": 3},
        {"history": {}},
        {"history": {"epochs": [{}], "best": 1}},
        {"history": {"epochs": [], "best": 1}},
        {"settings": [HOSTILE]},
        {"settings": {"epochs": {"a": {"b": 1}}}},
        {"software": 3},
    ],
)
def test_a_wrong_origin_is_an_error_that_names_the_file(
    run: Path, values: dict[str, Any]
) -> None:
    with_origin(run, **values)
    with pytest.raises(SchemaError, match=re.escape(str(run))):
        run_report(run)


def test_losses_and_scores_without_a_value_are_shown_as_such(run: Path) -> None:
    model = Checkpoint.load(run)
    [epoch] = model.origin["history"]["epochs"]
    nan = float("nan")
    epochs = [
        {**epoch, "epoch": number, "validation_loss": nan, "validation_auroc": nan}
        for number in range(1, 101)
    ]
    with_origin(run, history={"epochs": epochs, "best": 67})
    text = text_of(run)
    assert "Epoch 67 of 100 was kept: validation loss undefined" in text
    rows = re.findall(r'<th scope="row"[^>]*>(\d+)(?:, kept)?</th>', text)
    assert {"1", "67", "100"} <= {*rows}
    assert len(rows) < 50


def test_texts_of_others_are_only_text(run: Path) -> None:
    (run / "README.md").write_text(HOSTILE)
    with_origin(run, software=HOSTILE)
    path = run / "model.safetensors"
    checkpoint = Checkpoint.load(path)
    names = (HOSTILE, *checkpoint.label_names[1:])
    replace(checkpoint, label_names=names).save(path)
    text = page.html(run_report(run))
    assert "<script" not in text
    assert "\x1b" not in text
    assert text.count("&lt;script&gt;") > 3


def test_a_hybrid_is_reported_with_its_card_and_parts(
    hybrid: Path, store: Store
) -> None:
    text = text_of(hybrid, store)
    model = load_hybrid(hybrid / "model.safetensors")
    scores = model.origin["scores"]
    for name in scores["names"]:
        assert PART_TITLES[name] in text
        for of_score in scores["scores"][name].values():
            assert estimate_text(*of_score) in text
    for threshold in model.thresholds:
        assert number_text(float(threshold)) in text
    assert "# A classifier of ECGs" in text
    assert "Thresholds are those of the model" in text
    assert "--inputs handcrafted" in text


@pytest.mark.parametrize(
    "damage",
    [
        lambda scores: scores.pop("scores"),
        lambda scores: scores.update(names=["sum", "x"]),
        lambda scores: scores["scores"]["sum"].update(macro_auroc=[2, 0, 1]),
        lambda scores: scores["class_scores"]["sum"].update(f1=[]),
    ],
    ids=["missing", "names", "range", "length"],
)
def test_damaged_scores_of_a_hybrid_are_an_error_that_names_the_file(
    hybrid: Path, tmp_path: Path, damage: Callable[[dict[str, Any]], object]
) -> None:
    path = tmp_path / "model.safetensors"
    model = load_hybrid(hybrid / "model.safetensors")
    scores = copy.deepcopy(model.origin["scores"])
    damage(scores)
    save_hybrid(replace(model, origin={**model.origin, "scores": scores}), path)
    with pytest.raises(SchemaError, match=re.escape(f"{path}: origin.scores")):
        run_report(tmp_path)


def options_in(text: str) -> dict[str, Any]:
    """Return the options of the command that trains again, as click reads them."""
    codes = re.findall(r"<code>\s*(ecgstore train.*?)</code>", text, re.DOTALL)
    words = shlex.split(codes[0].replace("\\\n", ""))
    with click.Context(train_command) as context:
        train_command.parse_args(context, words[2:])
    return drop_unset(context.params)


def test_the_command_in_the_report_gives_the_same_settings(
    run: Path, hybrid: Path
) -> None:
    model, options = Checkpoint.load(run), options_in(text_of(run))
    known = options_of(TrainOptions())
    found = updated(
        TrainOptions(), {name: options[name] for name in known if name in options}
    )
    assert found.model == model.model
    assert found.training.to_dict() == model.origin["settings"]
    of_hybrid = options_in(text_of(hybrid))
    assert of_hybrid["inputs"] == "handcrafted"
    assert (of_hybrid["n_inner_folds"], of_hybrid["fusion_epochs"]) == (2, 2)
    assert "epochs" not in of_hybrid


def test_the_command_has_the_folds_of_the_training(
    run: Path, hybrid: Path, store: Store
) -> None:
    assert "--validation-folds 8 --test-folds 9" in text_of(run, store)
    fold = store.column("fold")
    with_origin(
        run,
        training_rows=np.flatnonzero((fold != 3) & (fold != 5) & (fold != 9)),
        validation_rows=np.flatnonzero(fold == 3),
    )
    options = options_in(text_of(run, store))
    assert (options["validation_folds"], options["test_folds"]) == ((3,), (5, 9))
    assert "--inputs handcrafted --test-folds 9" in text_of(hybrid, store)


def test_without_whole_folds_the_report_says_how_to_get_them(
    run: Path, store: Store
) -> None:
    assert "report RUN --store STORE` finds them" in text_of(run)
    rows = Checkpoint.load(run).origin["training_rows"]
    with_origin(run, training_rows=rows[1:])
    text = text_of(run, store)
    assert "not whole folds of STORE" in text
    assert "--test-folds" not in text


def test_records_listed_outside_of_the_store_are_an_error(
    run: Path, store: Store
) -> None:
    with_origin(run, training_rows=np.array([10**6]))
    with pytest.raises(SchemaError, match="expected rows below"):
        run_report(run, store)
