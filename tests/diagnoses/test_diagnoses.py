"""SNOMED codes, class sets, selection and counting."""

import csv
import json
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

import ecgstore.diagnoses
from ecgstore.config import Config
from ecgstore.diagnoses import (
    CLASS_SETS,
    ClassSet,
    DiagnosisClass,
    class_set,
    code_of,
    count_diagnoses,
    diagnoses,
    scp_statements,
    selects,
)
from ecgstore.errors import ConfigError
from ecgstore.label_tables import read_label_table

NSR, AF, LAD, RBBB, CRBBB = (
    "426783006",
    "164889003",
    "39732003",
    "59118001",
    "713427006",
)
SOURCES = ("CPSC", "CPSC-Extra", "StPetersburg", "PTB", "PTB-XL", "Georgia")

known_codes = st.sampled_from(sorted(diagnoses()))
any_codes = st.lists(known_codes | st.sampled_from(["1", "99999", "x"]), max_size=8)


@st.composite
def class_sets(draw: st.DrawFn) -> ClassSet:
    """Draw a class set: some codes, divided into classes of one or more."""
    codes = draw(st.lists(known_codes, min_size=1, max_size=12, unique=True))
    n_classes = draw(st.integers(1, len(codes)))
    names = draw(
        st.lists(
            st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=6),
            min_size=n_classes,
            max_size=n_classes,
            unique=True,
        )
    )
    return ClassSet(
        draw(st.sampled_from(["mine", "rhythm"])),
        tuple(
            DiagnosisClass(name, draw(st.text(max_size=9)), tuple(codes[n::n_classes]))
            for n, name in enumerate(names)
        ),
    )


def read_mapping(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "challenge-2020" / name).open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def letters(text: str) -> str:
    return "".join(filter(str.isalnum, text)).lower()


class TestTable:
    def test_holds_the_111_codes_of_the_challenge(self, shared_data: Path) -> None:
        expected = [
            (row["SNOMED CT Code"], row["Abbreviation"], letters(row["Dx"]), scored)
            for name, scored in (
                ("dx_mapping_scored.csv", True),
                ("dx_mapping_unscored.csv", False),
            )
            for row in read_mapping(shared_data, name)
        ]
        assert [
            (row.code, row.abbreviation, letters(row.name), row.scored)
            for row in diagnoses().values()
        ] == expected

    def test_is_complete_and_free_of_ambiguity(self) -> None:
        table = diagnoses()
        assert len(table) == 111
        assert sum(row.scored for row in table.values()) == 27
        assert all(code == row.code for code, row in table.items())
        assert len({row.abbreviation.lower() for row in table.values()}) == 111
        assert not any(row.abbreviation.isdigit() for row in table.values())

    def test_names_the_diagnoses_that_the_challenge_scores_as_one(self) -> None:
        assert {
            row.code: row.equivalent_to
            for row in diagnoses().values()
            if row.equivalent_to
        } == {
            "59118001": "713427006",
            "63593006": "284470004",
            "17338001": "427172004",
        }

    def test_looks_codes_up(self) -> None:
        assert code_of("RBBB") == RBBB
        assert code_of("rbbb") == RBBB
        assert code_of("CRBBB") == CRBBB
        assert code_of("123") == "123"
        for row in diagnoses().values():
            assert code_of(row.abbreviation) == row.code

    def test_suggests_a_close_abbreviation(self) -> None:
        with pytest.raises(ConfigError, match=r"'NSTTA'; did you mean NSSTTA"):
            code_of("NSTTA")


