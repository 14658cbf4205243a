"""Select the twelve standard leads of a record, and their gains in counts per mV."""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.record import LEADS, N_LEADS
from ecgstore.sources.wfdb.header import LeadHeader

_ROWS: Final = {name.lower(): row for row, name in enumerate(LEADS)}

# Micro is U+00B5 or the Greek letter U+03BC. "MV", a million volts, is left out.
_UNITS_PER_MV: Final = {
    "mV": 1.0,
    "mv": 1.0,
    "uV": 1e3,
    "uv": 1e3,
    "\u00b5V": 1e3,
    "\u00b5v": 1e3,
    "\u03bcV": 1e3,
    "\u03bcv": 1e3,
    "V": 1e-3,
    "v": 1e-3,
}

# Counts per mV. With fewer, no heartbeat changes the signal by one count; with more, a
# count is far below the noise of any electrode. WFDB's writer goes far in both
# directions for flat leads.
_MIN_GAIN: Final = 1e-2
_MAX_GAIN: Final = 1e12


class TwelveLeads(NamedTuple):
    """The twelve standard leads of a record, in the order of `LEADS`.

    Attributes
    ----------
    positions : list of int
        Their positions among the leads of the header.
    headers : list of LeadHeader
        Their lines of the header.
    adc_gain : ndarray of shape (12,)
        Counts per mV.
    baseline : ndarray of shape (12,)
        Counts at 0 mV.
    """

    positions: list[int]
    headers: list[LeadHeader]
    adc_gain: FloatArray
    baseline: FloatArray


def twelve_leads(leads: Sequence[LeadHeader], where: str) -> TwelveLeads:
    """Return the twelve standard leads of a record, without any others.

    Parameters
    ----------
    leads : sequence of LeadHeader
        The leads of a record in any order; upper and lower case are the same.
    where : str
        The header's path, for error messages.

    Returns
    -------
    TwelveLeads
        The leads in the order of `LEADS`, with gains per mV.

    Raises
    ------
    RecordError
        If one of the twelve is missing or repeated, has an unknown unit, or an
        impossible gain.
    """
    positions = [-1] * N_LEADS
    for position, lead in enumerate(leads):
        row = _ROWS.get(lead.name.lower())
        if row is None:
            continue
        if positions[row] >= 0:
            raise RecordError(
                Reason.MISSING_LEADS,
                f"{where}: has two leads {LEADS[row]}; expected one of each",
            )
        positions[row] = position
    if -1 in positions:
        missing = [name for name, at in zip(LEADS, positions, strict=True) if at < 0]
        present = [lead.name[:20] for lead in leads[:20]]
        raise RecordError(
            Reason.MISSING_LEADS,
            f"{where}: has no lead {', '.join(missing)}; found {present}",
        )
    headers = [leads[position] for position in positions]
    return TwelveLeads(
        positions,
        headers,
        np.array([_counts_per_mv(lead, where) for lead in headers]),
        np.array([lead.baseline for lead in headers], dtype=np.float64),
    )


def _counts_per_mv(lead: LeadHeader, where: str) -> float:
    """Return the gain of a lead in counts per mV."""
    gain = lead.adc_gain * _UNITS_PER_MV.get(lead.unit, math.nan)
    if _MIN_GAIN <= gain <= _MAX_GAIN:
        return gain
    if lead.unit not in _UNITS_PER_MV:
        raise RecordError(
            Reason.UNKNOWN_UNIT,
            f"{where}: lead {lead.name} is in {lead.unit[:20]!r}; expected mV, uV or V",
        )
    raise RecordError(
        Reason.BAD_GAIN,
        f"{where}: lead {lead.name} has {lead.adc_gain:g} counts per {lead.unit}; "
        f"expected {_MIN_GAIN:g} to {_MAX_GAIN:g} counts per mV",
    )
