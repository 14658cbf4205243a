"""Selecting rows by fold, source, class, query and row."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ecgstore
from ecgstore.errors import EcgStoreError
from ecgstore.sample import sample_folder
from ecgstore.storage import Store


def test_rows_fulfil_all_conditions(store: ecgstore.Store) -> None:
    records, labels = store.records, store.labels()
    af = store.label_names.index("AF")
    everything = store.select()
    assert everything.rows.tolist() == [*range(len(store))]
    selected = store.select(
        folds=range(8), sources=["ptb-xl", "georgia"], classes=["AF", "NSR"]
    )
    nsr = store.label_names.index("NSR")
    expected = [
        row
        for row in range(len(store))
        if records["fold"].iloc[row] < 8
        and records["source"].iloc[row] in ("ptb-xl", "georgia")
        and (labels[row, af] or labels[row, nsr])
    ]
    assert selected.rows.tolist() == expected
    assert 0 < len(selected) < len(store)
    assert selected.store is store


def test_a_selection_has_its_part_of_every_table(store: ecgstore.Store) -> None:
    some = store.select(rows=[3, 7, 20])
    names = [[*store][row] for row in (3, 7, 20)]
    assert some.records.index.tolist() == some.features().index.tolist() == names
    np.testing.assert_array_equal(some.labels(), store.labels()[[3, 7, 20]])
    others = store.labels("cinc2020")[[3, 7, 20]]
    np.testing.assert_array_equal(some.labels("cinc2020"), others)
    assert some.groups().tolist() == store.groups()[[3, 7, 20]].tolist()


def test_groups_keep_patients_together(tmp_path: Path) -> None:
    """Unknown patients are no group, but for sources that hide their patients."""
    out = tmp_path / "unknown.h5"
    config = ecgstore.Config(beats="none")
    ecgstore.build_store([sample_folder()], out, config, n_workers=1, quiet=True)
    with ecgstore.open(out) as store:
        assert not store.records["patient_known"].any()
        groups, source = store.groups(), store.records["source"]
        pooled = source == "ptb"
        assert len(set(groups[pooled])) == 1
        n_same = len(store) - store.records["sha256"].nunique()
        assert len(set(groups[~pooled])) == (~pooled).sum() - n_same


def test_groups_are_whole_in_every_fold(store: ecgstore.Store) -> None:
    records = store.records.assign(group=store.groups())
    assert records["patient_known"].any()
    assert not records["patient_known"].all()
    assert (records.groupby("group")["fold"].nunique() == 1).all()
    known = records[records["patient_known"]]
    assert (known.groupby("patient_id")["group"].nunique() == 1).all()


def test_folds_partition_the_rows(store: ecgstore.Store) -> None:
    parts = [store.select(folds=[fold]).rows for fold in range(10)]
    assert sorted(np.concatenate(parts).tolist()) == [*range(len(store))]


def test_a_query_selects_by_columns_of_records(store: ecgstore.Store) -> None:
    rows = store.select(query="age < 60 and sex == 'male' and pad_length == 0").rows
    records = store.records
    expected = (
        (records["age"] < 60)
        & (records["sex"] == "male")
        & (store.quality["pad_length"] == 0)
    )
    assert rows.tolist() == np.flatnonzero(expected).tolist()
    assert store.select(query="record_id == 'HR00001'").rows.tolist() == [
        store.row("HR00001")
    ]


def test_a_query_selects_by_features_records_and_quality(store: Store) -> None:
    features, records = store.features(), store.records
    for query, expected in (
        ("mean_hr > 80", features["mean_hr"] > 80),
        (
            "mean_hr <= 80 and age < 60",
            (features["mean_hr"] <= 80) & (records["age"] < 60),
        ),
        ("ksqi_V1 > 5", store.quality["ksqi_V1"] > 5),
    ):
        rows = store.select(query=query).rows
        assert 0 < len(rows) < len(store)
        assert rows.tolist() == np.flatnonzero(expected.to_numpy()).tolist()
    with pytest.raises(EcgStoreError, match="no_such_feature"):
        store.select(query="no_such_feature > 1")


def test_select_can_be_limited_to_rows(store: ecgstore.Store) -> None:
    assert store.select(rows=[9, 3, 9]).rows.tolist() == [3, 9]
    assert store.select(rows=slice(40, None)).rows.tolist() == [*range(40, len(store))]
    fold = store.select(folds=[1])
    assert store.select(rows=fold, folds=[2]).rows.size == 0
    with pytest.raises(IndexError, match="no row 99; rows go from 0 to 43"):
        store.select(rows=[99])


@pytest.mark.parametrize(
    ("rows", "error"),
    [
        ([1.0, 2.0], TypeError),
        ([[1, 2]], TypeError),
        ([2, 1], ValueError),
        ([1, 1], ValueError),
        ([-1, 1], IndexError),
        ([1, 44], IndexError),
    ],
)
def test_a_selection_of_wrong_rows_is_refused(
    store: ecgstore.Store, rows: Any, error: type[Exception]
) -> None:
    with pytest.raises(
        error,
        match=r"rows are .* expected integers|must be strictly|rows go from 0 to 43",
    ):
        ecgstore.Selection(store, np.array(rows))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": [10]}, "no fold 10; expected one of 0, 1"),
        ({"sources": ["mit-bih"]}, "no source 'mit-bih'; expected one of cpsc_2018"),
        ({"classes": ["XYZ"]}, "no class 'XYZ'; expected one of NSR"),
        ({"query": "ages < 3"}, "query 'ages < 3' failed"),
        ({"query": "age + 1"}, "is not a condition"),
        ({"query": "import os"}, "failed"),
    ],
)
def test_unknown_values_are_refused_with_the_known(
    store: ecgstore.Store, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(EcgStoreError, match=message.replace("+", r"\+")):
        store.select(**options)


def test_one_name_in_place_of_a_list_is_refused(store: ecgstore.Store) -> None:
    with pytest.raises(TypeError, match=r"expected a list: \['AF'\]"):
        store.select(classes="AF")
