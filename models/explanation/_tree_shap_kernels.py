"""Shapley values of trees that are stored as arrays.

This is TreeSHAP for the values that a tree expects given some of the columns: Lundberg
et al. 2020, Nat. Mach. Intell. 2:56-67, algorithm 2 ("path-dependent"). There, a
recursion carries the path to every node along; here each leaf walks up to the root, so
that the path of a leaf is the only memory. The sums are the same.
"""

import numpy as np

from ecgstore.arrays import BoolArray, FloatArray, Int32Array
from ecgstore.system.kernels import kernel


@kernel
def add_contributions(
    table: FloatArray,
    feature: Int32Array,
    threshold: FloatArray,
    left: Int32Array,
    missing_left: BoolArray,
    value: FloatArray,
    cover: Int32Array,
    parent: Int32Array,
    tree_begins: Int32Array,
    class_begins: Int32Array,
    columns: Int32Array,
    shares: FloatArray,
    agrees: FloatArray,
    weights: FloatArray,
    out: FloatArray,
) -> None:
    """Add the contribution of each column to the log-odds of each class to `out`.

    The arrays are those of a `Forest`, which has checked them, and the parent of each
    node, -1 for a root. `table` is of shape (n_records, n_columns), `out` of shape
    (n_records, n_classes, n_columns). `columns`, `shares` and `agrees` are memory for
    the columns on the path of a leaf, n_columns at most; `weights` has one more.
    """
    for i in range(len(table)):
        for k in range(len(class_begins) - 1):
            begin = tree_begins[class_begins[k]]
            end = tree_begins[class_begins[k + 1]]
            for leaf in range(begin, end):
                if feature[leaf] >= 0:
                    continue
                n = _gather_path(
                    leaf,
                    table[i],
                    feature,
                    threshold,
                    left,
                    missing_left,
                    cover,
                    parent,
                    columns,
                    shares,
                    agrees,
                )
                _weigh_path(n, shares, agrees, weights)
                for m in range(n):
                    weight = _weight_without(n, shares[m], agrees[m], weights)
                    out[i, k, columns[m]] += (
                        weight * (agrees[m] - shares[m]) * value[leaf]
                    )


@kernel
def _gather_path(
    leaf: int,
    row: FloatArray,
    feature: Int32Array,
    threshold: FloatArray,
    left: Int32Array,
    missing_left: BoolArray,
    cover: Int32Array,
    parent: Int32Array,
    columns: Int32Array,
    shares: FloatArray,
    agrees: FloatArray,
) -> int:
    """Write the columns that the path to a leaf compares; return how many they are.

    For each column, `shares` is the share of training records that its splits send
    along the path, and `agrees` is 1 if they all send this record, else 0.
    """
    n = 0
    child = leaf
    node = parent[child]
    while node >= 0:
        x = row[feature[node]]
        goes_left = x <= threshold[node] or (missing_left[node] and np.isnan(x))
        follows = 1.0 if goes_left == (left[node] == child) else 0.0
        m = 0
        while m < n and columns[m] != feature[node]:
            m += 1
        if m == n:
            columns[n] = feature[node]
            shares[n] = 1.0
            agrees[n] = 1.0
            n += 1
        shares[m] *= cover[child] / cover[node]
        agrees[m] *= follows
        child = node
        node = parent[child]
    return n


@kernel
def _weigh_path(
    n: int, shares: FloatArray, agrees: FloatArray, weights: FloatArray
) -> None:
    """Set `weights` to the weight of all sets of j of n columns, for each j (EXTEND).

    A set of columns whose values are known has the product of `agrees` over them and of
    `shares` over the others, times the share of orders in which it comes first.
    """
    weights[0] = 1.0
    for m in range(1, n + 1):
        weights[m] = 0.0
        share, agree = shares[m - 1], agrees[m - 1]
        for j in range(m - 1, -1, -1):
            weights[j + 1] += agree * weights[j] * (j + 1) / (m + 1)
            weights[j] *= share * (m - j) / (m + 1)


@kernel
def _weight_without(n: int, share: float, agree: float, weights: FloatArray) -> float:
    """Return the weight of all sets of the columns other than one (sum of UNWIND)."""
    total = 0.0
    following = weights[n]
    for j in range(n - 1, -1, -1):
        if agree > 0:
            # This is UNWIND for a column that agrees: `agree` is 1.
            weight = following / (j + 1)
            following = weights[j] - weight * share * (n - j)
        else:
            weight = weights[j] / (share * (n - j))
        total += weight
    return total * (n + 1)