class TestBuiltInClassSets:
    def test_hybrid7_has_the_classes_of_the_prototype(self) -> None:
        assert [(row.name, row.codes) for row in class_set("hybrid7").classes] == [
            ("NSR", ("426783006",)),
            ("MI", ("164865005",)),
            ("RBBB", ("59118001", "713427006")),
            ("AF", ("164889003",)),
            ("NSSTTA", ("428750005",)),
            ("MIs", ("164861001",)),
            ("LAD", ("39732003",)),
        ]

    def test_hybrid6_is_hybrid7_without_lad(self) -> None:
        assert class_set("hybrid6").classes == class_set("hybrid7").classes[:-1]

    def test_cinc2020_has_the_24_merged_classes(self) -> None:
        chosen = class_set("cinc2020")
        assert len(chosen.classes) == 24
        assert set(chosen.codes) == {
            row.code for row in diagnoses().values() if row.scored
        }
        assert {row.name: row.codes for row in chosen.classes if row.codes[1:]} == {
            "RBBB": ("713427006", "59118001"),
            "PAC": ("284470004", "63593006"),
            "PVC": ("427172004", "17338001"),
        }

    def test_cinc2020_is_in_the_order_of_the_weights(self, shared_data: Path) -> None:
        with (shared_data / "challenge-2020" / "weights.csv").open() as lines:
            codes = next(csv.reader(lines))[1:]
        first = [row.codes[0] for row in class_set("cinc2020").classes]
        assert first == [code for code in codes if code in first]
        assert len(first) == 24

    def test_one_name_means_the_same_codes_in_every_class_set(self) -> None:
        meaning: dict[str, set[str]] = {}
        for name in ("hybrid7", "hybrid6", "cinc2020"):
            for row in class_set(name).classes:
                assert meaning.setdefault(row.name, set(row.codes)) == set(row.codes)
                assert row.description

    @pytest.mark.parametrize(
        ("name", "n_classes", "n_codes"),
        [
            ("ptbxl-super", 5, 44 + 4),
            ("ptbxl-sub", 23, 44),
            ("ptbxl-diagnostic", 44, 44),
            ("ptbxl-form", 19, 19),
            ("ptbxl-rhythm", 12, 12),
            ("ptbxl-all", 71, 71),
            ("code15", 6, 13),
            ("chagas", 1, 1),
        ],
    )
    def test_sets_of_other_data_sets(
        self, name: str, n_classes: int, n_codes: int
    ) -> None:
        chosen = class_set(name)
        assert (len(chosen.classes), len(chosen.codes)) == (n_classes, n_codes)
        assert all(row.description for row in chosen.classes)

    def test_the_bundled_statements_are_ptb_xls(self, shared_data: Path) -> None:
        table = pd.read_csv(
            shared_data / "ptb-xl" / "scp_statements.csv", index_col=0
        ).fillna({"diagnostic_class": "", "diagnostic_subclass": ""})
        for code, row in table.iterrows():
            statement = scp_statements()[str(code)]
            kinds = (statement.diagnostic, statement.form, statement.rhythm)
            expected = row[["diagnostic", "form", "rhythm"]] == 1
            assert kinds == tuple(expected)
            assert statement.superclass == row["diagnostic_class"]
            assert statement.subclass == row["diagnostic_subclass"]
            assert statement.name == row["description"]
        assert list(scp_statements()) == list(table.index)

    def test_a_class_set_has_its_own_name(self) -> None:
        assert [class_set(name).name for name in CLASS_SETS] == list(CLASS_SETS)

    @pytest.mark.parametrize("name", ["hybrid", "Hybrid7", "hybrd7", "nothing", ""])
    def test_unknown_name_lists_the_known_ones(self, name: str) -> None:
        with pytest.raises(ConfigError, match="expected hybrid7, hybrid6, cinc2020"):
            class_set(name)

    def test_unknown_name_suggests_a_close_one(self) -> None:
        with pytest.raises(ConfigError, match="did you mean cinc2020"):
            class_set("cinc2021")


