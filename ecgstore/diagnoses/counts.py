"""Count records by diagnosis and source."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ecgstore.diagnoses.class_sets import ClassSet
from ecgstore.diagnoses.scp_ecg import scp_statements
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
        One row per known code that occurs or is in the set: those of `diagnoses`, then
        `scp_statements`, then others of the set.
    unknown : tuple of CountRow
        One row per other code, the most frequent first.
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
        Source and diagnoses of every record: codes, and texts that were not understood.
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

    known = code_names(class_set)

    def code_row(code: str) -> CountRow:
        counts = tuple(by_code[source, code] for source in sources)
        return CountRow(code, known.get(code, ""), counts)

    occurring = {code for _, code in by_code}
    shown = occurring.union(class_set.codes)
    unknown = sorted(
        (code_row(code) for code in sorted(occurring - known.keys())),
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
        codes=tuple(code_row(code) for code in known if code in shown),
        unknown=tuple(row for row in unknown if is_code(row.key)),
        unknown_words=tuple(row for row in unknown if not is_code(row.key)),
    )


def code_names(class_set: ClassSet) -> dict[str, str]:
    """Return the short name of every known code: of the tables, and of a class set.

    Examples
    --------
    >>> from ecgstore.diagnoses import DiagnosisClass
    >>> known = code_names(ClassSet("x", (DiagnosisClass("A", "", ("mine",)),)))
    >>> known["164889003"], known["AFIB"], known["mine"], known.get("other")
    ('AF', 'atrial fibrillation', 'A', None)
    """
    return {
        **{code: row.abbreviation for code, row in diagnoses().items()},
        **{code: statement.name for code, statement in scp_statements().items()},
        **{
            code: class_set.names[column]
            for code, column in class_set.columns.items()
            if code not in diagnoses() and code not in scp_statements()
        },
    }
