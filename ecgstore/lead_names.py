"""Names of leads as devices and data sets write them, and a user's own mapping."""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Self

from ecgstore.errors import ConfigError, short_repr
from ecgstore.options import read_toml
from ecgstore.record import FRANK_LEADS, LEADS

STANDARD_LEADS: Final = (*LEADS, *FRANK_LEADS)
"""The leads that names can mean: the twelve, and Frank's X, Y and Z."""

_SPELLINGS: Final[Mapping[str, str]] = {
    **{lead.lower(): lead for lead in STANDARD_LEADS},
    **{f"v{lead.lower()}": lead for lead in FRANK_LEADS},  # as the PTB database
    # Spanish, Portuguese, French and Italian devices: derivation, dérivation.
    **{f"d{lead.lower()}": lead for lead in ("I", "II", "III")},
    **{f"d{number}": lead for number, lead in enumerate(("I", "II", "III"), 1)},
}

# No hyphen: a lead with a minus sign is another one.
_PREFIX: Final = re.compile(r"(?:mdc_ecg_lead_|(?:ecg|ekg)[ _:]*(?:lead)?|lead)[ _:]*")

_LONGEST_NAME: Final = 30
_MOST_DIGITS: Final = 4

_UNITS: Final = frozenset((
    "mv", "uv", "nv", "kv", "v", "\u00b5v", "\u03bcv", "mv/s", "mmhg", "cmh2o", "kpa",
    "bpm", "hz", "ohm", "mohm", "kohm", "nu", "adu", "counts", "lsb", "%", "?",
))  # fmt: skip
"""Usual units of channels, in lower case."""

# No first name or surname, except where a lead has it, too.
_WORDS: Final = re.compile(
    r"mli{1,3}|a?v[rlf]|v[1-9]r?|v1[0-9]|mcl[1-6]|c[1-9]|c[bcmrs][1-6]|ml[1-6]|"
    r"d[1-9]|mdc|(?:ecg|ekg|eeg|emg|eog|ppg|leads?|channel|chan|ch)\d{0,2}|\d{1,3}|"
    r"(?:resp|abp|nibp|ibp|art|pap|cvp|icp|pleth|spo2|sao2|etco2|co2|acc|temp)\d?|"
    "ableitung|airflow|annotations?|augmented|bipolar|brust|canal|chest|derivation|"
    "events?|impedance|left|marker|mod|modified|precordial|pressure|pulse|"
    "respiration|rhythm|right|signal|status|trigger|unipolar"
)
"""Words in names of channels, besides leads and units."""

_EXAMPLE: Final = '"ECG 1" = "II", or "-aVR" = "-aVR" for an inverted lead'


def shown_lead(name: str) -> str:
    """Return the name of a lead as a message may show it.

    A device lets people write what they like there, also a patient's name. So a name is
    shown if all its words are usual in names of leads and other channels.

    Examples
    --------
    >>> shown_lead("ECG V1"), shown_lead("chest 6"), shown_lead("Kim Li")
    ('ECG V1', 'chest 6', 'a name of 6 characters')
    """
    is_usual = all(
        word in _SPELLINGS or word in _UNITS or _WORDS.fullmatch(word)
        for word in filter(None, re.split(r"[\W_]+", name.lower()))
    )
    is_short = len(name) <= _LONGEST_NAME
    n_digits = sum(character.isdigit() for character in name)
    if is_usual and is_short and n_digits <= _MOST_DIGITS and name.isprintable():
        return name.strip() or "no name"
    return f"a name of {len(name)} characters"


def shown_unit(unit: object) -> str:
    """Return the unit of a channel as a message may show it: if it is a usual one.

    Examples
    --------
    >>> shown_unit("mmHg"), shown_unit("Jane"), shown_unit(5)
    ("'mmHg'", 'a unit of 4 characters', 'a unit of type int')
    """
    if not isinstance(unit, str):
        return f"a unit of type {type(unit).__name__}"
    if not unit.strip():
        return "no unit"
    if unit.strip().lower() in _UNITS:
        return repr(unit)
    return f"a unit of {len(unit)} characters"


class LeadMeaning(NamedTuple):
    """The standard lead that a name means.

    Attributes
    ----------
    lead : str
        One of `STANDARD_LEADS`; empty if the name means none of them.
    is_inverted : bool
        Whether the signal is that of the lead with the opposite sign.
    """

    lead: str
    is_inverted: bool = False


