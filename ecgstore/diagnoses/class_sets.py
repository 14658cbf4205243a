"""Class sets: the diagnoses that are the columns of the labels."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np

from ecgstore.arrays import UInt8Array
from ecgstore.diagnoses.snomed import diagnoses, find_code
from ecgstore.errors import ConfigError, short_repr

SELECT_RULES: Final = ("any", "first", "all")
"""The rules of `selects`."""

MOST_CHARACTERS: Final = 80
"""Length of a text code."""

_SEPARATORS: Final = frozenset(",;|")
"""Characters that separate codes in tables and stores."""


def is_text_code(text: str) -> bool:
    """Return whether a text can be the code of a class: SNOMED CT digits are, too.

    Examples
    --------
    >>> [is_text_code(text) for text in ("AFIB", "LAO/LAE", "164889003", "A,B", "")]
    [True, True, True, False, False]
    """
    return (
        0 < len(text) <= MOST_CHARACTERS
        and text == text.strip()
        and text.isprintable()
        and _SEPARATORS.isdisjoint(text)
    )


@dataclass(frozen=True, slots=True)
class DiagnosisClass:
    """One column of the labels.

    Attributes
    ----------
    name : str
        Short name, usually the Challenge's abbreviation.
    description : str
        Full name; may be empty.
    codes : tuple of str
        Codes of the class; the first one represents it. Digits are SNOMED CT codes; all
        else is a text code, such as ``"AFIB"`` of PTB-XL, and compared as it is.

    Raises
    ------
    ConfigError
        If the name is empty, has surrounding blanks or cannot be printed, or if there
        is no code, a repeated code, or one that `is_text_code` refuses.
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
                f"class {self.name!r} has no codes; name at least one, or remove the "
                "class"
            )
        for code in self.codes:
            if not is_text_code(code):
                raise ConfigError(
                    f"class {self.name!r} has the code {short_repr(code)}; expected "
                    "digits (SNOMED CT), or a printable text of at most "
                    f"{MOST_CHARACTERS} characters without commas, semicolons, bars "
                    "and blanks around it"
                )
        if len(set(self.codes)) < len(self.codes):
            raise ConfigError(
                f"class {self.name!r} names a code twice ({', '.join(self.codes)}); "
                "name it once"
            )


@dataclass(frozen=True, slots=True, repr=False)
class ClassSet:
    """The columns of the labels, in order.

    Attributes
    ----------
    name : str
        Name of the set.
    classes : tuple of DiagnosisClass
        The classes; no two share a name or a code.
    columns : Mapping
        Column of every code of the classes, and of every `mark`; derived from
        `classes`.

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
        for column, class_ in enumerate(self.classes):
            if class_.name in names:
                raise ConfigError(
                    f"class set {self.name!r} has two classes named {class_.name!r}; "
                    "rename one or merge their codes"
                )
            names.add(class_.name)
            for code in class_.codes:
                if code in columns:
                    raise ConfigError(
                        f"class set {self.name!r} has code {code} in two classes, "
                        f"{self.classes[columns[code]].name!r} and {class_.name!r}; "
                        "leave it in one"
                    )
                columns[code] = column
        for column, class_ in enumerate(self.classes):
            columns.setdefault(self.mark(class_), column)
        object.__setattr__(self, "columns", columns)

    def __repr__(self) -> str:
        return f"<ecgstore.ClassSet {self.name}: {', '.join(self.names)}>"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the columns."""
        return tuple(class_.name for class_ in self.classes)

    @property
    def codes(self) -> tuple[str, ...]:
        """Every code of every class, in the order of the columns."""
        return tuple(code for class_ in self.classes for code in class_.codes)

    def mark(self, class_: DiagnosisClass) -> str:
        """Return the code by which a table puts a record into a class as a whole.

        It is the class's code that has its name or is its abbreviation, its only code,
        or else the names of set and class: none of the codes may be true.

        Examples
        --------
        >>> chosen = ClassSet("mine", (DiagnosisClass("MI", "", ("AMI", "IMI")),))
        >>> chosen.mark(chosen.classes[0])
        'mine:MI'
        >>> chosen.label(["mine:MI"])
        array([1], dtype=uint8)
        """
        if class_.name in class_.codes:
            return class_.name
        abbreviated = find_code(class_.name)
        if abbreviated in class_.codes:
            return str(abbreviated)
        qualified = f"{self.name}:{class_.name}"
        if len(class_.codes) > 1 and is_text_code(qualified):
            return qualified
        return class_.codes[0]

    def labels(self, dx: Sequence[Iterable[str]]) -> UInt8Array:
        """Return the labels of many records.

        Parameters
        ----------
        dx : sequence of iterables of str
            The codes of each record; codes outside the set are ignored.

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
            Its codes; codes outside the set are ignored.

        Returns
        -------
        ndarray of shape (n_classes,)
            1 where one of the codes belongs to the class, else 0.
        """
        labels: UInt8Array = self.labels([dx])[0]
        return labels

    def to_json(self) -> dict[str, Any]:
        """Return the set as plain values for JSON; `from_json` reads them."""
        return {
            "name": self.name,
            "classes": [
                {
                    "name": class_.name,
                    "description": class_.description,
                    "codes": list(class_.codes),
                }
                for class_ in self.classes
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
                    _text(item["name"]),
                    _text(item["description"]),
                    tuple(_text(code) for code in _list(item["codes"])),
                )
                for item in _list(value["classes"])
            )
            return cls(_text(value["name"]), classes)
        except (KeyError, TypeError) as error:
            problem = f"has no {error}" if isinstance(error, KeyError) else error
            name = value.get("name") if isinstance(value, dict) else value
            raise ConfigError(
                f"class set {short_repr(name)}: {problem}; expected "
                '{"name": ..., "classes": [{"name", "description", "codes"}, ...]}'
            ) from error


def _text(value: object) -> str:
    """Return a value; raise a TypeError unless it is a string."""
    if not isinstance(value, str):
        raise TypeError(f"{short_repr(value)} is not a string")
    return value


def _list(value: object) -> list[Any]:
    """Return a value; raise a TypeError unless it is a list."""
    if not isinstance(value, list):
        raise TypeError(f"{short_repr(value)} is not a list")
    return value


def describe(codes: Sequence[str]) -> str:
    """Return the full names of codes, joined by "or", without unknown codes."""
    known = diagnoses()
    return " or ".join(known[code].name for code in codes if code in known)


def selects(
    dx: Sequence[str],
    class_set: ClassSet,
    rule: str = "any",
    *,
    denied: Iterable[str] = (),
) -> bool:
    """Return whether a record is selected by its codes.

    Parameters
    ----------
    dx : sequence of str
        The record's codes in the header's order.
    class_set : ClassSet
        The class set of the labels.
    rule : str
        ``"any"``: one of the codes is in the set, or one of `denied`: a record that is
        known to be without a class is as useful as one with it. ``"first"``: the first
        code is in it. ``"all"``: every record is selected, even without any code.
    denied : iterable of str
        Codes that the record is said not to have.

    Raises
    ------
    ConfigError
        If the rule is unknown.

    Notes
    -----
    The order of a header's codes has no clinical meaning: ``"first"`` is meant for
    reproducing work that selected records in this way.
    """
    if rule == "any":
        return any(code in class_set.columns for code in (*dx, *denied))
    if rule == "first":
        return bool(dx) and dx[0] in class_set.columns
    if rule == "all":
        return True
    raise ConfigError(
        f"unknown selection rule {rule!r}; expected one of {', '.join(SELECT_RULES)}"
    )
