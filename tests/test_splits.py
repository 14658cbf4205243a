"""Groups of records that stay together, and folds that are even."""

import hashlib
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from ecgstore import splits
from ecgstore.arrays import IntArray, UInt8Array
from ecgstore.config import Config
from ecgstore.diagnoses import class_set
from ecgstore.label_tables import read_label_table
from ecgstore.splits import (
    POOLED_SOURCES,
    _cheapest,
    _distinct_rows,
    _numbered,
    assign_folds,
    group_records,
)

Row = tuple[str, str, str]
NOT_POOLED = ["georgia", "ptb-xl"]

rows = st.tuples(
    st.sampled_from([*NOT_POOLED, *sorted(POOLED_SOURCES)]),
    st.sampled_from(["", "", "", *"abcdefgh"]),
    st.integers(0, 13).map(  # some begin alike
        lambda number: f"{number:064x}" if number < 7 else f"{number:x}" * 64
    ),
)


def grouped(records: Sequence[Row]) -> IntArray:
    source, patient_id, sha256 = zip(*records, strict=True) if records else ((),) * 3
    return group_records(source, patient_id, sha256)


def linked(one: Row, other: Row) -> bool:
    """Whether two records must not be separated, by the definition."""
    pooled = one[0] == other[0] and one[0] in POOLED_SOURCES
    return (
        (one[1] != "" and one[1] == other[1])
        or (one[2] != "" and one[2] == other[2])
        or (pooled and one[1] == other[1] == "")
    )


def components(records: Sequence[Row]) -> list[frozenset[int]]:
    """Return for every row the rows of its group, by plain search."""
    groups = []
    for start in range(len(records)):
        group = {start}
        frontier = [start]
        while frontier:
            row = frontier.pop()
            new = {
                other
                for other in range(len(records))
                if other not in group and linked(records[row], records[other])
            }
            group |= new
            frontier += new
        groups.append(frozenset(group))
    return groups


class TestGroups:
    @given(st.lists(rows, max_size=24))
    def test_equal_the_components_of_the_graph(self, records: list[Row]) -> None:
        groups = grouped(records)
        assert groups.dtype == np.int64
        assert [
            frozenset(np.flatnonzero(groups == group).tolist()) for group in groups
        ] == components(records)
        assert sorted(set(groups.tolist())) == list(range(len(set(groups.tolist()))))

    @given(st.lists(rows, max_size=24))
    def test_have_the_numbers_of_the_definition(self, records: list[Row]) -> None:
        """Equal hashes, of which one is unknown, in the order of the rows."""
        groups, members = grouped(records), components(records)
        order = sorted(range(len(records)), key=lambda row: records[row][2])
        distinct = list(dict.fromkeys(members[row] for row in order))
        assert groups.tolist() == [distinct.index(group) for group in members]

    @given(st.lists(rows, max_size=24))
    def test_are_the_same_of_any_kind_of_texts(self, records: list[Row]) -> None:
        """As a table holds them, as NumPy does, and as pandas does."""
        expected = grouped(records).tolist()
        columns = [*zip(*records, strict=True)] or [()] * 3
        for dtype in ("S64", "U64", object):
            arrays = [np.array(column, dtype) for column in columns]
            assert group_records(*arrays).tolist() == expected

    @given(st.lists(rows, max_size=24), st.randoms())
    def test_do_not_depend_on_the_order_of_the_rows(
        self, records: list[Row], random: Random
    ) -> None:
        order = list(range(len(records)))
        random.shuffle(order)
        shuffled = grouped([records[row] for row in order])
        assert shuffled.tolist() == grouped(records)[order].tolist()

    @given(st.lists(rows, max_size=24))
    def test_are_numbered_by_their_smallest_hash(self, records: list[Row]) -> None:
        smallest: dict[int, str] = {}
        for group, record in zip(grouped(records).tolist(), records, strict=True):
            smallest[group] = min(record[2], smallest.get(group, record[2]))
        ordered = [smallest[group] for group in range(len(smallest))]
        assert ordered == sorted(ordered)

    def test_records_of_unknown_patients_stay_alone(self) -> None:
        assert len(set(grouped([("georgia", "", f"{n:x}") for n in range(9)]))) == 9

    @pytest.mark.parametrize("source", sorted(POOLED_SOURCES))
    def test_sources_without_a_crosswalk_stay_together(self, source: str) -> None:
        records = [(source, "", f"{n:x}") for n in range(9)]
        assert grouped(records).tolist() == [0] * 9
        known = [(source, f"{n}", f"{n:x}") for n in range(9)]
        assert grouped(known).tolist() == list(range(9))

    def test_unknown_hashes_do_not_link(self) -> None:
        assert grouped([("georgia", "", ""), ("georgia", "", "")]).tolist() == [0, 1]

    def test_same_signals_link_as_identical_ones_do(self) -> None:
        sources, patients, hashes = ["a"] * 5, ["", "1", "2", "1", ""], list("edcba")
        groups = group_records(sources, patients, hashes, [0, 1, 0, 3, 4])
        assert groups.tolist() == [2, 1, 2, 1, 0]
        groups = group_records(sources, patients, hashes, [0, 1, 0, 0, 4])
        assert groups.tolist() == [1, 1, 1, 1, 0]
        with pytest.raises(ValueError, match="4 same signals"):
            group_records(sources, patients, hashes, range(4))

    def test_take_arrays(self) -> None:
        columns = [
            np.array(column, object)
            for column in (["a", "a", "b"], ["1", "", "1"], ["aa", "bb", "cc"])
        ]
        assert group_records(*columns).tolist() == [0, 1, 0]

    def test_lengths_must_agree(self) -> None:
        with pytest.raises(ValueError, match="one of each per record"):
            group_records(["a"], ["1", "2"], ["0"])

    def test_real_identical_signals_share_a_group(self, shared_data: Path) -> None:
        folder = shared_data / "challenge-2020"
        paths = sorted((folder / "training").rglob("*.mat"))
        table = pd.read_csv(folder / "ptbxl_database.csv").set_index("ecg_id")
        patients = {
            f"HR{ecg_id:05d}": str(int(patient))
            for ecg_id, patient in table["patient_id"].items()
        }
        groups = group_records(
            [path.parent.parent.name for path in paths],
            [patients.get(path.stem, "") for path in paths],
            [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths],
        )
        group_of = dict(zip((path.stem for path in paths), groups, strict=True))
        for one, other in (
            ("HR00137", "HR00138"),
            ("HR00143", "HR00144"),
            ("HR00145", "HR00463"),
            ("HR00456", "HR00457"),
            ("HR00459", "HR00460"),
            ("E07509", "E07510"),
        ):
            assert group_of[one] == group_of[other]
        table = pd.read_csv(folder / "ptbxl_database.csv")
        for _, same in table.groupby("patient_id")["ecg_id"]:
            present = {group_of.get(f"HR{ecg_id:05d}") for ecg_id in same} - {None}
            assert len(present) <= 1
        assert len({group_of[path.stem] for path in paths if path.stem[0] == "S"}) == 1


