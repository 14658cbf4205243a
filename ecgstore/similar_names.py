"""Suggest known names that are similar to a mistyped one."""

from collections.abc import Iterable
from itertools import islice
from typing import Final

_MOST_KNOWN: Final = 10_000
"""Names that are compared; a table may have a million columns."""

_LONGEST: Final = 100
"""Characters of a name that is compared: the time grows with their square."""


def did_you_mean(
    name: object, known: Iterable[object], n: int = 1, *, at_least: float = 0.6
) -> str:
    """Return a question for an error message, with a space at its end.

    Parameters
    ----------
    name : object
        The unknown name; what is not a str is similar to nothing.
    known : iterable
        The names that exist.
    n : int
        Largest number of names to suggest.
    at_least : float
        Least similarity, from 0 to 1.

    Returns
    -------
    str
        Empty if no name is similar. Upper and lower case are the same here.

    Examples
    --------
    >>> did_you_mean("signal", ["signals", "labels"])
    'did you mean signals? '
    >>> did_you_mean("AVR", ["aVR"])
    'did you mean aVR? '
    >>> did_you_mean("ecg", ["signals", "labels"])
    ''
    """
    import difflib  # only for messages

    if not isinstance(name, str) or len(name) > _LONGEST:
        return ""
    texts = map(str, islice(known, _MOST_KNOWN))
    folded = {text.casefold(): text for text in texts if len(text) <= _LONGEST}
    similar = difflib.get_close_matches(name.casefold(), folded, n, at_least)
    if not similar:
        return ""
    return f"did you mean {', '.join(folded[one] for one in similar)}? "
