"""A class set: which diagnoses are the columns of the labels."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np

from ecgstore.arrays import UInt8Array
from ecgstore.diagnoses.snomed import diagnoses, is_code
from ecgstore.errors import ConfigError

SELECT_RULES: Final = ("any", "first", "all")
"""What `selects` may go by."""


@dataclass(frozen=True, slots=True)
class DiagnosisClass:
    """One column of the labels.

    Attributes
    ----------
    name : str
        Short name, usually the Challenge's abbreviation.
    description : str
        What it means, in words; may be empty.
    codes : tuple of str
        SNOMED CT codes that count as this class; the first one represents it.

    Raises
    ------
    ConfigError
        If the name is empty, has blanks around it or cannot be printed, or if there
        is no code, a code twice, or one that is not made of digits.
    """

    name: str
    description: str
    codes: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check the name and the codes."""
        if not self.name.strip() or not self.name.isprintable():
            raise ConfigError(
                f"a class is named {self.name!r}; give it a name that can be printed"
            )
        if self.name != self.name.strip():
            raise ConfigError(
                f"class {self.name!r} has blanks around its name; remove them"
            )
        if not self.codes:
            raise ConfigError(
                f"class {self.name!r} has no codes; name at least one SNOMED CT code, "
                "or remove the class"
            )
        for code in self.codes:
            if not is_code(code):
                raise ConfigError(
                    f"class {self.name!r} has the code {code!r}; expected a SNOMED CT "
                    "code, which is made of digits"
                )
        if len(set(self.codes)) < len(self.codes):
            raise ConfigError(
                f"class {self.name!r} names a code twice ({', '.join(self.codes)}); "
                "name it once"
            )


@dataclass(frozen=True, slots=True)
class ClassSet:
    """The columns of the labels, in order.

    Attributes
    ----------
    name : str
        Name of the set.
    classes : tuple of DiagnosisClass
        The classes; no two share a name or a code.
    columns : Mapping
        Column of every code that belongs to a class; derived from `classes`.

    Raises
    ------
    ConfigError
        If there is no name or no class, or if two classes share a name or a code.

    Examples
    --------
    >>> rhythm = ClassSet("rhythm", (
    ...     DiagnosisClass("NSR", "sinus rhythm", ("426783006",)),
    ...     DiagnosisClass("AF", "atrial fibrillation", ("164889003", "195080001")),
    ... ))
    >>> rhythm.labels([("164889003", "39732003"), ("426783006",), ()])
    array([[0, 1],
           [1, 0],
           [0, 0]], dtype=uint8)
    """

    name: str
    classes: tuple[DiagnosisClass, ...]
    columns: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the classes against each other and look up their codes."""
        if not self.name.strip() or not self.name.isprintable():
            raise ConfigError(
                f"a class set is named {self.name!r}; give it a name that can be "
                "printed"
            )
        if not self.classes:
            raise ConfigError(
                f"class set {self.name!r} has no classes; name at least one"
            )
        names: set[str] = set()
        columns: dict[str, int] = {}
        for column, each in enumerate(self.classes):
            if each.name in names:
                raise ConfigError(
                    f"class set {self.name!r} has two classes named {each.name!r}; "
                    "rename one or merge their codes"
                )
            names.add(each.name)
            for code in each.codes:
                if code in columns:
                    raise ConfigError(
                        f"class set {self.name!r} has code {code} in two classes, "
                        f"{self.classes[columns[code]].name!r} and {each.name!r}; "
                        "leave it in one"
                    )
                columns[code] = column
        object.__setattr__(self, "columns", columns)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the columns."""
        return tuple(each.name for each in self.classes)

    @property
    def codes(self) -> tuple[str, ...]:
        """Every code of every class, in the order of the columns."""
        return tuple(self.columns)

    def labels(self, dx: Sequence[Iterable[str]]) -> UInt8Array:
        """Return the labels of many records.

        Parameters
        ----------
        dx : sequence of iterables of str
            The SNOMED CT codes of each record; codes outside the set are ignored.

        Returns
        -------
        ndarray of shape (n_records, n_classes)
            1 where one of the record's codes belongs to the class, else 0.
        """
        labels = np.zeros((len(dx), len(self.classes)), np.uint8)
        for row, codes in enumerate(dx):
            for code in codes:
                column = self.columns.get(code)
                if column is not None:
                    labels[row, column] = 1
        return labels

    def label(self, dx: Iterable[str]) -> UInt8Array:
        """Return the labels of one record.

        Parameters
        ----------
        dx : iterable of str
            Its SNOMED CT codes; codes outside the set are ignored.

        Returns
        -------
        ndarray of shape (n_classes,)
            1 where one of the codes belongs to the class, else 0.
        """
        labels: UInt8Array = self.labels([dx])[0]
        return labels

    def to_json(self) -> dict[str, Any]:
        """Return the set as dicts, lists and texts, for `from_json`."""
        return {
            "name": self.name,
            "classes": [
                {
                    "name": each.name,
                    "description": each.description,
                    "codes": list(each.codes),
                }
                for each in self.classes
            ],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return the set that `to_json` wrote.

        Raises
        ------
        ConfigError
            If a part is missing or of the wrong type, or the set is not valid.
        """
        try:
            classes = tuple(
                DiagnosisClass(
                    _text(each["name"]),
                    _text(each["description"]),
                    tuple(_text(code) for code in _list(each["codes"])),
                )
                for each in _list(value["classes"])
            )
            return cls(_text(value["name"]), classes)
        except (KeyError, TypeError) as error:
            raise ConfigError(
                f"class set {value!r}: {type(error).__name__} {error}; expected "
                '{"name": ..., "classes": [{"name", "description", "codes"}, ...]}'
            ) from error


def _text(value: object) -> str:
    """Return a value that must be a text."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def _list(value: object) -> list[Any]:
    """Return a value that must be a list."""
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is not a list")
    return value


def describe(codes: Sequence[str]) -> str:
    """Return the names of codes in words; unknown codes have none."""
    known = diagnoses()
    return " or ".join(known[code].name for code in codes if code in known)


def selects(dx: Sequence[str], class_set: ClassSet, rule: str = "any") -> bool:
    """Return whether a record with these codes is selected.

    Parameters
    ----------
    dx : sequence of str
        The record's SNOMED CT codes in the header's order.
    class_set : ClassSet
        The classes wanted.
    rule : str
        ``"any"``: one of the codes is in the set. ``"first"``: the first code is.
        ``"all"``: every record is selected, also one without any code.

    Raises
    ------
    ConfigError
        If the rule is none of these.

    Notes
    -----
    The order of a header's codes has no clinical meaning, so that ``"first"`` is of
    use only to repeat work that was selected in this way.
    """
    if rule == "any":
        return any(code in class_set.columns for code in dx)
    if rule == "first":
        return bool(dx) and dx[0] in class_set.columns
    if rule == "all":
        return True
    raise ConfigError(
        f"unknown selection rule {rule!r}; expected one of {', '.join(SELECT_RULES)}"
    )
