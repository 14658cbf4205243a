"""Count records by diagnosis and source."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ecgstore.diagnoses.class_sets import ClassSet
from ecgstore.diagnoses.snomed import diagnoses, is_code


@dataclass(frozen=True, slots=True)
class CountRow:
    """Numbers of records with one class or one code, by source.

    Attributes
    ----------
    key : str
        Name of the class, or the code.
    name : str
        Description of the class, or abbreviation of the code; empty for an unknown one.
    counts : tuple of int
        Number of records by source, in the order of `DiagnosisCounts.sources`.
    """

    key: str
    name: str
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """Number of records in all sources."""
        return sum(self.counts)


@dataclass(frozen=True, slots=True)
class DiagnosisCounts:
    """Numbers of records by diagnosis and source; a record counts once in each row.

    Attributes
    ----------
    sources : tuple of str
        Names of the sources, sorted.
    records : tuple of int
        Number of records by source.
    without_class : tuple of int
        Number of records without any class of the set, by source.
    classes : tuple of CountRow
        One row per class, in the order of the set.
    codes : tuple of CountRow
        One row per known code that occurs or is in the set, in the order of
        `diagnoses`.
    unknown : tuple of CountRow
        One row per code that is not in `diagnoses`, the most frequent first.
    unknown_words : tuple of CountRow
        One row per text that is no code, the most frequent first.
    """

    sources: tuple[str, ...]
    records: tuple[int, ...]
    without_class: tuple[int, ...]
    classes: tuple[CountRow, ...]
    codes: tuple[CountRow, ...]
    unknown: tuple[CountRow, ...]
    unknown_words: tuple[CountRow, ...]


def count_diagnoses(
    class_set: ClassSet, records: Iterable[tuple[str, Iterable[str]]]
) -> DiagnosisCounts:
    """Count records by class and by code, within every source.

    Parameters
    ----------
    class_set : ClassSet
        The classes to count.
    records : iterable of (source, dx)
        Source and diagnoses of every record: SNOMED CT codes, and texts that were not
        understood.
    """
    n_records: Counter[str] = Counter()
    n_without: Counter[str] = Counter()
    by_column: Counter[tuple[str, int]] = Counter()
    by_code: Counter[tuple[str, str]] = Counter()
    for source, dx in records:
        codes = set(dx)
        columns = {class_set.columns[code] for code in codes & class_set.columns.keys()}
        n_records[source] += 1
        n_without[source] += not columns
        by_column.update((source, column) for column in columns)
        by_code.update((source, code) for code in codes)
    sources = tuple(sorted(n_records))

    def code_row(code: str) -> CountRow:
        name = diagnoses()[code].abbreviation if code in diagnoses() else ""
        return CountRow(code, name, tuple(by_code[source, code] for source in sources))

    occurring = {code for _, code in by_code}
    unknown = sorted(
        (code_row(code) for code in sorted(occurring - diagnoses().keys())),
        key=lambda row: -row.total,
    )
    return DiagnosisCounts(
        sources=sources,
        records=tuple(n_records[source] for source in sources),
        without_class=tuple(n_without[source] for source in sources),
        classes=tuple(
            CountRow(
                class_.name,
                class_.description,
                tuple(by_column[source, column] for source in sources),
            )
            for column, class_ in enumerate(class_set.classes)
        ),
        codes=tuple(
            code_row(code)
            for code in diagnoses()
            if code in occurring or code in class_set.columns
        ),
        unknown=tuple(row for row in unknown if is_code(row.key)),
        unknown_words=tuple(row for row in unknown if not is_code(row.key)),
    )
