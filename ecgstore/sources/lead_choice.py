"""Choose the channels of a record that are read, and the leads made of them.

Every format passes a record's channels to a `ChooseLeads`, reads those that it chooses,
and makes the leads of them with `ecgstore.sources.chosen_signal`.
"""

import functools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from ecgstore.config import Config
from ecgstore.errors import RecordError, short_list
from ecgstore.lead_names import LeadNames, shown_lead
from ecgstore.reasons import Reason
from ecgstore.record import LEADS

Recipe = tuple[tuple[int, float], ...]
"""A lead as a sum: (number of a channel among those read, factor)."""

_DERIVED: Final[Mapping[str, tuple[float, float]]] = {
    "III": (-1.0, 1.0),
    "aVR": (-0.5, -0.5),
    "aVL": (1.0, -0.5),
    "aVF": (-0.5, 1.0),
}
"""Factors of I and II, by the laws of Einthoven and Goldberger."""

VOLTS: Final = frozenset(
    # Micro is U+00B5 or the Greek letter U+03BC. "MV", a million volts, is left out.
    ("mV", "mv", "uV", "uv", "\u00b5V", "\u00b5v", "\u03bcV", "\u03bcv", "V", "v")
)
"""Spellings of the units of voltages that are understood."""

_PER_MV: Final = {"m": 1.0, "V": 1e-3, "v": 1e-3}
"""How many of a unit are a millivolt, by its first letter; of the others, 1000."""

_NO_ECG: Final = re.compile(
    r"(?:resp\w*|press\w*|pleth\w*|acc\w*|gyro\w*|temp\w*|marker|trigger|events?|"
    r"n?i?bp|abp\w*|art|pap|cvp|icp|ppg|spo2|sao2|etco2|co2|airflow|flow|snore|"
    r"eeg|emg|eog|eda|gsr|scg|pcg|bcg|impedance)\d*"
)
"""Words in the names of channels that hold something else than an ECG."""


def per_mv(unit: str) -> float:
    """Return how many of a unit are a millivolt; NaN if it is none of volts.

    Examples
    --------
    >>> [per_mv(unit) for unit in ("mV", "uV", "V", "mmHg")]
    [1.0, 1000.0, 0.001, nan]
    """
    return _PER_MV.get(unit[0], 1e3) if unit in VOLTS else math.nan


class Channel(Protocol):
    """A channel of a record, as its format describes it."""

    @property
    def name(self) -> str:
        """Name of the lead as written."""

    @property
    def unit(self) -> str:
        """Unit as written, such as ``"mV"``."""


class ChosenLeads(NamedTuple):
    """The leads of a record's signal, and the channels that they are made of.

    Attributes
    ----------
    names : tuple of str
        Names of the leads, in the order of the signal's rows.
    channels : tuple of int
        Positions of the channels that are read among all of the record, each once.
    recipes : tuple of Recipe or None
        How each lead is made of the channels read; an empty one for a lead that is
        missing. None if the leads are these channels, one by one.
    derived, missing : tuple of str
        Leads that were computed from others, and leads without a sample.
    left_out : tuple of str
        Channels that hold no ECG.
    any_scale : bool
        Whether channels without a known gain may be read, with a usual one.
    """

    names: tuple[str, ...]
    channels: tuple[int, ...]
    recipes: tuple[Recipe, ...] | None = None
    derived: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    any_scale: bool = False


ChooseLeads = Callable[[Sequence[Channel], str], ChosenLeads]
"""A function of all channels of a record, and of its path for errors. It raises
`RecordError` with `Reason.MISSING_LEADS`."""


def twelve_leads(
    lead_names: LeadNames | None = None,
    *,
    allow_missing: bool = False,
    only: Sequence[str] = LEADS,
) -> ChooseLeads:
    """Return the choice of the twelve standard leads, in the order of `LEADS`.

    III, aVR, aVL and aVF are derived from I and II where a record lacks them.

    Parameters
    ----------
    lead_names : LeadNames, optional
        What names mean, besides the known spellings.
    allow_missing : bool
        Accept records that have some of the leads only; the others are NaN.
    only : sequence of str
        Some of the twelve: the others are NaN, whether a record has them or not, and
        channels that none of these needs are not looked at.
    """
    return functools.partial(
        _twelve, lead_names or LeadNames(), allow_missing, tuple(only)
    )


def leads_of_build(config: Config) -> ChooseLeads:
    """Return the choice of leads by the options of a build."""
    return twelve_leads(
        config.lead_names, allow_missing=config.allow_missing_leads, only=config.leads
    )


def ecg_channels(lead_names: LeadNames | None = None) -> ChooseLeads:
    """Return the choice of all channels that hold an ECG, with their own names.

    Channels in other units than volts, and those named after other signals, are left
    out. Of channels with the same name, the later ones get a number. They need not be
    calibrated: the scale of a lead does not matter where beats are found.

    Parameters
    ----------
    lead_names : LeadNames, optional
        Names of channels that are used, or not, whatever their name says.
    """
    return functools.partial(_ecg, lead_names or LeadNames())


