"""Labels of the store's own classes and of others."""

from pathlib import Path

import numpy as np

import ecgstore
from ecgstore.diagnoses import class_set


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
