"""Random trees and tables for them."""

import math
from typing import Any

import numpy as np

from ecgstore.arrays import Float32Array
from ecgstore.models.tabular.forest import LEAF, TYPES, Forest

N = math.nan
INF = math.inf


def grown(generator: np.random.Generator, n_columns: int) -> Forest:
    """Return a forest of random trees, some of them a single leaf."""
    arrays: dict[str, list[Any]] = {name: [] for name in TYPES}
    arrays["tree_begins"].append(0)

    def add_node(depth: int) -> int:
        node = len(arrays["feature"])
        is_leaf = depth == 0 or generator.random() < 0.2
        feature = LEAF if is_leaf else generator.integers(n_columns)
        arrays["feature"].append(feature)
        arrays["threshold"].append(generator.choice([-INF, -1, 0, 1, INF]))
        arrays["missing_left"].append(generator.random() < 0.5)
        arrays["value"].append(generator.normal())
        arrays["cover"].append(int(generator.integers(1, 50)))
        for side in ("left", "right"):
            arrays[side].append(LEAF)
        if not is_leaf:
            for side in generator.permutation(["left", "right"]):
                arrays[side][node] = add_node(depth - 1)
            children = [arrays[side][node] for side in ("left", "right")]
            arrays["cover"][node] = sum(arrays["cover"][child] for child in children)
        return node

    n_trees = [int(n) for n in generator.integers(0, 4, 3)]
    for _ in range(sum(n_trees)):
        add_node(5)
        arrays["tree_begins"].append(len(arrays["feature"]))
    arrays["class_begins"] = np.cumsum([0, *n_trees]).tolist()
    arrays["baseline"] = generator.normal(size=3).tolist()
    return Forest(
        columns=tuple(f"c{number}" for number in range(n_columns)),
        label_names=("a", "b", "c"),
        **{name: np.array(arrays[name], type_) for name, type_ in TYPES.items()},
    )


def values(generator: np.random.Generator, n_columns: int) -> Float32Array:
    """Return a table of thresholds, values between them, infinities and NaNs."""
    some = [N, -INF, -1, -0.5, 0, 0.5, 1, INF]
    return generator.choice(some, (30, n_columns)).astype(np.float32)
