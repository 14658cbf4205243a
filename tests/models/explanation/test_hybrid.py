"""What the parts of a hybrid add sums to its fused logit, for records of the sample."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import ecgstore
from ecgstore.cli import cli
from ecgstore.errors import EcgStoreError
from ecgstore.models.explanation.explain import Explanation
from ecgstore.models.explanation.model import explain_model
from ecgstore.models.explanation.new_record import explain_new_record
from ecgstore.models.explanation.report import plot, write_table
from ecgstore.models.explanation.saliency import integrated_gradients
from ecgstore.models.explanation.table_gradients import table_gradients
from ecgstore.models.explanation.tree_shap import contributions
from ecgstore.models.hybrid.file import save_hybrid
from ecgstore.models.hybrid.model import Hybrid
from ecgstore.models.hybrid.settings import HybridSettings
from ecgstore.models.hybrid.training import train_hybrid
from ecgstore.models.inference.new_records import (
    batch_of,
    config_of_new_records,
    feature_names,
    read_new_record,
)
from ecgstore.models.inference.prediction import predict
from ecgstore.models.settings import TrainingSettings
from ecgstore.models.tabular.logit_fusion import LARGEST_LOGIT
from ecgstore.sample import sample_folder
from tests.models.explanation.test_explain import rows_of

pytestmark = pytest.mark.usefixtures("one_thread")

HEADERS = sorted(sample_folder().rglob("*.hea"))[::20]


def tolerance(found: Explanation) -> float:
    """Return the error of the sum: of a signal, 1 % is tolerated."""
    return 0.02 + 0.01 * abs(found.from_signal)


@pytest.fixture(scope="module")
def hybrid(sample_store: Path) -> Hybrid:
    settings = HybridSettings(
        n_inner_folds=2,
        fusion=TrainingSettings(epochs=3, batch_size=16, augment=False),
    )
    with ecgstore.open(sample_store) as store:
        return train_hybrid(
            store, np.arange(len(store.records)), settings, n_resamples=10
        )


@pytest.fixture(scope="module")
def handcrafted(hybrid: Hybrid) -> Hybrid:
    """Return the hybrid without its extractor."""
    fusion = hybrid.fusion
    without = replace(fusion, weights=fusion.weights[:2], centres=fusion.centres[:2])
    return replace(hybrid, extractor=None, fusion=without)


def total(found: Explanation) -> float:
    return found.base + found.from_signal + found.from_features


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: header.stem)
@pytest.mark.parametrize("place", [0, -1])
def test_all_contributions_sum_to_the_fused_logit(
    hybrid: Hybrid, handcrafted: Hybrid, header: Path, place: int
) -> None:
    label_name = hybrid.label_names[place]
    for model in (hybrid, handcrafted):
        found = explain_new_record(model, header, label_name)
        assert total(found) == pytest.approx(found.logit, abs=tolerance(found))
        assert bool(found.saliency.any()) == (model is hybrid)
        assert {one.name for one in found.features} == {*hybrid.columns}
        ((prediction,),) = [[*predict(model, header)]]
        assert prediction.probabilities is not None
        assert prediction.decisions is not None
        assert found.probability == prediction.probabilities[place]
        assert found.threshold == model.thresholds[place]
        assert found.is_predicted == prediction.decisions[place]


def test_each_part_has_its_weight(hybrid: Hybrid) -> None:
    config = config_of_new_records(hybrid)
    record = read_new_record(HEADERS[0], config, with_features=True)
    batch = batch_of([record], config, config.leads)
    runner = hybrid.runner(feature_names(config), "cpu")
    found = explain_model(hybrid, runner, batch, hybrid.label_names[0])
    table, extractor = runner.table(batch), hybrid.extractor
    assert extractor is not None
    of_trees, of_network, of_extractor = (
        hybrid.fusion.scale[0] * hybrid.fusion.weights[:, 0]
    )
    forest = hybrid.trees.forest
    row = table[:, forest.places(hybrid.columns)]
    expected = dict(zip(forest.columns, contributions(forest, row)[0, 0], strict=True))
    small = table_gradients(hybrid.network, table[0], 0).values
    for (name, value, added), column in (
        (one, hybrid.columns.index(one.name)) for one in found.features
    ):
        weighted = of_trees * expected.get(name, 0.0) + of_network * small[column]
        assert added == pytest.approx(weighted, abs=1e-9)
        np.testing.assert_equal(value, float(table[0, column]))
    network = extractor.network()
    deep = integrated_gradients(network, extractor.decimate()(batch), 0)
    np.testing.assert_allclose(found.saliency, of_extractor * deep.values, atol=1e-12)


def test_logits_are_clipped_as_in_the_sum(hybrid: Hybrid) -> None:
    extractor = hybrid.extractor
    assert extractor is not None
    weights = dict(extractor.weights)
    weights["head.weight"] = 200 * weights["head.weight"]
    certain = replace(hybrid, extractor=replace(extractor, weights=weights))
    found = explain_new_record(certain, HEADERS[0], hybrid.label_names[0])
    weight = hybrid.fusion.scale[0] * hybrid.fusion.weights[2, 0]
    # Both ends of the way are clipped, and 1 % of it may be the error.
    largest = 2 * LARGEST_LOGIT * weight
    assert abs(found.from_signal) <= 1.01 * largest
    assert total(found) == pytest.approx(found.logit, abs=0.01 * largest + 0.02)


def test_age_and_sex_are_columns(hybrid: Hybrid, tmp_path: Path) -> None:
    header = next(sample_folder().rglob("HR00001.hea"))
    found = explain_new_record(hybrid, header)
    values = {one.name: one.value for one in found.features}
    record = read_new_record(header, config_of_new_records(hybrid))
    assert values["age"] == record.age
    assert values["sex"] == {"male": 0.0, "female": 1.0}[record.sex]
    write_table(tmp_path / "a.csv", found)
    rows = {row["name"]: row for row in rows_of(tmp_path / "a.csv")}
    assert rows["sex"]["value"] == record.sex
    assert (rows["age"]["unit"], rows["sex"]["unit"]) == ("years", "")


def test_the_page_names_parts_and_decision(hybrid: Hybrid) -> None:
    found = explain_new_record(hybrid, HEADERS[0])
    threshold, sure = found.probability, f"probability {found.probability:.3f}"
    for factor, verb in ((1.0, "predicted"), (1.001, "not predicted")):
        figure = plot(replace(found, threshold=factor * threshold))
        paper, table = ([one.get_text() for one in ax.texts] for ax in figure.axes)
        (title,) = [text for text in paper if sure in text.replace("\n", " ")]
        limit = f"({verb}: the threshold is {factor * threshold:.3f})"
        assert title.replace("\n", " ").endswith(limit)
        for name, added in (
            ("signal, all leads", found.from_signal),
            ("all features, age and sex", found.from_features),
        ):
            assert table[table.index(name) + 1] == f"{added:+.2f}"


def test_the_command_explains_a_hybrid(hybrid: Hybrid, tmp_path: Path) -> None:
    path, table = tmp_path / "model.safetensors", tmp_path / "a.csv"
    save_hybrid(hybrid, path)
    arguments = ["explain", str(tmp_path), str(HEADERS[0]), "--device", "cpu"]
    arguments += ["-o", str(tmp_path / "a.svg"), "--csv", str(table)]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    added = sum(float(row["contribution"]) for row in rows_of(table))
    found = explain_new_record(hybrid, HEADERS[0])
    assert added == pytest.approx(found.logit, abs=tolerance(found))
    assert "the threshold is" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_wrong_batches_and_classes_are_refused(hybrid: Hybrid) -> None:
    with pytest.raises(EcgStoreError, match="no class 'AFX'; did you mean AF"):
        explain_new_record(hybrid, HEADERS[0], "AFX")
    config = config_of_new_records(hybrid)
    record = read_new_record(HEADERS[0], config, with_features=True)
    batch = batch_of([record] * 2, config, config.leads)
    runner = hybrid.runner(feature_names(config), torch.device("cpu"))
    with pytest.raises(ValueError, match="the batch has 2 records; expected one"):
        explain_model(hybrid, runner, batch)
