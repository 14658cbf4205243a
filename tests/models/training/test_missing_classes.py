"""Classes that cannot be learnt or scored are told before a training."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ecgstore.models.training.missing_classes import class_warnings

NAMES = ("NSR", "AF", "LAD")


class Labels(SimpleNamespace):
    """A store of labels alone."""

    def labels(self, rows: Any) -> Any:
        return np.array(self.values)[rows]


def selection(*labels: tuple[int, int, int]) -> Any:
    store = Labels(label_names=NAMES, values=np.array(labels, np.uint8))
    rows = np.arange(len(labels))
    return type(
        "Records", (), {"store": store, "rows": rows, "__len__": rows.__len__}
    )()


EVERY = selection((1, 0, 0), (0, 1, 0), (0, 0, 1))


@pytest.mark.parametrize(
    ("training", "validation", "expected"),
    [
        (EVERY, EVERY, []),
        (
            selection((1, 0, 0), (0, 0, 0)),
            EVERY,
            ["no training record has AF, LAD: the model cannot learn this"],
        ),
        (
            EVERY,
            selection((1, 1, 0), (1, 0, 0)),
            [
                "no validation record has LAD: the validation macro AUROC is over 1 of "
                "3 classes",
                "every validation record has NSR: the validation macro AUROC is over 1 "
                "of 3 classes",
            ],
        ),
        (
            EVERY,
            selection((0, 0, 0)),
            [
                "no validation record has NSR, AF, LAD: the validation macro AUROC is "
                "undefined, and the epoch with the lowest validation loss is kept"
            ],
        ),
    ],
)
def test_classes_are_named(training: Any, validation: Any, expected: list[str]) -> None:
    assert class_warnings(training, validation) == expected
