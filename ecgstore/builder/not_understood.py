"""Codes and words of diagnoses that are in no known table, counted for messages."""

import re
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from typing import Final

from ecgstore.diagnoses import ClassSet, code_names
from ecgstore.errors import EcgStoreError, short_list
from ecgstore.label_tables import LabelTable

_CODE: Final = re.compile(r"[\w/()+-]{1,4}|[a-z]{1,8}|[\d.eE+-]{1,20}", re.ASCII)
"""Codes, short words and numbers: what is hardly the name of a person."""

_MOST_NAMED: Final = 20
"""Different codes or words that are counted one by one."""


def most_frequent_first(counts: Counter[str]) -> dict[str, int]:
    """Return counts in order, the largest first."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item)))


def shown_counts(texts: Iterable[str]) -> dict[str, int]:
    """Count codes or words as messages may show them, the most frequent first.

    Tables of others hold what people wrote: what is no code is counted without its
    text, and so are the rarest of many.

    Examples
    --------
    >>> shown_counts(["NSR", "Afib", "NSR", "Mary Poppins", "Peter Pan"])
    {'NSR': 2, '[other texts]': 2, 'Afib': 1}
    """
    counts = Counter(
        text if _CODE.fullmatch(text) else "[other texts]" for text in texts
    )
    named = dict(counts.most_common(_MOST_NAMED))
    rest = counts.total() - sum(named.values())
    return most_frequent_first(Counter(named) + Counter({"[other texts]": rest}))


def unknown_codes(tables: Sequence[LabelTable], class_set: ClassSet) -> dict[str, int]:
    """Return the number of rows by code, for codes that nothing is known about."""
    known = code_names(class_set)
    return shown_counts(
        code
        for table in tables
        for row in table.rows
        for code in row.codes
        if code not in known
    )


def unknown_words(tables: Sequence[LabelTable]) -> dict[str, int]:
    """Return the number of rows by word among the diagnoses that is not understood."""
    return shown_counts(
        word for table in tables for row in table.rows for word in row.unknown
    )


def names_as_codes(
    tables: Sequence[LabelTable], class_set: ClassSet, unknown: Container[str]
) -> list[str]:
    """Return a sentence about names of classes in a column of codes, if there are."""
    names = [name for name in class_set.names if name in unknown]
    columns = dict.fromkeys(filter(None, (table.layout.codes for table in tables)))
    if not names:
        return []
    return [
        f"column {', '.join(columns)} holds codes, and has {short_list(names)}, the "
        f"name of a class of {class_set.name}: give the class a column {names[0]} of 1 "
        "and 0, or write its code (ecgstore classes lists codes)"
    ]


def require_understood(tables: Sequence[LabelTable], class_set: ClassSet) -> None:
    """Refuse a table of codes alone, none of which is known.

    Raises
    ------
    EcgStoreError
        Naming the table, and what its column holds.
    """
    known = code_names(class_set)
    for table in tables:
        layout = table.layout
        if set(layout.names) - {*layout.keys, layout.source} != {layout.codes}:
            continue
        unknown = [
            text
            for row in table.rows
            for text in (*row.unknown, *(one for one in row.codes if one not in known))
        ]
        is_any = any(code in known for row in table.rows for code in row.codes)
        if unknown and not is_any:
            counts = shown_counts(unknown)
            listed = short_list([f"{text} ({n})" for text, n in counts.items()])
            hint = "; ".join(names_as_codes([table], class_set, {*unknown}))
            raise EcgStoreError(
                f"{table.path}: nothing in its column {layout.codes} is understood, so "
                f"nothing was written: {listed}; "
                + (
                    hint
                    or "expected SNOMED CT codes, as digits, or known abbreviations"
                )
            )