class TestFile:
    def read(self, folder: Path, text: str) -> ClassSet:
        path = folder / "classes.toml"
        path.write_text(text, encoding="utf-8")
        return class_set(str(path))

    def test_lists_abbreviations_and_descriptions(self, tmp_path: Path) -> None:
        chosen = self.read(
            tmp_path,
            """
            name = "conduction"
            [classes]
            NSR = ["426783006"]
            RBBB = ["RBBB", "CRBBB"]
            other = {codes = ["164909002", "123456"], description = "the rest"}
            new = ["777"]
            """,
        )
        assert chosen == ClassSet(
            "conduction",
            (
                DiagnosisClass("NSR", "sinus rhythm", (NSR,)),
                DiagnosisClass(
                    "RBBB",
                    "right bundle branch block or complete right bundle branch block",
                    (RBBB, CRBBB),
                ),
                DiagnosisClass("other", "the rest", ("164909002", "123456")),
                DiagnosisClass("new", "", ("777",)),
            ),
        )

    def test_takes_text_codes_as_they_are_written(self, tmp_path: Path) -> None:
        chosen = self.read(
            tmp_path,
            """
            name = "fibrillation"
            codes = "text"
            [classes]
            AF = ["AFIB", "AF", "164889003"]
            """,
        )
        assert chosen == ClassSet(
            "fibrillation",
            (DiagnosisClass("AF", "atrial fibrillation", ("AFIB", "AF", AF)),),
        )

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("name = ", "not a readable TOML file"),
            ('[classes]\nAF = ["164889003"]', "there is no name"),
            ('name = "x"', r"there is no table \[classes\]"),
            ('name = "x"\n[classes]', "has no classes"),
            ('name = "x"\n[classes]\nAF = []', "'AF' has no codes"),
            ('name = "x"\n[classes]\nAF = [164889003]', "list of codes in quotes"),
            ('name = "x"\n[classes]\nAF = "164889003"', "list of codes in quotes"),
            ('name = "x"\n[classes]\nAF = {code = ["1"]}', "list of codes in quotes"),
            (
                'name = "x"\n[classes]\nAF = {codes = ["1"], description = 1}',
                "list of codes in quotes",
            ),
            ('name = "x"\n[classes]\nAF = ["AFF"]', "did you mean"),
            ('name = "x"\n[classes]\nAF = ["AF", "164889003"]', "names a code twice"),
            ('name = "x"\n[classes]\nA = ["1"]\nB = ["1"]', "'A' and 'B'"),
            ('name = "x"\n[classes]\n" A" = ["1"]', "blanks"),
            ('name = "x"\ncodes = "scp"\n[classes]\nA = ["1"]', "codes is 'scp'"),
            (
                'name = "x"\ncodes = "text"\n[classes]\nA = ["A,B"]',
                "has the code 'A,B'",
            ),
            ('name = "x"\nfs = 500\n[classes]\nA = ["1"]', "unknown key 'fs'"),
            ('name = "hybrid7"\n[classes]\nA = ["1"]', "that of a built-in"),
            ('name = ""\n[classes]\nA = ["1"]', "a class set is named ''"),
        ],
    )
    def test_error_names_the_file_and_what_is_wrong(
        self, tmp_path: Path, text: str, message: str
    ) -> None:
        with pytest.raises(ConfigError, match=message) as caught:
            self.read(tmp_path, text)
        assert str(caught.value).startswith(f"{tmp_path / 'classes.toml'}: ")

    def test_missing_file_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"no\.toml: not a readable TOML file"):
            class_set(tmp_path / "no.toml")

    def test_broken_bytes_are_an_error(self, tmp_path: Path) -> None:
        path = tmp_path / "broken.toml"
        path.write_bytes(b"name = '\xff\xfe'")
        with pytest.raises(ConfigError, match="not a readable TOML file"):
            class_set(path)


