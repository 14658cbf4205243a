"""Contributions of several models sum to their weighted log-odds."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.explanation.explain import Explanation, explain_record
from ecgstore.models.explanation.new_record import explain_new_record
from ecgstore.models.explanation.report import COLUMNS, plot, write_table
from ecgstore.models.explanation.saliency import integrated_gradients
from ecgstore.models.explanation.tree_shap import contributions
from ecgstore.models.inference.prediction import predict
from ecgstore.models.networks.create import create_model
from ecgstore.models.tabular.forest import Forest
from ecgstore.sample import sample_folder
from tests.models.explanation.test_saliency import N_LEADS, one_record
from tests.models.tabular.random_forests import INF, grown

NAMES = ("a", "b", "c")
BATCH = one_record()
WEIGHTS: dict[str, Any] = {
    "network_weight": 0.5,
    "forest_weight": 2.0,
    "offset": -0.25,
}
pytestmark = pytest.mark.usefixtures("one_thread")


def networks_of(n_networks: int) -> list[Any]:
    torch.manual_seed(0)
    return [create_model("cnn", N_LEADS, 3).eval() for _ in range(n_networks)]


def forests_of(*n_columns: int) -> list[Forest]:
    """Return forests whose classes are in another order than those of the networks."""
    generator = np.random.default_rng(3)
    return [
        replace(grown(generator, n), label_names=("c", "b", "a")) for n in n_columns
    ]


FEATURES = {"other": 9.0, "c3": np.nan, "c1": -0.5, "c0": 0.5, "c2": 1.0}
ROW = np.array([[FEATURES[f"c{number}"] for number in range(4)]])


@pytest.mark.parametrize(("n_networks", "n_columns"), [(1, ()), (0, (4,)), (2, (3, 4))])
def test_all_parts_sum_to_the_logit(
    n_networks: int, n_columns: tuple[int, ...]
) -> None:
    networks, forests = networks_of(n_networks), forests_of(*n_columns)
    found = explain_record(
        BATCH, "c", NAMES, networks=networks, forests=forests, features=FEATURES,
        **WEIGHTS,
    )  # fmt: skip
    logit = -0.25
    if networks:
        with torch.no_grad():
            logits = [one(*one.inputs(BATCH)).logits[0, 2].item() for one in networks]
        logit += 0.5 * np.mean(logits)
    if forests:
        of_trees = [one.log_odds(ROW[:, : len(one.columns)])[0, 0] for one in forests]
        logit += 2 * np.mean(of_trees)
    assert found.logit == pytest.approx(logit, abs=1e-5)
    total = found.base + found.saliency.sum()
    total += sum(one.contribution for one in found.features)
    assert total == pytest.approx(found.logit, abs=0.01)
    assert found.probability == pytest.approx(1 / (1 + np.exp(-found.logit)))
    assert bool(found.saliency.any()) == bool(networks)


def test_contributions_are_means_over_the_members_times_the_weights() -> None:
    networks, forests = networks_of(2), forests_of(3, 4)
    found = explain_record(
        BATCH, "a", NAMES, networks=networks, forests=forests, features=FEATURES,
        **WEIGHTS,
    )  # fmt: skip
    of_networks = [integrated_gradients(one, BATCH, 0).values for one in networks]
    np.testing.assert_allclose(found.saliency, 0.25 * np.add(*of_networks), atol=1e-12)
    of_trees = np.zeros(4)
    for forest in forests:
        n = len(forest.columns)
        of_trees[:n] += contributions(forest, ROW[:, :n])[0, 2]
    by_name = {name: added for name, _, added in found.features}
    assert by_name == {
        f"c{number}": pytest.approx(of_trees[number]) for number in range(4)
    }
    sizes = [abs(one.contribution) for one in found.features]
    assert sizes == sorted(sizes, reverse=True)
    for name, value, _ in found.features:
        np.testing.assert_equal(value, FEATURES[name])


def test_a_class_without_trees_has_a_finite_base() -> None:
    (forest,) = forests_of(3)
    certain = replace(
        forest,
        class_begins=np.array([0, 0, *forest.class_begins[2:]], np.int32),
        baseline=np.array([-INF, *forest.baseline[1:]]),
    )
    found = explain_record(BATCH, "c", NAMES, forests=[certain], features=FEATURES)
    assert (found.logit, found.base, found.features) == (-30, -30, ())


def test_what_cannot_be_explained_is_refused() -> None:
    networks, forests = networks_of(1), forests_of(4)
    with pytest.raises(ValueError, match="neither networks nor forests"):
        explain_record(BATCH, "a", NAMES)
    with pytest.raises(EcgStoreError, match="no class 'd'; expected one of a, b, c"):
        explain_record(BATCH, "d", NAMES, networks=networks)
    with pytest.raises(SchemaError, match="no column 'c0'"):
        explain_record(BATCH, "a", NAMES, forests=forests)
    without_c2 = {name: 1.0 for name in FEATURES if name != "c2"}
    with pytest.raises(SchemaError, match="no column 'c2'"):
        explain_record(BATCH, "a", NAMES, forests=forests, features=without_c2)
    with pytest.raises(ValueError, match="no signals"):
        explain_record(BATCH.replace(signals=None), "a", NAMES, networks=networks)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [*csv.DictReader(file)]


@pytest.mark.parametrize("fs", [100.0, 128.0, 500.0])
def test_the_contributions_of_the_table_sum_to_the_logit(
    tmp_path: Path, fs: float
) -> None:
    explanation = explain_record(
        BATCH.replace(fs=fs), "a", NAMES, networks=networks_of(1),
        forests=forests_of(3, 4), features=FEATURES, **WEIGHTS,
    )  # fmt: skip
    named = explanation.features[0]._replace(name="pr_interval_ms", value=250.0)
    explanation = replace(explanation, features=(named, *explanation.features[1:]))
    write_table(tmp_path / "a.csv", explanation)
    rows = rows_of(tmp_path / "a.csv")
    assert tuple(rows[0]) == COLUMNS
    total = sum(float(row["contribution"]) for row in rows)
    assert total == pytest.approx(explanation.logit, abs=0.01)
    parts = [row["part"] for row in rows]
    n_pieces = int(np.ceil(explanation.n_real_samples / fs * 10))
    n_features = len(explanation.features)
    expected = ["base"] + ["signal"] * (N_LEADS * n_pieces) + ["feature"] * n_features
    assert parts == expected
    (last,) = [row for row in rows if row["name"] == "V1"][-1:]
    assert float(last["end_s"]) == pytest.approx(explanation.n_real_samples / fs)
    listed = rows[-n_features]
    keys = ("name", "value", "unit", "normal_low", "normal_high")
    found = [listed[key] for key in keys]
    assert found == ["pr_interval_ms", "250", "ms", "120", "200"]


@pytest.fixture(scope="module")
def checkpoint(sample_checkpoint: Path) -> Checkpoint:
    return Checkpoint.load(sample_checkpoint)


HEADER = next(sample_folder().rglob("HR00001.hea"))


@pytest.fixture(scope="module")
def explained(checkpoint: Checkpoint) -> Explanation:
    return explain_new_record(checkpoint, HEADER)


def test_a_new_record_is_explained_as_it_is_predicted(
    checkpoint: Checkpoint, explained: Explanation
) -> None:
    ((prediction),) = predict(checkpoint, HEADER)
    assert prediction.probabilities is not None
    place = int(prediction.probabilities.argmax())
    assert explained.label_name == checkpoint.label_names[place]
    assert explained.probability == pytest.approx(prediction.probabilities[place])
    assert explained.record_id == prediction.record_id
    assert (explained.fs, explained.leads) == (checkpoint.fs, checkpoint.leads)
    assert explained.saliency.shape == explained.signal.shape
    other = explain_new_record(checkpoint, HEADER, "AF")
    place = checkpoint.label_names.index("AF")
    assert other.probability == pytest.approx(prediction.probabilities[place])


def test_the_figure_says_what_adds_to_what(explained: Explanation) -> None:
    texts = [text.get_text() for text in plot(explained, "0.5-40 Hz").axes[0].texts]
    title, label = f"HR00001: {explained.label_name}", explained.probability
    assert f"{title}, probability {label:.3f}" in texts
    assert any("filter 0.5-40 Hz" in text for text in texts)
    signal = explained.saliency.sum()
    parts = f"base {explained.base:+.2f}, signal {signal:+.2f}"
    assert f"log-odds {explained.logit:+.2f} = {parts}" in texts


def test_several_records_are_refused(checkpoint: Checkpoint) -> None:
    with pytest.raises(EcgStoreError, match="records; expected one: name its header"):
        explain_new_record(checkpoint, sample_folder())
