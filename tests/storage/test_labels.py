"""Labels of the store's own classes and of others."""

from pathlib import Path

import numpy as np

import ecgstore
from ecgstore.diagnoses import class_set


def test_differences_and_products_of_labels_are_right(store: ecgstore.Store) -> None:
    """They wrap in the stored type: there are 3 positives less than 41 negatives."""
    labels = store.labels()
    difference = 2 * labels.sum(axis=0) - len(store)
    assert difference.dtype == np.int64
    assert difference.min() < 0
    many = np.repeat(labels, 40, axis=0)
    assert (np.diag(many.T @ many) == 40 * labels.sum(axis=0)).all()


def test_class_weights_are_those_of_the_rows(store: ecgstore.Store) -> None:
    train = store.select(folds=range(5))
    positives = train.labels().sum(axis=0)
    expected = np.sqrt((len(train) - positives) / positives).clip(1, 10)
    weights = train.class_weights()
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights, expected, rtol=1e-6)
    assert not np.array_equal(weights, store.class_weights())
    assert len(train.class_weights("cinc2020")) == 24


def test_labels_follow_a_toml_file(store: ecgstore.Store, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\n[classes]\nAF = ["164889003"]\n')
    af = store.labels()[:, store.label_names.index("AF")]
    assert store.labels(path)[:, 0].tolist() == af.tolist()


def test_labels_follow_a_class_set(store: ecgstore.Store) -> None:
    assert store.labels().shape == (len(store), 7)
    np.testing.assert_array_equal(store.labels("hybrid7"), store.labels())
    relabelled = store.labels("cinc2020")
    chosen = class_set("cinc2020")
    for row, dx in enumerate(store.records["dx"]):
        codes = set(dx.split(","))
        expected = [bool(codes & set(label.codes)) for label in chosen.classes]
        assert relabelled[row].tolist() == expected
    np.testing.assert_array_equal(store.labels(rows=[2, 0]), store.labels()[[2, 0]])
    np.testing.assert_array_equal(store.labels(chosen, rows=[2, 0]), relabelled[[2, 0]])