@st.composite
def fold_inputs(draw: st.DrawFn) -> tuple[UInt8Array, IntArray, IntArray, int]:
    """Draw labels, groups, strata and a number of folds."""
    n = draw(st.integers(0, 60))
    n_classes = draw(st.integers(0, 4))
    seed = draw(st.integers(0, 2**32))
    random = np.random.default_rng(seed)
    labels = random.random((n, n_classes)) < draw(st.sampled_from([0, 0.1, 0.5, 1]))
    groups = random.integers(-5, draw(st.integers(-4, 60)), n)
    strata = random.integers(0, 3, n)
    return labels.astype(np.uint8), groups, strata, draw(st.integers(2, 12))


class TestFolds:
    @given(fold_inputs())
    def test_groups_stay_whole_and_every_record_has_a_fold(
        self, drawn: tuple[UInt8Array, IntArray, IntArray, int]
    ) -> None:
        labels, groups, strata, n_folds = drawn
        folds = assign_folds(labels, groups, n_folds, strata=strata)
        assert folds.dtype == np.int8
        assert folds.shape == groups.shape
        assert all(0 <= fold < n_folds for fold in folds)
        for group in set(groups.tolist()):
            assert len(set(folds[groups == group].tolist())) == 1

    @given(fold_inputs(), st.integers(0, 2**32))
    def test_do_not_depend_on_the_order_of_the_rows(
        self, drawn: tuple[UInt8Array, IntArray, IntArray, int], seed: int
    ) -> None:
        labels, groups, strata, n_folds = drawn
        folds = assign_folds(labels, groups, n_folds, strata=strata)
        order = np.random.default_rng(seed).permutation(len(groups))
        shuffled = assign_folds(
            labels[order], groups[order], n_folds, strata=strata[order]
        )
        assert shuffled.tolist() == folds[order].tolist()
        again = assign_folds(labels, groups * 7 + 3, n_folds, strata=strata)
        assert again.tolist() == folds.tolist()

    @given(
        st.lists(st.integers(0, 4), min_size=1, max_size=200),
        st.integers(2, 12),
    )
    def test_one_class_per_record_is_spread_evenly(
        self, classes: list[int], n_folds: int
    ) -> None:
        labels = np.eye(5, dtype=np.uint8)[classes]
        folds = assign_folds(labels, np.arange(len(classes)), n_folds)
        sizes = np.bincount(folds, minlength=n_folds)
        assert np.ptp(sizes) <= 1
        for column in labels.T:
            assert np.ptp(np.bincount(folds[column == 1], minlength=n_folds)) <= 1

    @given(st.lists(st.integers(1, 9), min_size=1, max_size=60), st.integers(2, 12))
    def test_sizes_differ_by_one_group_at_most(
        self, sizes: list[int], n_folds: int
    ) -> None:
        groups = np.repeat(np.arange(len(sizes)), sizes)
        folds = assign_folds(np.zeros((len(groups), 2), np.uint8), groups, n_folds)
        assert np.ptp(np.bincount(folds, minlength=n_folds)) <= max(sizes)

    @given(fold_inputs())
    def test_strata_are_even_without_labels(
        self, drawn: tuple[UInt8Array, IntArray, IntArray, int]
    ) -> None:
        _, groups, strata, n_folds = drawn
        folds = assign_folds(
            np.empty((len(groups), 0)), np.arange(len(groups)), n_folds, strata=strata
        )
        for stratum in set(strata.tolist()):
            n_each = np.bincount(folds[strata == stratum], minlength=n_folds)
            assert np.ptp(n_each) <= 1

    @given(fold_inputs(), st.integers(1, 20))
    def test_do_not_depend_on_the_groups_at_a_time(
        self, drawn: tuple[UInt8Array, IntArray, IntArray, int], n_at_once: int
    ) -> None:
        labels, groups, strata, n_folds = drawn
        expected = assign_folds(labels, groups, n_folds, strata=strata)
        with mock.patch.object(splits, "_GROUPS_AT_ONCE", n_at_once):
            folds = assign_folds(labels, groups, n_folds, strata=strata)
        assert folds.tolist() == expected.tolist()

    @pytest.mark.parametrize("kind", ["S", "U", "O"])
    def test_are_those_that_stores_have(self, kind: str) -> None:
        """Another version must deal the same folds."""
        random = np.random.default_rng(0)
        n = 5000
        labels = random.random((n, 20)) < random.random(20) ** 3
        strata = random.choice(["a", "b", "ptb", "c" * 9], n).astype(kind)
        groups = random.integers(0, 3000, n)
        groups[strata == np.array("ptb", kind)] = 3000
        folds = assign_folds(labels, groups, strata=strata)
        assert zlib.crc32(folds.tobytes()) == 4059928809

    def test_labels_come_before_strata(self) -> None:
        # One large group has all of stratum 0 and half of the positives.
        strata = np.repeat([0, 1, 2], [100, 100, 300])
        groups = np.where(strata == 0, 0, np.arange(500) + 1)
        labels = ((strata == 0) | (strata == 1)).astype(np.uint8)[:, np.newaxis]
        folds = assign_folds(labels, groups, 2, strata=strata)
        positive, size = np.bincount(folds[labels[:, 0] == 1]), np.bincount(folds)
        other = np.bincount(folds[strata == 1])
        assert np.ptp(size) / 500 < np.ptp(positive) / 200 < 0.15
        assert np.ptp(other) / 100 > 0.5

    def test_equal_groups_alternate_between_folds(self) -> None:
        folds = assign_folds(np.zeros((12, 1), np.uint8), np.arange(12), 3)
        assert folds.tolist() == [0, 1, 2] * 4

    @pytest.mark.parametrize(
        ("labels", "groups", "expected"),
        [
            (np.empty((0, 7), np.uint8), [], []),
            (np.empty((0, 0), np.uint8), [], []),
            (np.ones((4, 2), np.uint8), [9, 9, 9, 9], [0, 0, 0, 0]),
            (np.zeros((3, 2), np.uint8), [5, 1, 3], [2, 0, 1]),
            (np.zeros((3, 0), np.uint8), [1, 2, 3], [0, 1, 2]),
        ],
        ids=["no rows", "nothing", "one group", "fewer groups than folds", "no labels"],
    )
    def test_folds_of_degenerate_input_are_defined(
        self, labels: UInt8Array, groups: list[int], expected: list[int]
    ) -> None:
        assert assign_folds(labels, groups).tolist() == expected

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda: assign_folds([1, 0], [0, 1]), "one row, group and stratum"),
            (lambda: assign_folds([[1], [0]], [0]), "one row, group and stratum"),
            (
                lambda: assign_folds([[1], [0]], [0, 1], strata=["a"]),
                "one row, group and stratum",
            ),
            (lambda: assign_folds([[1]], [0], 1), "n_folds is 1; expected 2 to 127"),
            (lambda: assign_folds([[1]], [0], 128), "expected 2 to 127"),
        ],
        ids=["flat labels", "few groups", "few strata", "one fold", "many folds"],
    )
    def test_wrong_arguments_are_refused(
        self, call: Callable[[], object], message: str
    ) -> None:
        with pytest.raises(ValueError, match=message):
            call()

    @given(
        st.lists(st.integers(-50, 50), min_size=2, max_size=12),
        st.integers(1, 8),
        st.integers(0, 200),
    )
    def test_cheapest_equals_one_by_one(
        self, costs: list[int], step: int, n_copies: int
    ) -> None:
        expected = np.zeros(len(costs), np.int64)
        for _ in range(n_copies):
            expected[np.argmin(costs + step * expected)] += 1
        quota = _cheapest(np.array(costs, float), float(step), n_copies)
        assert quota.sum() == n_copies

        def total(quota: IntArray) -> int:
            return int(
                (np.array(costs) * quota + step * quota * (quota - 1) // 2).sum()
            )

        assert total(quota) == total(expected)

    @pytest.mark.parametrize("largest", [1, 300, 2**40])
    def test_distinct_rows_equal_numpys(self, largest: int) -> None:
        """Also if the numbers of all values together do not fit into 64 bits."""
        random = np.random.default_rng(0)
        values = random.integers(0, min(largest, 300) + 1, (200, 12)) * largest
        counts = values[random.integers(0, 200, 500)]
        expected = np.unique(counts, axis=0, return_index=True, return_inverse=True)
        first, number = _distinct_rows(len(counts), counts.T)
        assert first.tolist() == expected[1].tolist()
        assert number.tolist() == expected[2].reshape(-1).tolist()

    @pytest.mark.parametrize("kind", ["S", "U", "O", "i8", "u1", "f4", "?"])
    def test_numbers_of_values_equal_numpys(self, kind: str) -> None:
        random = np.random.default_rng(0)
        for lowest, n in ((0, 40), (0, 3), (-5, 40), (1000, 40), (0, 0)):
            values = (lowest + random.integers(0, 9, n)).astype(str)
            if kind not in "SUO":
                values = (
                    np.abs(values.astype(int)) if kind == "u1" else values.astype(int)
                )
            expected = np.unique(values.astype(kind), return_inverse=True)[1]
            assert _numbered(values.astype(kind)).tolist() == expected.tolist()


@pytest.fixture(scope="module")
def records(shared_data: Path) -> tuple[list[str], list[tuple[str, ...]]]:
    """Sources and codes of the 43,101 records of the Challenge."""
    path = shared_data / "challenge-2020/all_43101_labels.csv"
    rows = read_label_table(path, Config()).rows
    return [row.source for row in rows], [row.codes for row in rows]


class TestRealLabels:
    @pytest.mark.parametrize("name", ["hybrid7", "cinc2020"])
    def test_single_records_give_even_classes(
        self, records: tuple[list[str], list[tuple[str, ...]]], name: str
    ) -> None:
        source, dx = records
        labels = class_set(name).labels(dx)
        folds = assign_folds(labels, np.arange(len(labels)), strata=source)
        counts = np.stack([labels[folds == fold].sum(axis=0) for fold in range(10)])
        assert np.abs(counts - labels.sum(axis=0) / 10).max() < 1
        assert np.ptp(np.bincount(folds)) <= 1

    @pytest.mark.parametrize("name", ["hybrid7", "cinc2020"])
    def test_pooled_sources_give_the_documented_shares(
        self, records: tuple[list[str], list[tuple[str, ...]]], name: str
    ) -> None:
        source = np.array(records[0])
        labels = class_set(name).labels(records[1])
        groups = np.arange(len(source))
        for number, pooled in enumerate(("PTB", "StPetersburg"), 1):
            groups[source == pooled] = -number
        folds = assign_folds(labels, groups, strata=source)
        n = np.bincount(folds)
        assert np.abs(n / n.mean() - 1).max() < 0.05
        counts = np.stack([labels[folds == fold].sum(axis=0) for fold in range(10)])
        shares = (counts / n[:, np.newaxis]) / labels.mean(axis=0)
        assert np.abs(shares - 1).max() < 0.08
        for origin in ("CPSC", "CPSC-Extra", "Georgia", "PTB-XL"):
            n_of_source = np.bincount(folds[source == origin])
            assert np.abs(n_of_source / n_of_source.mean() - 1).max() < 0.11


@settings(deadline=None, max_examples=30)
@given(st.lists(rows, min_size=1, max_size=40), st.integers(0, 2**32))
def test_linked_records_stay_in_one_fold(records: list[Row], seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, 2, (len(records), 3))
    folds = assign_folds(
        labels, grouped(records), strata=[source for source, _, _ in records]
    )
    for one, fold in zip(records, folds, strict=True):
        for other, other_fold in zip(records, folds, strict=True):
            assert not linked(one, other) or fold == other_fold