class TestClassSet:
    @given(class_sets(), st.lists(any_codes, max_size=6))
    def test_labels_equal_the_definition(
        self, chosen: ClassSet, dx: list[list[str]]
    ) -> None:
        expected = [
            [int(bool(set(row.codes) & set(codes))) for row in chosen.classes]
            for codes in dx
        ]
        labels = chosen.labels(dx)
        assert labels.dtype == np.uint8
        assert labels.shape == (len(dx), len(chosen.classes))
        assert labels.tolist() == expected
        for codes, row in zip(dx, expected, strict=True):
            assert chosen.label(codes).tolist() == row
            assert chosen.label([*reversed(codes), *codes]).tolist() == row

    @given(class_sets())
    def test_survives_json_and_pickle(self, chosen: ClassSet) -> None:
        again = ClassSet.from_json(json.loads(json.dumps(chosen.to_json())))
        assert again == chosen
        assert hash(again) == hash(chosen)
        assert again.columns == chosen.columns
        assert pickle.loads(pickle.dumps(chosen)) == chosen

    @given(class_sets())
    def test_codes_and_names_follow_the_columns(self, chosen: ClassSet) -> None:
        assert chosen.names == tuple(row.name for row in chosen.classes)
        assert chosen.codes == tuple(
            code for row in chosen.classes for code in row.codes
        )
        labels = chosen.labels([row.codes for row in chosen.classes])
        assert labels.tolist() == np.eye(len(chosen.classes)).tolist()

    @pytest.mark.parametrize(
        "value",
        [
            None,
            [],
            "hybrid7",
            {"name": "x"},
            {"name": 1, "classes": [{"name": "A", "description": "", "codes": ["1"]}]},
            {"name": "x", "classes": {"A": ["1"]}},
            {"name": "x", "classes": [{"name": "A", "codes": ["1"]}]},
            {"name": "x", "classes": [{"name": "A", "description": "", "codes": "12"}]},
            {"name": "x", "classes": [{"name": "A", "description": "", "codes": [1]}]},
            {"name": "x", "classes": []},
        ],
    )
    def test_from_json_refuses_anything_else(self, value: dict[str, object]) -> None:
        with pytest.raises(ConfigError):
            ClassSet.from_json(value)

    @pytest.mark.parametrize("name", ["", " ", "a\nb", "a\0b", " a", "a "])
    def test_refuses_class_names(self, name: str) -> None:
        with pytest.raises(ConfigError, match="class "):
            DiagnosisClass(name, "", ("1",))

    @pytest.mark.parametrize("code", ["", "12 ", " AF", "A,B", "A;B", "A|B", "A\n"])
    def test_refuses_codes_that_tables_cannot_hold(self, code: str) -> None:
        with pytest.raises(ConfigError, match=r"'A' has the code .*; expected digits"):
            DiagnosisClass("A", "", (code,))

    def test_text_codes_are_compared_as_they_are(self) -> None:
        chosen = ClassSet("x", (DiagnosisClass("A", "", ("AF", "LAO/LAE")),))
        assert chosen.labels([["af"], ["AF"], ["164889003"], ["LAO/LAE"]]).tolist() == [
            [0],
            [1],
            [0],
            [1],
        ]

    def test_refuses_two_classes_of_one_name(self) -> None:
        with pytest.raises(ConfigError, match="two classes named 'A'"):
            ClassSet(
                "x", (DiagnosisClass("A", "", ("1",)), DiagnosisClass("A", "", ("2",)))
            )


class TestSelects:
    @given(any_codes, class_sets())
    def test_follows_its_rule(self, dx: list[str], chosen: ClassSet) -> None:
        assert selects(dx, chosen, "any") == bool(chosen.label(dx).any())
        assert selects(dx, chosen, "first") == bool(chosen.label(dx[:1]).any())
        assert selects(dx, chosen, "all")
        assert selects([], chosen, "any", denied=dx) == selects(dx, chosen, "any")

    def test_default_is_any(self) -> None:
        assert selects(["1", AF], class_set("hybrid7"))
        assert not selects(["1", AF], class_set("hybrid7"), "first")
        assert not selects([], class_set("hybrid7"))

    def test_unknown_rule_lists_the_known_ones(self) -> None:
        with pytest.raises(ConfigError, match="expected one of any, first, all"):
            selects([AF], class_set("hybrid7"), "last")


