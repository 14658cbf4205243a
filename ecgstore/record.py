"""One ECG in memory, and the names and the order of leads and fiducial marks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from ecgstore.arrays import BoolArray, Float32Array, FloatArray, IntArray

LEADS: Final = (
    "I",
    "II",
    "III",
    "aVR",
    "aVL",
    "aVF",
    "V1",
    "V2",
    "V3",
    "V4",
    "V5",
    "V6",
)
"""The order of the leads in every array of this package."""

N_LEADS: Final = len(LEADS)

FRANK_LEADS: Final = ("X", "Y", "Z")
"""The orthogonal leads of Frank 1956, Circulation 13:737-749."""


MAX_AGE: Final = 150.0
"""Highest age in years that is believed; PTB-XL writes 300 for above 89."""

SEXES: Final = {"m": "male", "male": "male", "f": "female", "female": "female"}
"""Values of `Record.sex` by what headers and tables say, in lower case."""


def lead_rows(leads: Iterable[str]) -> IntArray | slice:
    """Return the rows of some leads in an array of all twelve, in their order.

    Returns
    -------
    ndarray of shape (n_leads,) or slice
        An index; a slice, which copies nothing, for `LEADS` themselves.

    Examples
    --------
    >>> lead_rows(["V2", "I"])
    array([7, 0])
    """
    names = tuple(leads)
    if names == LEADS:
        return slice(None)
    return np.array([LEADS.index(lead) for lead in names])


def print_columns(leads: Sequence[str]) -> list[Sequence[str]]:
    """Return leads as the columns of a print.

    Up to four leads are one column. More have three in a column: those of the twelve
    are the clinical ones.

    Examples
    --------
    >>> print_columns(("I", "II", "III", "V2"))
    [('I', 'II', 'III', 'V2')]
    >>> print_columns(("I", "II", "III", "V1", "V2"))
    [('I', 'II', 'III'), ('V1', 'V2')]
    """
    if len(leads) <= 4:
        return [leads]
    return [leads[begin : begin + 3] for begin in range(0, len(leads), 3)]


def lead_mask(leads: Iterable[str]) -> BoolArray:
    """Return which of `LEADS` are among some leads, of shape (12,).

    Examples
    --------
    >>> lead_mask(["III", "I"])[:4].tolist()
    [True, False, True, False]
    """
    names = set(leads)
    return np.array([lead in names for lead in LEADS])


def without_leads(
    signal: FloatArray | Float32Array,
    leads: Iterable[str],
    of: Sequence[str] = LEADS,
) -> FloatArray:
    """Return a copy of a signal of leads `of` that is NaN in some: those not recorded.

    Stores hold zeros there, which look like a flat line and have a spectrum.
    """
    copy = np.array(signal, np.float64)
    missing = set(leads)
    copy[[lead in missing for lead in of]] = np.nan
    return copy


class Mark(IntEnum):
    """A fiducial mark of one beat in one lead: its index in every array of marks."""

    P_ON = 0
    P_PEAK = 1
    P_OFF = 2
    QRS_ON = 3
    R_PEAK = 4
    QRS_OFF = 5
    T_ON = 6
    T_PEAK = 7
    T_OFF = 8


MARKS: Final = tuple(mark.name.lower() for mark in Mark)
"""Names of the marks, ``"p_on"`` to ``"t_off"``, in the order of `Mark`."""


def person_text(age: float, sex: str) -> str:
    """Return age and sex as text; what is unknown is left out.

    Examples
    --------
    >>> person_text(56.0, "female")
    'female, 56 years'
    >>> person_text(float("nan"), "unknown")
    ''
    """
    known = [] if sex in {"", "unknown"} else [sex]
    if age == age:  # NaN is unknown
        known.append(f"{age:g} years")
    return ", ".join(known)


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Record:
    """One 12-lead recording with its metadata, as read from its files.

    Attributes
    ----------
    record_id : str
        Name of the record, without ``.mat`` or any other extension.
    signal : ndarray of shape (12, n_samples)
        Voltages in mV in the order of `LEADS`; NaN where a sample is missing.
    fs : float
        Sampling rate in Hz, from the header.
    n_samples_original : int
        Samples per lead of the whole recording; `signal` may hold its beginning
        only.
    age : float
        Age in years; NaN where unknown (also where the header says 300 or -1).
    sex : str
        ``"male"``, ``"female"`` or ``"unknown"``.
    dx : tuple of str
        SNOMED CT codes in the header's order, each once.
    checksum_differs : ndarray of shape (12,)
        Whether the header's checksum of a lead disagrees with the signal; False
        where the header has none or only the beginning was read.
    first_value_differs : ndarray of shape (12,)
        Whether the header's first value of a lead disagrees with the signal.
    derived_leads : tuple of str
        Leads that the files do not hold, computed from I and II.
    missing_leads : tuple of str
        Leads without a sample: NaN in `signal`.
    notes : tuple of (str, str)
        Key and value of the header's other comments, such as ``("Chagas label",
        "True")``.
    """

    record_id: str
    signal: FloatArray
    fs: float
    n_samples_original: int
    age: float
    sex: str
    dx: tuple[str, ...]
    checksum_differs: BoolArray
    first_value_differs: BoolArray
    derived_leads: tuple[str, ...] = ()
    missing_leads: tuple[str, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        parts = (
            f"{self.signal.shape[1] / self.fs:g} s at {self.fs:g} Hz",
            person_text(self.age, self.sex),
            f"dx {','.join(self.dx)}" if self.dx else "no dx",
        )
        return (
            f"<ecgstore.Record {self.record_id}: "
            f"{', '.join(part for part in parts if part)}>"
        )
