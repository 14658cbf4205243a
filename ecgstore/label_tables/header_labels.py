"""Labels in the comments of a header, such as ``# Chagas label: True``."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from ecgstore.diagnoses import is_text_code
from ecgstore.label_tables.cells import is_missing, truth_in
from ecgstore.label_tables.code_cells import read_codes

_LONGEST_UNKNOWN: Final = 80
_LABEL: Final = re.compile(r"[\s_]+labels?$", re.IGNORECASE)


class HeaderLabels(NamedTuple):
    """What the comments of a header say about labels.

    Attributes
    ----------
    codes, denied : tuple of str
        Codes that the record has, and that it is said not to have.
    unknown : tuple of str
        Values that are not understood, shortened.
    """

    codes: tuple[str, ...]
    denied: tuple[str, ...]
    unknown: tuple[str, ...]


def header_labels(
    notes: Iterable[tuple[str, str]], keys: Iterable[str]
) -> HeaderLabels:
    """Return the labels in the comments of a header.

    Parameters
    ----------
    notes : iterable of (str, str)
        Key and value of comments; see `ecgstore.record.Record`.
    keys : iterable of str
        Keys of labels, in upper or lower case. A value is a list of codes as in tables,
        or true or false: then the code is the key, without the word label at its end.

    Examples
    --------
    >>> header_labels([("Chagas label", "True"), ("Source", "x")], ["chagas label"])
    HeaderLabels(codes=('Chagas',), denied=(), unknown=())
    >>> header_labels([("Labels", "AFIB/AFL, HYP")], ["Labels"]).codes
    ('AFIB/AFL', 'HYP')
    """
    wanted = {key.strip().lower() for key in keys}
    codes: dict[str, None] = {}  # as ordered sets
    denied: dict[str, None] = {}
    unknown: dict[str, None] = {}
    for key, value in notes:
        if key.lower() not in wanted or is_missing(value):
            continue
        name = _LABEL.sub("", key)
        try:
            is_in = truth_in(value)
        except ValueError:
            is_in = None
        if is_in is not None and is_text_code(name):
            (codes if is_in else denied)[name] = None
            continue
        try:
            codes.update(dict.fromkeys(read_codes(value)))
        except ValueError:
            unknown[" ".join(value.split())[:_LONGEST_UNKNOWN]] = None
    return HeaderLabels(tuple(codes), tuple(denied), tuple(unknown))
