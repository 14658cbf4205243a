"""A single name where names are expected: it is taken, or refused in a sentence.

A text is a sequence too, of letters, which no function may take for names.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ecgstore
from ecgstore import models, pipes
from ecgstore.export import export
from ecgstore.models.inference.prediction import predict
from ecgstore.models.training.run import train
from ecgstore.plots import plot_confusion, plot_filter, plot_reliability
from ecgstore.sample import sample_folder
from ecgstore.storage import Store

ONE = np.zeros((4, 3))

REFUSED: dict[str, tuple[Callable[[Store], Any], str]] = {
    "sources": (lambda store: store.select(sources="ptb-xl"), r"\['ptb-xl'\]"),
    "classes": (lambda store: store.select(classes="AF"), r"\['AF'\]"),
    "folds": (lambda store: store.select(folds=3), r"3 is one fold"),  # type: ignore[arg-type]
    "numpy folds": (
        lambda store: store.select(folds=np.int64(3)),  # type: ignore[arg-type]
        "is one fold",
    ),
    "folds as a text": (lambda store: store.select(folds="89"), "is one fold"),  # type: ignore[arg-type]
    "rows": (lambda store: store.signals("HR00001"), "rows"),  # type: ignore[arg-type]
    "selected rows": (lambda store: store.select(rows="HR00001"), "rows"),  # type: ignore[arg-type]
    "training folds": (
        lambda store: train("run", store, validation_folds=8),  # type: ignore[arg-type]
        r"validation_folds is 8; expected a list of folds",
    ),
    "test folds": (
        lambda store: train("run", store, test_folds="9"),  # type: ignore[arg-type]
        "test_folds is '9'; expected a list of folds",
    ),
    "leads of a model": (
        lambda store: models.ModelSettings(leads="II"),  # type: ignore[arg-type]
        "option leads is 'II'; expected a list",
    ),
    "sources of a build": (
        lambda store: ecgstore.Config(exclude_sources="ptb"),  # type: ignore[arg-type]
        "option exclude_sources is 'ptb'; expected a list",
    ),
    "names of a confusion": (
        lambda store: plot_confusion(ONE > 0, ONE > 0, "abc"),
        "class_names is 'abc'; expected a list",
    ),
    "names of a reliability": (
        lambda store: plot_reliability(ONE > 0, {"a": ONE}, "abc"),
        "class_names is 'abc'; expected a list",
    ),
}


def test_a_path_in_place_of_a_store_is_refused(
    sample_store: Path, sample_checkpoint: Path, tmp_path: Path
) -> None:
    checkpoint = models.Checkpoint.load(sample_checkpoint)
    calls: list[Callable[[], Any]] = [
        lambda: models.evaluate(checkpoint, sample_store),  # type: ignore[arg-type]
        lambda: models.evaluate(sample_checkpoint, sample_store),  # type: ignore[arg-type]
        lambda: train(tmp_path / "run", str(sample_store)),  # type: ignore[arg-type]
        lambda: ecgstore.build_store([], tmp_path / "a.h5", {"fs": 250}),  # type: ignore[arg-type]
    ]
    for call in calls:
        with pytest.raises(TypeError, match=r"expected (a|options)"):
            call()
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("argument", REFUSED)
def test_a_single_name_is_refused_in_a_sentence(
    sample_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    argument: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    call, message = REFUSED[argument]
    with (
        ecgstore.open(sample_store) as store,
        pytest.raises((TypeError, ecgstore.ConfigError), match=message),
    ):
        call(store)


def test_a_single_name_is_taken(
    sample_store: Path, sample_checkpoint: Path, tmp_path: Path
) -> None:
    header = next(sample_folder().rglob("HR00001.hea"))
    with ecgstore.open(sample_store) as store:
        loader = pipes.loader(store, 4, fields="signals", leads="II")
        batch = next(iter(loader))
        assert batch.signals is not None
        assert batch.signals.shape[1] == 1
        signals = store.as_dataset(fields="signals", leads="II")[0]["signals"]
        assert signals.shape[0] == 1
        assert export(store, tmp_path, "labels") == [tmp_path / "labels.csv"]
        for folder in (sample_folder(), str(sample_folder())):
            assert plot_filter(store, "HR00001", folder).axes
    [prediction] = predict(models.Checkpoint.load(sample_checkpoint), str(header))
    assert prediction.record_id == "HR00001"
    assert ecgstore.survey(str(sample_folder()), n_workers=1, quiet=True).n_selected
