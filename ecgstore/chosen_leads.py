"""The leads that a user chooses, by the spellings that records have, too."""

import functools
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from ecgstore.errors import ConfigError
from ecgstore.lead_names import meaning_of
from ecgstore.record import LEADS
from ecgstore.similar_names import did_you_mean

ALMOST_SAME = 0.85
"""Similarity from which on another lead is taken for a slip of the pen: the names of
different leads are similar, as ``V1`` and ``V2``."""


def lead_names(
    names: str | Iterable[str], known: Sequence[str] = LEADS
) -> tuple[str, ...]:
    """Return names of leads, spelled as in `LEADS`.

    Parameters
    ----------
    names : str or iterable of str
        One or more leads without repeats, in any order and in upper or lower case, or
        as devices write them; see `ecgstore.lead_names.meaning_of`.
    known : sequence of str
        The names that are accepted.

    Raises
    ------
    ConfigError
        If a name is unknown or repeated, or there is no name.

    Examples
    --------
    >>> lead_names(["v2", "ii", "aVR", "ECG V1", "d1"])
    ('V2', 'II', 'aVR', 'V1', 'I')
    """
    requested = [names] if isinstance(names, str) else list(names)
    leads = _spelled(tuple(map(str, requested)), tuple(known))
    if all(leads) and leads and len(set(leads)) == len(leads):
        return leads
    unknown = [name for name, lead in zip(requested, leads, strict=True) if not lead]
    if unknown:
        hint = did_you_mean(unknown[0], known, at_least=ALMOST_SAME)
        if "-" in str(unknown[0]).strip("-"):
            hint = "a range is not read; "
    else:
        twice = dict.fromkeys(lead for lead in leads if leads.count(lead) > 1)
        hint = "".join(f"{lead} is there twice; " for lead in twice)
    raise ConfigError(
        f"leads are {requested!r}; {hint}expected some of {', '.join(known)}, each once"
    )


def in_standard_order(names: str | Iterable[str]) -> tuple[str, ...]:
    """Return names of leads, spelled and ordered as in `LEADS`.

    Raises
    ------
    ConfigError
        As `lead_names`.

    Examples
    --------
    >>> in_standard_order(["v2", "ii"])
    ('II', 'V2')
    """
    chosen = lead_names(names)
    return tuple(lead for lead in LEADS if lead in chosen)


def if_a_lead(path: PurePath | str) -> str:
    """Return the end of a message about a path that is none, if it names a lead.

    Examples
    --------
    >>> if_a_lead("II")
    '; if it is a lead: names have commas and no blanks between them, --leads I,II'
    >>> if_a_lead("data/training")
    ''
    """
    name = PurePath(path).name.strip(" ,")
    if not meaning_of(name).lead:
        return ""
    return (
        "; if it is a lead: names have commas and no blanks between them, --leads I,II"
    )


@functools.lru_cache(maxsize=64)
def _spelled(names: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    """Return known names in their own spelling; empty for unknown ones.

    Cached, because a build asks for the same leads with every record.
    """
    spelled = {lead.lower(): lead for lead in known}
    return tuple(_spelled_one(name, spelled) for name in names)


def _spelled_one(name: str, known: dict[str, str]) -> str:
    """Return a known name in its own spelling; empty for an unknown one."""
    meaning = meaning_of(name)
    lead = "" if meaning.is_inverted else meaning.lead
    return known.get(name.strip().lower()) or known.get(lead.lower(), "")
