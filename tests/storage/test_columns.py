"""Columns by name equal those of frames, and a query reads only those that it names."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

import ecgstore
from bench.common.synthetic_store import make_store
from ecgstore.errors import EcgStoreError, SchemaError, StoreClosedError
from ecgstore.storage import Selection, Store
from ecgstore.storage.columns import Columns

VERSION_1 = Path(__file__).parent / "data" / "version-1.h5"

CONDITIONS = (
    "age < 60",
    "sex == 'male'",
    'sex != "unknown"',
    "fold in [1, 3, 8]",
    "fold not in (0, 2)",
    "source == 'ptb-xl' or source == 'georgia'",
    "source in ['ptb', 'ludb']",
    "dx.str.contains('426783006')",
    "dx.str.len() > 12",
    "record_id.str.startswith('HR')",
    "record_id > 'HR00002'",
    "patient_known",
    "~patient_known",
    "patient_id == ''",
    "mean_hr > 70",
    "mean_hr.isna()",
    "mean_hr > age",
    "ksqi_V1 > 5",
    "`age` >= 50",
    "index < 9",
    "index % 2 == fold % 2",
    "pad_length == 0",
    "n_samples_original / fs_original >= 10",
    "40 <= age < 70",
    "age.between(30, 60)",
    "sex.map(len) == 4",
    "cnn_000 > 0",
    "age > age.mean()",
    "source.duplicated()",
    "True",
    "age",
    "ages < 3",
    "age < ",
    "@store",
    "x = age > 3",
    "'age' == 'age'",
    "age == 'age'",
    "sha256.str[0] == 'a'",
)


@pytest.fixture(scope="module")
def attached(sample_store: Path, features_file: Path) -> Iterator[Store]:
    """Return a store with deep features."""
    with ecgstore.open(sample_store) as opened:
        opened.attach(features_file, "cnn")
        yield opened


def joined(store: Store) -> pd.DataFrame:
    """Return all columns as one frame."""
    return pd.concat(
        [
            store.records.reset_index(),
            store.features(attached=True).reset_index(drop=True),
            store.quality.reset_index(drop=True),
        ],
        axis=1,
    )


def rows_by_definition(store: Store, query: str) -> list[int] | None:
    """Return the rows that fulfil a query over all columns; None if it is none."""
    try:
        result = np.asarray(joined(store).eval(query, engine="python"))
    except Exception:
        return None
    is_condition = result.shape == (len(store),) and result.dtype == bool
    return np.flatnonzero(result).tolist() if is_condition else None


def test_columns_are_those_of_the_frames(attached: Store) -> None:
    frame = joined(attached)
    assert [*attached.columns] == [*frame]
    some = [5, 2, 2, 40]
    for name, expected in frame.items():
        column = attached.column(str(name))
        assert name in attached.columns
        assert column.dtype == expected.dtype
        np.testing.assert_array_equal(column, expected)
        np.testing.assert_array_equal(attached.column(str(name), some), column[some])


@pytest.mark.parametrize("rows", [[0, 3, 9], [], slice(None)])
def test_columns_of_rows_need_no_others(sample_store: Path, rows: Any) -> None:
    with ecgstore.open(sample_store) as store, ecgstore.open(sample_store) as other:
        some, records = store.select(rows=rows).records, other.records
        pd.testing.assert_frame_equal(some, records.iloc[rows])
        pd.testing.assert_frame_equal(store.features(rows), other.features().iloc[rows])


@pytest.mark.parametrize("query", CONDITIONS)
def test_a_query_selects_what_it_selects_of_all_columns(
    attached: Store, query: str
) -> None:
    expected = rows_by_definition(attached, query)
    if expected is None:
        with pytest.raises(EcgStoreError, match=r"failed|is not a condition"):
            attached.select(query=query)
    else:
        assert attached.select(query=query).rows.tolist() == expected


@settings(max_examples=60)
@given(st.lists(st.sampled_from(CONDITIONS), min_size=1, max_size=3), st.data())
def test_combined_queries_do_too(
    attached: Store, parts: list[str], data: st.DataObject
) -> None:
    query = f"({parts[0]})"
    for part in parts[1:]:
        operator = data.draw(st.sampled_from(["and", "or", "&", "|", "and not"]))
        query += f" {operator} ({part})"
    test_a_query_selects_what_it_selects_of_all_columns(attached, query)


def test_a_query_reads_only_what_it_names(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    whole = Columns.read

    def noted(columns: Columns, name: str, rows: Any = None) -> Any:
        read.append(name)
        return whole(columns, name, rows)

    monkeypatch.setattr(Columns, "read", noted)
    store.select(query="age < 60 and dx.str.contains('sex')", folds=[1], classes=["AF"])
    assert sorted(read) == ["age", "dx"]


def test_columns_are_those_of_their_lead_and_feature(store: Store) -> None:
    ksqi, features = store.table("quality/ksqi"), store.table("features")
    for number, lead in enumerate(store.leads):
        np.testing.assert_array_equal(store.column(f"ksqi_{lead}"), ksqi[:, number])
    for number, name in enumerate(store.feature_names):
        np.testing.assert_array_equal(store.column(name), features[:, number])


def test_every_column_can_be_queried(store: Store) -> None:
    for name in store.columns:
        expected = np.flatnonzero([value == value for value in store.column(name)])
        selected = store.select(query=f"`{name}` == `{name}`")
        np.testing.assert_array_equal(selected.rows, expected, err_msg=name)


def test_names_may_be_in_another_form_of_unicode(store: Store) -> None:
    """In which Python, and so pandas, reads them."""
    selected = store.select(query="\N{FULLWIDTH LATIN SMALL LETTER A}ge > 50")
    np.testing.assert_array_equal(selected.rows, store.select(query="age > 50").rows)


def test_variables_of_the_library_are_no_columns(store: Store) -> None:
    for name in ("columns", "query", "n_rows", "np"):
        with pytest.raises(EcgStoreError, match="not defined"):
            store.select(query=f"age < @{name}")


@pytest.mark.parametrize(
    "query",
    [
        "age.to_csv('{out}').isna()",
        "age.to_pickle('{out}') == 1",
        "age.__class__.__init__.__globals__['sys'] == 1",
        "`age`.__class__ == 1",
        "age . \N{FULLWIDTH LATIN SMALL LETTER T}o_csv('{out}') == 1",
        "'`' == '' or age.to_csv('{out}') or '`' == ''",
        "age > 3 # '\n or age.to_csv('{out}')",
        "age.apply(list)",
        "list.__subclasses__() == 1",
        "datetime.now() == 1",
        "dx.str['age'] == 1",
        "dx.str[age.to_csv('{out}')] == 1",
        "[age for age in (1,)] == 1",
        "(lambda: 1)() == 1",
        "f'{age.to_csv}' == 1",
        "age.str.encode('utf-8') == 1",
        "age > 9 ** 9 ** 9",
        "age > (9 ** 9) ** 9",
        "age > 1 and 'a' * 1000000000 == sex",
        "'%1000000000d' % 3 == sex",
    ],
)
def test_a_query_is_a_condition_and_no_program(
    store: Store, query: str, tmp_path: Path
) -> None:
    """It may come from a link to the page of the viewer."""
    out = tmp_path / "out"
    with pytest.raises(EcgStoreError, match="failed"):
        store.select(query=query.replace("{out}", str(out)))
    assert not out.exists()


def test_texts_that_many_rows_share_are_looked_at_once(tmp_path: Path) -> None:
    path = tmp_path / "many.h5"
    make_store(path, 9000, 2)
    with ecgstore.open(path) as store:
        frame = store.records.reset_index()
        for query in (
            "dx.str.contains('12')",
            "sex == 'male'",
            "`source` in ['ptb', 'ptb-xl'] and source != 'ptb'",
            "sex.duplicated()",
            "record_id > 'E00004000'",
        ):
            expected = np.flatnonzero(np.asarray(frame.eval(query, engine="python")))
            np.testing.assert_array_equal(store.select(query=query).rows, expected)
            assert 0 < len(expected) < 9000
        values, numbers = store.columns.distinct_texts("sex") or ([], [])
        np.testing.assert_array_equal(np.array(values)[numbers], store.column("sex"))
        assert store.columns.distinct_texts("record_id") is None
        with pytest.raises(EcgStoreError, match="is not a condition"):
            store.select(query="sex")


def test_a_column_may_have_any_name(few_records: Path, tmp_path: Path) -> None:
    """Also one of a column of quality, which then is that of the table."""
    names = sorted(path.stem for path in few_records.rglob("*.hea"))
    table = tmp_path / "table.csv"
    lines = [f"{name},{number},NSR,{number % 2}" for number, name in enumerate(names)]
    head = "record_id,heart rate,labels,pad_length"
    table.write_text("\n".join([head, *lines, ""]))
    columns = ("heart rate", "pad_length")
    config = ecgstore.Config(beats="none", select="all", columns=columns)
    out = tmp_path / "o.h5"
    ecgstore.build_store(
        [few_records], out, config, labels=table, n_workers=1, quiet=True
    )
    with ecgstore.open(out) as store:
        records = store.records
        rows = store.select(query="`heart rate` > 5 and not age.isna()").rows
        expected = (records["heart rate"] > 5) & records["age"].notna()
        assert rows.tolist() == np.flatnonzero(expected).tolist()
        assert 0 < len(rows) < len(store)
        given = store.select(query="pad_length == 1").rows
        assert given.tolist() == np.flatnonzero(records["pad_length"] == 1).tolist()
        stored = store.table("quality/pad_length").tolist()
        assert store.quality["pad_length"].tolist() == stored


def test_an_unknown_column_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match=r"no column 'agee'; did you mean .*age"):
        store.column("agee")


def test_a_store_of_version_1_has_every_column() -> None:
    with ecgstore.open(VERSION_1) as store:
        assert store.column("start_s").tolist() == [0.0] * 3
        assert store.column("missing_leads", [2, 0]).tolist() == ["", ""]
        assert store.records["start_s"].dtype == np.float64
        assert store.select(query="start_s == 0 and derived_leads == ''").rows.size == 3


def test_columns_of_a_closed_store_are_not_read(sample_store: Path) -> None:
    store = ecgstore.open(sample_store)
    ages = store.column("age")
    before = ages.copy()
    store.close()
    np.testing.assert_array_equal(ages, before)
    with pytest.raises(StoreClosedError):
        store.column("age")


def test_a_damaged_text_is_named(copy: Path) -> None:
    with ecgstore.open(copy) as store:
        offset = store.tables._locations["records/sex"].offset
    assert offset is not None
    with copy.open("r+b") as raw:
        raw.seek(offset)
        raw.write(b"\xff")
    with ecgstore.open(copy) as store:
        assert store.select(query="age < 200").rows.size > 0
        with pytest.raises(SchemaError, match=r"copy\.h5: /records/sex is damaged"):
            store.select(query="sex == 'male'")


def test_all_rows_are_a_selection_without_a_list(store: Store) -> None:
    whole, listed = Selection.of_all(store), Selection(store, np.arange(len(store)))
    assert len(whole) == len(listed) == len(store)
    some = np.array([3, 0, 9])
    assert whole.rows_at(some).tolist() == listed.rows_at(some).tolist() == [3, 0, 9]
    assert whole.mask_sha256 == listed.mask_sha256
    assert whole.rows_sha256 == listed.rows_sha256
    assert whole.rows.tolist() == listed.rows.tolist()
    part = store.select(rows=[3, 8])
    assert part.rows_at(np.array([1, 0])).tolist() == [8, 3]
    assert part.mask_sha256 != whole.mask_sha256
    assert store.select(query="index > 2").rows_at(np.array([0])).tolist() == [3]


@given(st.lists(st.sets(st.integers(0, 43)), min_size=2, max_size=2))
def test_different_rows_have_different_digests(
    attached: Store, rows: list[set[int]]
) -> None:
    one, other = (Selection(attached, np.array(sorted(some), int)) for some in rows)
    assert (one.mask_sha256 == other.mask_sha256) == (rows[0] == rows[1])