def _twelve(
    lead_names: LeadNames,
    allow_missing: bool,
    only: tuple[str, ...],
    channels: Sequence[Channel],
    where: str,
) -> ChosenLeads:
    """Return the twelve leads; the units are checked when a record is scaled."""
    names = tuple([channel.name for channel in channels])
    chosen = _twelve_or_problem(lead_names, allow_missing, only, names)
    if isinstance(chosen, str):
        raise RecordError(Reason.MISSING_LEADS, f"{where}: {chosen}")
    return chosen


@functools.lru_cache(maxsize=256)
def _twelve_or_problem(
    lead_names: LeadNames,
    allow_missing: bool,
    only: tuple[str, ...],
    names: tuple[str, ...],
) -> ChosenLeads | str:
    """Return the twelve leads, or why not; most records have the same names."""
    found: dict[str, tuple[int, float]] = {}
    inverted: dict[str, str] = {}
    twice: list[str] = []
    for position, name in enumerate(names):
        lead, is_inverted = lead_names.meaning(name)
        if lead not in LEADS:
            continue
        if is_inverted and not lead_names.has(name):
            inverted[lead] = name
        elif lead in found:
            twice.append(lead)
        else:
            found[lead] = position, -1.0 if is_inverted else 1.0
    for lead in twice:
        if lead in only:
            return f"has two leads {lead}; expected one of each"
    for lead, name in inverted.items():
        if lead in only and lead not in found:
            return (
                f"has no lead {lead} but {name[:20]!r}, which may be inverted; a file "
                f'of --lead-names can say so: "{name[:20]}" = "-{lead}"'
            )
    derived: tuple[str, ...] = ()
    if {"I", "II"} <= found.keys() - {*twice}:
        derived = tuple(lead for lead in _DERIVED if lead in only and lead not in found)
    made = {*found, *derived}.intersection(only)
    lacking = [lead for lead in only if lead not in made]
    if lacking and not (allow_missing and made):
        present = short_list(map(shown_lead, names))
        return (
            f"has no lead {', '.join(lacking)}; found {present} (--lead-names says "
            "what other names mean, --allow-missing-leads keeps such records)"
        )
    used = made.union(("I", "II") if derived else ())
    channels = tuple(found[lead][0] for lead in LEADS if lead in found and lead in used)
    signs = {
        lead: (channels.index(at), sign)
        for lead, (at, sign) in found.items()
        if lead in used
    }
    recipes = [
        _recipe(lead, signs, lead in derived) if lead in made else () for lead in LEADS
    ]
    missing = tuple(lead for lead in LEADS if lead not in made)
    return ChosenLeads(LEADS, channels, _unless_plain(recipes), derived, missing)


def _recipe(
    lead: str, signs: Mapping[str, tuple[int, float]], is_derived: bool
) -> Recipe:
    """Return how a lead is made of the channels read, by their number and sign."""
    factors = {lead: 1.0}
    if is_derived:
        factors = dict(zip(("I", "II"), _DERIVED[lead], strict=True))
    return tuple(
        (signs[name][0], factor * signs[name][1]) for name, factor in factors.items()
    )


def _unless_plain(recipes: list[Recipe]) -> tuple[Recipe, ...] | None:
    """Return recipes; None if each lead is the channel of its number."""
    plain = [((row, 1.0),) for row in range(len(recipes))]
    return None if recipes == plain else tuple(recipes)


def _ecg(lead_names: LeadNames, channels: Sequence[Channel], where: str) -> ChosenLeads:
    """Return all channels that hold an ECG."""
    used: dict[str, int] = {}
    left_out: list[str] = []
    recipes: list[Recipe] = []
    for position, channel in enumerate(channels):
        name = channel.name.strip() or f"channel {position}"
        if _holds_ecg(lead_names, channel):
            is_inverted = lead_names.has(name) and lead_names.meaning(name).is_inverted
            recipes.append(((len(used), -1.0 if is_inverted else 1.0),))
            used[_different(name, used)] = position
        else:
            known = channel.unit in VOLTS
            left_out.append(name if known else f"{name} [{channel.unit}]")
    if not used:
        raise RecordError(
            Reason.MISSING_LEADS,
            f"{where}: has no channel with an ECG in mV, uV or V; found "
            f"{short_list(map(shown_lead, left_out))}",
        )
    return ChosenLeads(
        tuple(used),
        tuple(used.values()),
        _unless_plain(recipes),
        left_out=tuple(left_out),
        any_scale=True,
    )


def _different(name: str, others: Mapping[str, int]) -> str:
    """Return a name with the first number that makes it different from others."""
    number, numbered = 1, name
    while numbered in others:
        number += 1
        numbered = f"{name} ({number})"
    return numbered


def _holds_ecg(lead_names: LeadNames, channel: Channel) -> bool:
    """Return whether a channel holds an ECG, by its name and its unit."""
    if lead_names.has(channel.name):
        return bool(lead_names.meaning(channel.name).lead)
    if channel.unit not in VOLTS:
        return False
    words = re.split(r"[\W_]+", channel.name.lower())
    return not any(map(_NO_ECG.fullmatch, words))