def meaning_of(name: str) -> LeadMeaning:
    """Return the standard lead that a name means, in the spellings of many devices.

    Case, blanks at the ends, and prefixes such as "ECG" and "Lead" do not matter.

    Examples
    --------
    >>> [meaning_of(name).lead for name in ("avr ", "ECG II", "D3", "MDC_ECG_LEAD_V1")]
    ['aVR', 'II', 'III', 'V1']
    >>> meaning_of("-aVR")
    LeadMeaning(lead='aVR', is_inverted=True)
    >>> meaning_of("MLII")
    LeadMeaning(lead='', is_inverted=False)
    """
    text = " ".join(name.lower().split())
    prefix = _PREFIX.match(text)
    text = text[prefix.end() :] if prefix else text
    lead = _SPELLINGS.get(text.removeprefix("-").lstrip(), "")
    return LeadMeaning(lead, bool(lead) and text.startswith("-"))


@dataclass(frozen=True, slots=True, repr=False)
class LeadNames:
    """A mapping of names in records to standard leads, besides the known spellings.

    Attributes
    ----------
    pairs : tuple of (str, str)
        A name as a record has it, and what it means: one of `STANDARD_LEADS`; one with
        a minus sign before it, such as ``"-aVR"``, if the record holds the inverted
        lead; or nothing, if the channel is not to be used. Sorted by name; case and
        blanks at the ends of a name do not matter.

    Raises
    ------
    ConfigError
        If a lead is unknown, or a name is repeated.

    Examples
    --------
    >>> names = LeadNames.of({"ECG 1": "ii", "-aVR": "-aVR"})
    >>> names.meaning("ecg 1"), names.meaning("-AVR"), names.meaning("V1")
    (LeadMeaning(lead='II', is_inverted=False), \
LeadMeaning(lead='aVR', is_inverted=True), LeadMeaning(lead='V1', is_inverted=False))
    """

    pairs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, mapping: Mapping[str, object]) -> Self:
        """Return the mapping of names to leads.

        Raises
        ------
        ConfigError
            If a lead is unknown, or two names differ in case and blanks only.
        """
        pairs = sorted((_key(name), _checked(name, to)) for name, to in mapping.items())
        repeated = [name for name, _ in pairs if sum(name == n for n, _ in pairs) > 1]
        if repeated:
            raise ConfigError(
                f"the lead name {repeated[0]!r} is given twice; upper and lower case "
                "are the same"
            )
        return cls(tuple(pairs))

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read the mapping from a TOML file, a line for each name.

        Raises
        ------
        ConfigError
            If the file cannot be read, or a lead is unknown.
        """
        content = read_toml(Path(path), "lead names", _EXAMPLE)
        try:
            return cls.of(content)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error

    def meaning(self, name: str) -> LeadMeaning:
        """Return the standard lead that a name means, by this mapping first."""
        return _meanings(self).get(_key(name)) or meaning_of(name)

    def has(self, name: str) -> bool:
        """Return whether this mapping says what a name means."""
        return _key(name) in _meanings(self)

    def to_json(self) -> dict[str, str]:
        """Return the mapping as plain values for JSON."""
        return dict(self.pairs)

    def __str__(self) -> str:
        return ", ".join(f"{name} = {lead}" for name, lead in self.pairs) or "none"

    def __repr__(self) -> str:
        return f"<ecgstore.LeadNames: {self}>"


def as_lead_names(value: object) -> LeadNames:
    """Return lead names from a mapping, or from the path of a TOML file.

    Raises
    ------
    ConfigError
        If it is neither, or not valid.
    """
    if isinstance(value, LeadNames):
        return value
    if isinstance(value, Mapping):
        return LeadNames.of(value)
    if isinstance(value, str | Path):
        return LeadNames.read(value)
    raise ConfigError(
        f"option lead_names is {short_repr(value)}; expected a TOML file with lines "
        f"such as {_EXAMPLE}"
    )


@functools.lru_cache(maxsize=16)
def _meanings(names: LeadNames) -> Mapping[str, LeadMeaning]:
    """Return the meaning of every name of a mapping."""
    return {
        name: LeadMeaning(lead.removeprefix("-"), lead.startswith("-"))
        for name, lead in names.pairs
    }


def _key(name: str) -> str:
    """Return a name as it is compared."""
    return " ".join(name.lower().split())


def _checked(name: str, lead: object) -> str:
    """Return a lead, spelled as in `STANDARD_LEADS`."""
    spelled = {known.lower(): known for known in STANDARD_LEADS}
    if isinstance(lead, str):
        text = lead.strip()
        sign = "-" if text.startswith("-") else ""
        known = spelled.get(text.removeprefix("-").lower())
        if not text or known:
            return f"{sign}{known or ''}"
    raise ConfigError(
        f"the lead name {short_repr(name)} means {short_repr(lead)}; expected one of "
        f"{', '.join(STANDARD_LEADS)}, perhaps with a minus sign, such as {_EXAMPLE}, "
        'or "" for a channel that is not to be used'
    )