class TestCounts:
    @given(class_sets(), st.lists(st.tuples(st.sampled_from("ab"), any_codes)))
    def test_equal_the_definition(
        self, chosen: ClassSet, records: list[tuple[str, list[str]]]
    ) -> None:
        table = count_diagnoses(chosen, records)
        assert table.sources == tuple(sorted({source for source, _ in records}))

        def n_with(wanted: Iterable[str]) -> tuple[int, ...]:
            codes = set(wanted)
            return tuple(
                sum(
                    source == name and not codes.isdisjoint(dx)
                    for source, dx in records
                )
                for name in table.sources
            )

        assert [(row.key, row.counts) for row in table.classes] == [
            (class_.name, n_with(class_.codes)) for class_ in chosen.classes
        ]
        occurring = {code for _, dx in records for code in dx}
        unknown = (*table.unknown, *table.unknown_words)
        rows = {row.key: row.counts for row in (*table.codes, *unknown)}
        assert rows == {code: n_with([code]) for code in occurring | set(chosen.codes)}
        assert {row.key for row in unknown} == occurring - diagnoses().keys()
        assert {row.key for row in table.unknown_words} == occurring & {"x"}
        assert [row.total for row in table.unknown] == sorted(
            (row.total for row in table.unknown), reverse=True
        )
        assert tuple(
            map(sum, zip(table.without_class, n_with(chosen.codes), strict=True))
        ) == (table.records)
        assert sum(table.records) == len(records)
        totals = {key: sum(counts) for key, counts in rows.items() if sum(counts)}
        assert totals == Counter(code for _, dx in records for code in set(dx))

    def test_scored_codes_equal_the_published_table(self, shared_data: Path) -> None:
        labels = shared_data / "challenge-2020" / "all_43101_labels.csv"
        table = count_diagnoses(
            class_set("cinc2020"),
            (
                (row.source, row.codes)
                for row in read_label_table(labels, Config()).rows
            ),
        )
        order = [SOURCES.index(source) for source in table.sources]
        counted = {row.key: (*row.counts, row.total) for row in table.codes}
        for name in ("dx_mapping_scored.csv", "dx_mapping_unscored.csv"):
            for row in read_mapping(shared_data, name):
                published = list(row.values())[3:9]
                expected = [int(published[place]) for place in order]
                assert counted.pop(row["SNOMED CT Code"]) == (
                    *expected,
                    int(row["Total"]),
                )
        assert counted == {}
        assert table.unknown == ()
        assert sum(table.records) == 43_101
        assert sum(table.without_class) == 5_352

    def test_hybrid7_equals_a_count_by_pandas(self, shared_data: Path) -> None:
        path = shared_data / "challenge-2020" / "all_43101_labels.csv"
        table = count_diagnoses(
            class_set("hybrid7"),
            ((row.source, row.codes) for row in read_label_table(path, Config()).rows),
        )
        frame = pd.read_csv(path)
        names = frame["diagnosis"].str.replace("CRBBB", "RBBB").str.split(";")
        frame = frame.assign(diagnosis=names).explode("diagnosis")
        frame = frame.drop_duplicates(["record", "diagnosis"])
        expected = pd.crosstab(frame["diagnosis"], frame["tranche_name"])
        for row in table.classes:
            assert list(row.counts) == expected.T[row.key].tolist()
            assert list(table.sources) == expected.columns.tolist()
        assert [row.total for row in table.classes] == [
            *(20_846, 6_021, 3_071, 3_475, 3_554, 2_559, 6_086)
        ]


@pytest.mark.parametrize("content", ["a = " + "[" * 5000, "a = " + "9" * 5000])
def test_a_file_that_cannot_be_parsed_is_refused(content: str, tmp_path: Path) -> None:
    file = tmp_path / "classes.toml"
    file.write_text(content)
    with pytest.raises(ConfigError, match="not a readable TOML file of a class set"):
        class_set(file)


def test_a_name_that_no_file_can_have_is_refused() -> None:
    for name in ("x" * 5000, "a\0b", "a\0b.toml"):
        with pytest.raises(ConfigError, match="class set"):
            class_set(name)


def test_public_names_are_there_once() -> None:
    names = dir(ecgstore.diagnoses)
    assert len(set(names)) == len(names)
    assert all(hasattr(ecgstore.diagnoses, name) for name in names)


def test_import_is_light() -> None:
    code = (
        "import sys, ecgstore.diagnoses as d; d.class_set('cinc2020');"
        "heavy = {'numba', 'pandas', 'scipy', 'wfdb', 'neurokit2', 'matplotlib'};"
        "sys.exit(str(heavy & sys.modules.keys()) if heavy & sys.modules.keys() else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
