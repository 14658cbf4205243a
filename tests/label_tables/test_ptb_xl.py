"""Labels of PTB-XL's table, against counts made with pandas alone."""

import ast
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ecgstore
from ecgstore.config import Config
from ecgstore.diagnoses import class_set
from ecgstore.label_tables import read_label_table, read_tables
from ecgstore.sources import read_record

SETS = [
    "ptbxl-super",
    "ptbxl-sub",
    "ptbxl-diagnostic",
    "ptbxl-form",
    "ptbxl-rhythm",
    "ptbxl-all",
]


def independent_counts(folder: Path, name: str, least: float = 0.0) -> dict[str, int]:
    """Return the number of ECGs by class, as PTB-XL's own example counts them."""
    table = pd.read_csv(folder / "challenge-2020" / "ptbxl_database.csv")
    statements = pd.read_csv(folder / "ptb-xl" / "scp_statements.csv", index_col=0)
    kind = name.removeprefix("ptbxl-")
    if kind in ("super", "sub"):
        column = "diagnostic_class" if kind == "super" else "diagnostic_subclass"
        groups = statements[statements["diagnostic"] == 1][column]
    else:
        of_kind = statements if kind == "all" else statements[statements[kind] == 1]
        groups = pd.Series(of_kind.index, of_kind.index)
    per_ecg = (
        table["scp_codes"]
        .map(ast.literal_eval)
        .map(
            lambda codes: {
                groups[code]
                for code, likelihood in codes.items()
                if code in groups.index and likelihood >= least
            }
        )
    )
    counts = per_ecg.explode().value_counts()
    return {str(group): int(counts.get(group, 0)) for group in groups.unique()}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("least", [0.0, 50.0])
def test_counts_of_every_class_set(shared_data: Path, name: str, least: float) -> None:
    path = shared_data / "challenge-2020" / "ptbxl_database.csv"
    chosen = class_set(name)
    config = Config(classes=chosen, min_likelihood=least)
    table = read_label_table(path, config)
    labels = chosen.labels([row.codes for row in table.rows])
    counts = dict(zip(chosen.names, labels.sum(axis=0).tolist(), strict=True))
    expected = independent_counts(shared_data, name, least)
    assert counts == expected
    assert sum(expected.values()) > 0 or least  # form and rhythm have no likelihood


def test_a_survey_counts_the_same(shared_data: Path) -> None:
    folder = shared_data / "challenge-2020"
    config = Config(classes=class_set("ptbxl-all"), select="all")
    report = ecgstore.survey(
        [folder / "training" / "ptb-xl"],
        config,
        labels=folder / "ptbxl_database.csv",
        n_workers=1,
        quiet=True,
    )
    assert report.classes == independent_counts(shared_data, "ptbxl-all")
    [use] = report.tables
    assert (use["n_rows"], use["n_rows_used"], use["n_records"]) == (500, 500, 529)
    assert use["found_by"] == {"ecg_id": 500}
    assert use["records_without_row"] == ["HR00599", "HR03961", "HR06000"]
    # 29 records have the codes of their headers only, which are SNOMED CT.
    assert report.unknown_codes == {}


def test_patients_ages_sexes_and_folds_are_those_of_the_table(
    shared_data: Path,
) -> None:
    path = shared_data / "challenge-2020" / "ptbxl_database.csv"
    config = Config(folds_from="strat_fold", columns=("filename_hr", "strat_fold"))
    tables = read_tables(config, labels=[path])
    [table] = tables.tables
    frame = pd.read_csv(path)
    assert table.first_fold == 1
    assert tables.is_number == (False, True)
    assert [row.patient_id for row in table.rows] == [
        str(int(patient)) for patient in frame["patient_id"]
    ]
    ages = frame["age"].where(frame["age"] <= 150)
    assert np.array_equal([row.age for row in table.rows], ages, equal_nan=True)
    # In PTB-XL, 0 is male and 1 female; so say the headers of the Challenge.
    assert [row.sex for row in table.rows] == [
        ("male", "female")[sex] for sex in frame["sex"]
    ]
    header = read_record(
        shared_data / "challenge-2020" / "training" / "ptb-xl" / "g1" / "HR00001.hea"
    )
    assert table.rows[0].sex == header.sex
    assert [row.fold for row in table.rows] == frame["strat_fold"].tolist()
    assert [row.columns[0] for row in table.rows] == frame["filename_hr"].tolist()
