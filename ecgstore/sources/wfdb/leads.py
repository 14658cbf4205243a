"""The channels of a WFDB record that are read, and their gains in counts per mV."""

import functools
import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.errors import RecordError
from ecgstore.lead_names import shown_lead, shown_unit
from ecgstore.reasons import Reason
from ecgstore.sources.lead_choice import VOLTS
from ecgstore.sources.wfdb.header import LeadHeader

_UNITS_PER_MV: Final = {
    unit: 1e-3 if unit in "Vv" else 1.0 if unit[0] == "m" else 1e3 for unit in VOLTS
}

# Counts per mV. With fewer, no heartbeat changes the signal by one count; with more, a
# count is far below the noise of any electrode. WFDB's writer goes far in both
# directions for flat leads.
_MIN_GAIN: Final = 1e-2
_MAX_GAIN: Final = 1e12

_USUAL_GAIN: Final = 200.0
"""Counts per mV of channels whose header gives 0, as header(5) proposes."""


class Channels(NamedTuple):
    """The channels of a record that are read.

    Attributes
    ----------
    positions : sequence of int
        Their positions among the leads of the header.
    headers : list of LeadHeader
        Their lines of the header.
    adc_gain : ndarray of shape (n_channels,)
        Counts per mV.
    baseline : ndarray of shape (n_channels,)
        Counts at 0 mV.
    """

    positions: Sequence[int]
    headers: list[LeadHeader]
    adc_gain: FloatArray
    baseline: FloatArray


def scaled_channels(
    leads: Sequence[LeadHeader],
    positions: Sequence[int],
    where: str,
    *,
    any_scale: bool = False,
) -> Channels:
    """Return the channels at some positions, with gains per mV.

    Parameters
    ----------
    leads : sequence of LeadHeader
        All leads of a record.
    positions : sequence of int
        Positions in `leads` of those to read.
    where : str
        The header's path, for error messages.
    any_scale : bool
        Give channels without a gain a usual one.

    Raises
    ------
    RecordError
        If one of them has an unknown unit, or an impossible gain.
    """
    headers = [leads[position] for position in positions]
    if any_scale:
        headers = [_with_usual_gain(lead) for lead in headers]
    scales = tuple([(lead.adc_gain, lead.unit, lead.baseline) for lead in headers])
    adc_gain, baseline, is_possible = _scales(scales)
    if not is_possible:
        for lead, gain in zip(headers, adc_gain.tolist(), strict=True):
            _check_gain(lead, gain, where)
    return Channels(positions, headers, adc_gain, baseline)


def _with_usual_gain(lead: LeadHeader) -> LeadHeader:
    """Return a lead whose header gives no gain with a usual one."""
    return lead if lead.adc_gain else lead._replace(adc_gain=_USUAL_GAIN, unit="mV")


@functools.lru_cache(maxsize=64)
def _scales(
    scales: tuple[tuple[float, str, int], ...],
) -> tuple[FloatArray, FloatArray, bool]:
    """Return counts per mV and at 0 mV, and whether all of the former are possible.

    Nearly all records of a source share them. No one writes into these arrays.
    """
    units = np.array([_UNITS_PER_MV.get(unit, math.nan) for _, unit, _ in scales])
    with np.errstate(over="ignore"):  # infinity is not possible either
        adc_gain = np.array([gain for gain, _, _ in scales]) * units
    baseline = np.array([zero for _, _, zero in scales], dtype=np.float64)
    is_possible = (adc_gain >= _MIN_GAIN) & (adc_gain <= _MAX_GAIN)
    return adc_gain, baseline, bool(is_possible.all())


def _check_gain(lead: LeadHeader, gain: float, where: str) -> None:
    """Raise unless a lead's gain in counts per mV is possible."""
    if _MIN_GAIN <= gain <= _MAX_GAIN:
        return
    if lead.unit not in _UNITS_PER_MV:
        raise RecordError(
            Reason.UNKNOWN_UNIT,
            f"{where}: lead {shown_lead(lead.name)} is in "
            f"{shown_unit(lead.unit)}; expected mV, uV or V",
        )
    raise RecordError(
        Reason.BAD_GAIN,
        f"{where}: lead {shown_lead(lead.name)} has {lead.adc_gain:g} counts per "
        f"{lead.unit}; expected {_MIN_GAIN:g} to {_MAX_GAIN:g} counts per mV",
    )
