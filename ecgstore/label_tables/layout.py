"""What the columns of a table mean, by their names and the options of a build."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ecgstore.config import Config
from ecgstore.diagnoses import ClassSet
from ecgstore.errors import ConfigError, short_list, short_repr
from ecgstore.label_tables.keys import KEYS
from ecgstore.similar_names import did_you_mean
from ecgstore.system.csv_files import named_columns

_SOURCES: Final = ("source", "tranche_name")
"""Columns of databases, which `ecgstore classes` counts."""

PATIENTS: Final = ("patient_id", "subject_id")
_DX: Final = ("dx", "diagnosis", "diagnoses")
"""Columns that are read as the line ``#Dx`` of a header, abbreviations and all."""

CODES: Final = ("scp_codes", *_DX, "codes", "labels", "label", "classes")
"""Columns of codes, if the options name none; the first one present is read."""

SEXES: Final = ("sex", "gender")
_MALE: Final = "is_male"
_PTB_XL: Final = frozenset({"scp_codes", "strat_fold", "filename_hr"})
"""Columns by which PTB-XL's own table is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The columns of a table that are read.

    Attributes
    ----------
    keys : tuple of str
        Columns by which rows are found; see `KEYS`.
    of_ptb_xl : bool
        Whether the table is PTB-XL's own, where ``sex`` is 0 for male and 1 for female.
    source, patient, codes, age, sex, is_male, fold : str
        Columns of that content; empty if there is none.
    is_dx : bool
        Whether `codes` is read as the line ``#Dx`` of a header.
    classes : Mapping
        Code of the class that each class column is about.
    columns, targets : tuple of str
        The columns of the options `columns` and `targets` that the table has.
    """

    keys: tuple[str, ...]
    of_ptb_xl: bool
    source: str = ""
    patient: str = ""
    codes: str = ""
    is_dx: bool = False
    classes: Mapping[str, str]
    age: str = ""
    sex: str = ""
    is_male: str = ""
    fold: str = ""
    columns: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """All columns that are read."""
        single = (
            self.source,
            self.patient,
            self.codes,
            self.age,
            self.sex,
            self.is_male,
            self.fold,
        )
        several = (*self.keys, *self.classes, *self.columns, *self.targets)
        return list(dict.fromkeys(filter(None, (*several, *single))))


def layout_of(
    path: str | Path, columns: Sequence[str], config: Config | None
) -> Layout:
    """Return what the columns of a table mean.

    Parameters
    ----------
    path : str or Path
        The table, for the error message.
    columns : sequence of str
        Names of its columns.
    config : Config or None
        Options of the build; None for a table of patients alone.

    Raises
    ------
    ConfigError
        If no column says which record a row is about, or a table of patients has no
        column of patients.
    """
    keys = tuple(name for name in KEYS if name in columns)
    if not keys:
        raise ConfigError(
            f"{path}: no column {', '.join(KEYS[:-1])} or {KEYS[-1]}; "
            f"{named_columns(KEYS, columns)}"
        )
    of_ptb_xl = not _PTB_XL.isdisjoint(columns)
    patient = _first(columns, PATIENTS)
    if config is None:
        if not patient:
            raise ConfigError(
                f"{path}: no column {' or '.join(PATIENTS)}; "
                f"{named_columns(PATIENTS, columns)}"
            )
        return Layout(keys=keys, of_ptb_xl=of_ptb_xl, patient=patient, classes={})
    codes = _first(
        columns, CODES if config.label_column is None else (config.label_column,)
    )
    source = _first(columns, _SOURCES)
    used = {*keys, source, patient, codes, config.folds_from}
    return Layout(
        keys=keys,
        of_ptb_xl=of_ptb_xl,
        source=source,
        patient=patient,
        codes=codes,
        is_dx=codes in _DX and config.label_column is None,
        classes=_class_columns(
            [name for name in columns if name not in used], config.classes
        ),
        age=_first(columns, ("age",)),
        sex=_first(columns, SEXES),
        is_male=_first(columns, (_MALE,)),
        fold=_first(columns, (config.folds_from or "",)),
        columns=tuple(name for name in config.columns if name in columns),
        targets=tuple(name for name in config.targets if name in columns),
    )


def _first(columns: Sequence[str], names: Sequence[str]) -> str:
    """Return the first of some names that is a column; empty if none is."""
    return next((name for name in names if name in columns), "")


def _class_columns(columns: Sequence[str], class_set: ClassSet) -> dict[str, str]:
    """Return the code of every column that has the name of a class or of a code.

    A column that is written as none of them may differ in upper and lower case.
    """
    codes = {code: code for code in class_set.codes if not code.isdigit()}
    codes |= {class_.name: class_set.mark(class_) for class_ in class_set.classes}
    in_lower_case = {name.lower(): code for name, code in reversed(codes.items())}
    found = {name: codes.get(name, in_lower_case.get(name.lower())) for name in columns}
    return {name: code for name, code in found.items() if code is not None}


def require_columns(config: Config, known: Mapping[str, Sequence[str]]) -> None:
    """Check that every column that the options name is in one of the tables.

    Parameters
    ----------
    config : Config
        Options of the build.
    known : Mapping
        Names of all columns of each table, by its path.

    Raises
    ------
    ConfigError
        Naming the option, and the columns that the tables have.
    """
    everything = {name: None for columns in known.values() for name in columns}
    wanted = [
        ("label_column", config.label_column or ""),
        ("folds_from", config.folds_from or ""),
        *(("columns", name) for name in config.columns),
        # Ages are in headers, too.
        *(("targets", name) for name in config.targets if name != "age"),
    ]
    for option, name in wanted:
        if name and name not in everything:
            where = "; ".join(
                f"{path} has {short_list(columns)}" for path, columns in known.items()
            )
            raise ConfigError(
                f"option {option} names the column {short_repr(name)}, which is in no "
                f"table; {did_you_mean(name, everything)}expected one of a table of "
                "--labels: " + (where or "there is none")
            )
