"""The small network on tables of features, and what it is trained on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ecgstore.models.running import run_network
from ecgstore.models.settings import TrainingSettings
from ecgstore.models.tabular import fusion_training, trees
from ecgstore.models.tabular.fits import FITS
from ecgstore.models.tabular.fusion import FusionNetwork
from ecgstore.models.tabular.fusion_training import train_fusion
from ecgstore.models.tabular.table import DeepFeatures, FeatureSet, read_table
from ecgstore.pipes.testing import digest
from ecgstore.scores.multilabel import auroc
from ecgstore.storage import Selection, Store

pytestmark = pytest.mark.usefixtures("one_thread")


def test_nothing_is_fitted_on_other_records(
    store: Store, training: Selection, settings: TrainingSettings
) -> None:
    network = train_fusion(training, ("age_sex",), settings)
    table = read_table(training, ("age_sex",), None)
    mean = np.nanmean(table.astype(np.float64), axis=0)
    np.testing.assert_allclose(network.table_input.mean.numpy(), mean, rtol=1e-6)
    all_records = read_table(store.select(), ("age_sex",), None)
    assert not np.allclose(np.nanmean(all_records, axis=0), mean, rtol=1e-6)


def test_a_relation_is_learned(
    store: Store, training: Selection, deep: DeepFeatures, settings: TrainingSettings
) -> None:
    others = store.select(rows=range(1, 44, 2))
    settings = replace(settings, epochs=15)
    network = train_fusion(training, ("deep", "age_sex"), settings, deep)
    outputs = run_network(network, others, transform=[deep])
    labels = store.labels(rows=others.rows)
    assert np.nanmean(auroc(labels, outputs.probabilities)) > 0.9


def test_initial_weights_depend_on_the_seed(
    training: Selection, settings: TrainingSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    initial: list[str] = []

    def note(network: FusionNetwork, *_: object, **__: object) -> None:
        initial.append(digest(network.head.state_dict()))

    monkeypatch.setattr(fusion_training, "fit", note)
    for seed in (1, 1, 2):
        train_fusion(training, ("handcrafted",), replace(settings, seed=seed))
    assert initial[0] == initial[1] != initial[2]


def test_every_classifier_depends_on_the_seed(
    training: Selection, settings: TrainingSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(trees.OPTIONS, "max_iter", 5)
    sets: tuple[FeatureSet, ...] = ("handcrafted", "age_sex")
    table = read_table(training, sets, None)
    for name, fit in FITS.items():
        first, again, other = (
            fit(training, sets, None, replace(settings, seed=seed)).logits(table)
            for seed in (1, 1, 2)
        )
        np.testing.assert_array_equal(first, again, name)
        assert (first != other).any(), name


def test_the_same_seed_gives_the_same_bits(
    training: Selection, deep: DeepFeatures, settings: TrainingSettings
) -> None:
    feature_sets: tuple[FeatureSet, ...] = ("handcrafted", "deep")
    before = torch.get_rng_state()
    first, again, other = (
        digest(train_fusion(training, feature_sets, of_run, deep).state_dict())
        for of_run in (settings, settings, replace(settings, seed=2))
    )
    assert first == again
    assert first != other
    assert torch.equal(torch.get_rng_state(), before)


def test_other_records_change_nothing(
    store: Store, training: Selection, deep: DeepFeatures, settings: TrainingSettings
) -> None:
    spoilt = deep.values.copy()
    spoilt[np.setdiff1d(np.arange(len(store)), training.rows)] = np.nan
    first, second = (
        digest(train_fusion(training, ("deep",), settings, features).state_dict())
        for features in (deep, DeepFeatures(spoilt))
    )
    assert first == second


@pytest.mark.parametrize("average_decay", [0.0, 0.9])
def test_constant_columns_do_no_harm(
    store: Store,
    training: Selection,
    settings: TrainingSettings,
    average_decay: float,
) -> None:
    values = np.random.default_rng(2).normal(size=(len(store), 3)).astype(np.float32)
    values[:, 1] = 0.1
    deep = DeepFeatures(values)
    settings = replace(settings, average_decay=average_decay)
    network = train_fusion(training, ("deep",), settings, deep)
    outputs = run_network(network, training, transform=[deep])
    assert np.isfinite(outputs.logits).all()
    assert outputs.features.shape == (len(training), 64)


def test_layers_are_those_of_the_prototype() -> None:
    network = FusionNetwork(("handcrafted", "age_sex"), 5, 7)
    assert network.fields == ("features", "age", "sex", "labels")
    n_in, expected = 10, 0
    for width in (256, 128, 64):
        expected += n_in * width + 3 * width
        n_in = width
    expected += 64 * 7 + 7
    assert sum(weights.numel() for weights in network.parameters()) == expected
