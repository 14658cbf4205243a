"""Read what one row of a table says about a record."""

import math
from collections.abc import Callable, Mapping
from sys import intern
from typing import Final, NamedTuple, TypeVar

from ecgstore.config import N_FOLDS, Config
from ecgstore.diagnoses import read_dx
from ecgstore.errors import ConfigError
from ecgstore.label_tables.cells import (
    MAX_TARGET,
    age_in,
    identifier_in,
    is_missing,
    number_in,
    sex_in,
    shown,
    target_in,
    truth_in,
)
from ecgstore.label_tables.code_cells import read_codes
from ecgstore.label_tables.layout import Layout

_T = TypeVar("_T")

_MOST_VALUES: Final = 20
"""Different values of a column that are counted one by one."""

_A_TARGET: Final = f"a number of at most {MAX_TARGET:.1e}, or blank"

_PTB_XL_ABOVE_89: Final = ("300", "300.0")
_PTB_XL_SEXES: Final = {"0": "male", "0.0": "male", "1": "female", "1.0": "female"}


class TableRow(NamedTuple):
    """What a table says about one record.

    Attributes
    ----------
    codes, denied : tuple of str
        Codes that the record has, and that it is said not to have.
    unknown : tuple of str
        Parts of the codes that are not understood; see `ecgstore.diagnoses.read_dx`.
    patient_id : str
        Empty where unknown.
    age : float
        Age in years; NaN where unknown.
    sex : str
        ``"male"``, ``"female"`` or ``"unknown"``.
    fold : int or None
        As the table numbers them; None where it has none.
    columns : tuple of str
        Values in the order of `Layout.columns`; empty where missing.
    targets : tuple of float
        Values in the order of `Layout.targets`; NaN where missing.
    source : str
        Database, as the table names it; empty where it does not.
    """

    codes: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    patient_id: str = ""
    age: float = math.nan
    sex: str = "unknown"
    fold: int | None = None
    columns: tuple[str, ...] = ()
    targets: tuple[float, ...] = ()
    source: str = ""


class RowReader:
    """Reads the cells of the rows of one table.

    Parameters
    ----------
    layout : Layout
        What the columns mean.
    config : Config or None
        Options of the build; None for a table of patients, all of which must be known.

    Attributes
    ----------
    not_understood : dict
        Number of rows by age or sex that is not understood, by column. Values are as
        messages may show them.
    """

    def __init__(self, layout: Layout, config: Config | None) -> None:
        self._layout = layout
        self._needs_patient = config is None
        self._min_likelihood = 0.0 if config is None else config.min_likelihood
        self.not_understood: dict[str, dict[str, int]] = {}

    def row(self, where: str, cells: Mapping[str, str]) -> TableRow:
        """Return what the cells of a row say.

        Raises
        ------
        ConfigError
            If a value is not understood; the message names its place, `where`.
        """
        layout = self._layout
        codes, unknown = self._codes(where, cells)
        denied: list[str] = []
        for column, code in layout.classes.items():
            is_in = _value(truth_in, where, column, cells, "0, 1, true, false or blank")
            if is_in is not None:
                (codes if is_in else denied).append(code)
        patient = identifier_in(cells[layout.patient]) if layout.patient else ""
        if self._needs_patient and not patient:
            raise ConfigError(
                f"{where} has an empty record or patient; fill it in, or remove "
                "the line: a record without one has no known patient"
            )
        return TableRow(
            codes=tuple(map(intern, dict.fromkeys(codes))),
            denied=tuple(intern(code) for code in denied if code not in codes),
            unknown=unknown,
            patient_id=patient,
            age=self._age(cells) if layout.age else math.nan,
            sex=self._sex(cells),
            fold=self._fold(where, cells),
            columns=tuple(
                "" if is_missing(cells[name]) else intern(cells[name])
                for name in layout.columns
            ),
            targets=tuple(
                _value(target_in, where, name, cells, _A_TARGET)
                for name in layout.targets
            ),
            source=intern(cells[layout.source]) if layout.source else "",
        )

    def _codes(
        self, where: str, cells: Mapping[str, str]
    ) -> tuple[list[str], tuple[str, ...]]:
        """Return the codes of a row, and what is not understood of them."""
        column = self._layout.codes
        if not column:
            return [], ()
        if self._layout.is_dx:
            dx = read_dx(cells[column])
            return [*dx.codes], dx.unknown
        try:
            return [*read_codes(cells[column], self._min_likelihood)], ()
        except ValueError as error:
            raise ConfigError(
                f"{where}: column {column} {error}; expected codes separated by "
                "commas, or a list or dict as in {'NORM': 100.0}"
            ) from error

    def _sex(self, cells: Mapping[str, str]) -> str:
        """Return the sex in a row."""
        layout = self._layout
        if layout.is_male:
            is_male = {"true": True, "1": True, "false": False, "0": False}
            cell = cells[layout.is_male]
            known = is_male.get(cell.lower().removesuffix(".0"))
            if known is not None:
                return "male" if known else "female"
            if not is_missing(cell):
                self._count(layout.is_male, cell)
        if not layout.sex or is_missing(cells[layout.sex]):
            return "unknown"
        cell = cells[layout.sex]
        sex = _PTB_XL_SEXES.get(cell) if layout.of_ptb_xl else None
        sex = sex or sex_in(cell)
        if sex == "unknown" and cell.lower() != sex:
            self._count(layout.sex, cell)
        return sex

    def _age(self, cells: Mapping[str, str]) -> float:
        """Return the age in a row; NaN where it is missing or not understood."""
        cell = cells[self._layout.age]
        age = age_in(cell)
        is_above_89 = self._layout.of_ptb_xl and cell in _PTB_XL_ABOVE_89
        if math.isnan(age) and not (is_missing(cell) or is_above_89):
            self._count(self._layout.age, cell)
        return age

    def _count(self, column: str, cell: str) -> None:
        """Count a value that is not understood."""
        counts = self.not_understood.setdefault(column, {})
        value = shown(cell)
        if value not in counts and len(counts) >= _MOST_VALUES:
            value = "other values"
        counts[value] = counts.get(value, 0) + 1

    def _fold(self, where: str, cells: Mapping[str, str]) -> int | None:
        """Return the fold in a row, as the table numbers it."""
        if not self._layout.fold:
            return None
        number = _value(number_in, where, self._layout.fold, cells, "a fold or blank")
        if math.isnan(number):
            return None
        if not (number.is_integer() and 0 <= number <= N_FOLDS):
            raise ConfigError(
                f"{where} has the fold {shown(cells[self._layout.fold])}; "
                f"expected a whole number, 0 to {N_FOLDS - 1} or 1 to {N_FOLDS}"
            )
        return int(number)


def _value(
    read: Callable[[str], _T],
    where: str,
    column: str,
    cells: Mapping[str, str],
    expected: str,
) -> _T:
    """Return the value of a cell; raise a ConfigError that names its place."""
    try:
        return read(cells[column])
    except ValueError as error:
        raise ConfigError(
            f"{where} has {shown(cells[column])} in column {column}; expected "
            f"{expected}"
        ) from error
