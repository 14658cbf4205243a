"""Walk records down trees that are stored as arrays."""

import numpy as np

from ecgstore.arrays import BoolArray, FloatArray, Int32Array
from ecgstore.system.kernels import kernel


@kernel
def write_log_odds(
    table: FloatArray,
    feature: Int32Array,
    threshold: FloatArray,
    left: Int32Array,
    right: Int32Array,
    missing_left: BoolArray,
    value: FloatArray,
    tree_begins: Int32Array,
    class_begins: Int32Array,
    baseline: FloatArray,
    out: FloatArray,
) -> None:
    """Set `out` to the baseline of each class plus the leaves that records end in.

    The arrays are those of a `Forest`, which has checked them. `table` is of shape
    (n_records, n_columns), `out` (n_records, n_classes). Leaves are added in the order
    of the trees, one by one, as scikit-learn does, so that the sums have its bits.
    """
    for i in range(len(table)):
        for k in range(len(baseline)):
            total = baseline[k]
            for tree in range(class_begins[k], class_begins[k + 1]):
                node = tree_begins[tree]
                while feature[node] >= 0:
                    x = table[i, feature[node]]
                    if x <= threshold[node] or (missing_left[node] and np.isnan(x)):
                        node = left[node]
                    else:
                        node = right[node]
                total += value[node]
            out[i, k] = total
