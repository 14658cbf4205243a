"""Write the records that a program gives to files, which a build reads twice."""

import math
from collections.abc import Iterable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import unmasked
from ecgstore.errors import EcgStoreError, RecordError, short_repr
from ecgstore.label_tables import GivenColumns
from ecgstore.reasons import Reason
from ecgstore.record import LEADS, Record
from ecgstore.sources.spooled import SUFFIX, SpooledHeader, write_spooled

_IN_FOLDER: Final = 1000
"""Files in one folder: file systems are slow with a million."""

_LONGEST_NAME: Final = 200
"""Characters of the name of a record."""

_MOST_LEADS: Final = 1000

_OF_ODD_VALUES: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""Errors of converting a value that is of another type than it should."""

_FIELDS: Final = ("record_id", "signal", "fs", "leads", "columns")
_N_NEEDED: Final = 3

_EXPECTED: Final = "an ecgstore.Record or (record_id, signal, fs, leads, columns)"


@dataclass(frozen=True, slots=True)
class _Given:
    """A record as a program gives it, unchecked."""

    header: SpooledHeader
    signal: Any
    columns: object


class Spool:
    """A folder of records that a program gave, beside the store that is built.

    Parameters
    ----------
    folder : Path
        The folder, which exists.
    source : str
        Name of the database that the records are from.
    mv_per_unit : float
        Millivolts of one unit of the signals that are no `Record`.
    columns : GivenColumns
        Gets the columns of the records.

    Attributes
    ----------
    n_records : int
        Number of records written.
    """

    def __init__(
        self, folder: Path, source: str, mv_per_unit: float, columns: GivenColumns
    ) -> None:
        self._folder = folder
        self._source = source
        self._mv_per_unit = mv_per_unit
        self._columns = columns
        self._hashes: set[int] = set()  # of names, which take less memory
        self.n_records = 0

    def add(self, item: object) -> None:
        """Write one record.

        What makes a record unusable, such as a signal of another shape, is written in
        place of it, so that the build puts the record into quarantine.

        Raises
        ------
        EcgStoreError
            If it is not what a record can be, or a column is not understood; the
            message names the record.
        """
        number = self.n_records
        given = _given(item, number)
        group = f"{number // _IN_FOLDER:07d}"
        path = f"{self._source}/{group}/{number:010d}{SUFFIX}"
        record_id = given.header.record_id
        self._columns.add(path, record_id, given.columns)
        is_record = isinstance(item, Record)
        try:
            self._check_new(record_id)
            header, signal = _checked(given, 1.0 if is_record else self._mv_per_unit)
        except RecordError as error:
            header, signal = _unusable(given.header, error), None
        target = self._folder / path
        if number % _IN_FOLDER == 0:
            target.parent.mkdir(parents=True)
        write_spooled(target, header, signal)
        self.n_records += 1

    def _check_new(self, record_id: str) -> None:
        """Refuse a record whose name an earlier one has."""
        name = hash(record_id)
        if name in self._hashes:
            raise RecordError(
                Reason.DUPLICATE_RECORD_ID,
                f"record {record_id}: an earlier record has this name; expected a "
                "record_id of its own for each",
            )
        self._hashes.add(name)


def _given(item: object, number: int) -> _Given:
    """Return what an item of the iterable says."""
    if isinstance(item, Record):
        try:
            given = _of_record(item)
        except _OF_ODD_VALUES as error:
            raise EcgStoreError(
                f"item {number} is an ecgstore.Record with a field that is not of its "
                f"type ({type(error).__name__}); expected values as those that "
                "ecgstore.sources.read_record returns"
            ) from error
        _check_name(given.header.record_id, number)
        return given
    if not (isinstance(item, tuple | list) and _N_NEEDED <= len(item) <= len(_FIELDS)):
        what = type(item).__name__
        if isinstance(item, tuple | list):
            what += f" of {len(item)}"
        raise EcgStoreError(f"item {number} is a {what}; expected {_EXPECTED}")
    values: dict[str, Any] = dict(zip(_FIELDS, item, strict=False))
    record_id = values["record_id"]
    if isinstance(record_id, int | np.integer) and not isinstance(record_id, bool):
        with suppress(ValueError):  # Python refuses to print thousands of digits
            record_id = str(record_id)
    _check_name(record_id, number)
    leads, columns = values.get("leads"), values.get("columns")
    header = SpooledHeader(
        record_id=record_id,
        fs=_rate(values["fs"]),
        channels=_lead_names(record_id, LEADS if leads is None else leads),
    )
    return _Given(header, values["signal"], {} if columns is None else columns)


def _of_record(record: Record) -> _Given:
    """Return a `Record`, without the leads that it lacks or that were derived."""
    kept = [
        at
        for at, lead in enumerate(LEADS)
        if lead not in record.missing_leads and lead not in record.derived_leads
    ]
    header = SpooledHeader(
        record_id=record.record_id,
        fs=float(record.fs),
        channels=tuple(LEADS[at] for at in kept),
        age=float(record.age),
        sex=record.sex,
        dx=tuple(record.dx),
        notes=tuple((key, value) for key, value in record.notes),
        checksum_differs=tuple(bool(record.checksum_differs[at]) for at in kept),
        first_value_differs=tuple(bool(record.first_value_differs[at]) for at in kept),
    )
    signal = unmasked(record.signal)
    has_all = signal.ndim and len(signal) == len(LEADS)
    return _Given(header, signal[kept] if has_all else signal, {})


def _check_name(value: object, number: int) -> None:
    """Refuse what cannot be the name of a record."""
    if not (
        isinstance(value, str)
        and 0 < len(value) <= _LONGEST_NAME
        and value.isprintable()  # which surrogates are not
        and value == value.strip()
    ):
        raise EcgStoreError(
            f"item {number} has the record_id {short_repr(value)}; expected a "
            f"printable text of 1 to {_LONGEST_NAME} characters, or a whole number"
        )


def _rate(value: Any) -> float:
    """Return a sampling rate; NaN, which no build accepts, if it is no number."""
    try:
        return float(value)
    except _OF_ODD_VALUES:
        return math.nan


def _lead_names(record_id: str, leads: Any) -> tuple[str, ...]:
    """Return the names of the leads of a record."""
    names: tuple[Any, ...] = ()
    if isinstance(leads, Iterable) and not isinstance(leads, str | Mapping | Set):
        names = tuple(islice(leads, _MOST_LEADS + 1))
    if not 0 < len(names) <= _MOST_LEADS or not all(map(_is_lead, names)):
        raise EcgStoreError(
            f"record {record_id} has the leads {short_repr(leads)}; expected a list of "
            f"names, one for each row of the signal: at most {_MOST_LEADS} with at "
            f"most {_LONGEST_NAME} characters"
        )
    return tuple(map(str, names))


def _is_lead(name: object) -> bool:
    """Return whether a value can be the name of a lead."""
    return isinstance(name, str) and len(name) <= _LONGEST_NAME


def _checked(
    given: _Given, mv_per_unit: float
) -> tuple[SpooledHeader, NDArray[np.floating[Any]]]:
    """Return header and signal of a record; raise if that signal is unusable."""
    header = given.header
    where = f"record {header.record_id}"
    try:
        signal = unmasked(given.signal)
    except _OF_ODD_VALUES:  # such as rows of different lengths
        signal = np.empty(0, object)
    n_channels = len(header.channels)
    if signal.ndim != 2 or len(signal) != n_channels or signal.shape[1] == 0:
        advice = " (transpose it?)" if signal.shape[1:] == (n_channels,) else ""
        raise RecordError(
            Reason.WRONG_SIGNAL_SIZE,
            f"{where}: its signal is of shape {signal.shape}{advice}; expected "
            f"({n_channels}, n_samples), a row for each lead",
        )
    if signal.dtype.kind not in "iuf":
        raise RecordError(
            Reason.UNREADABLE_SIGNAL,
            f"{where}: its signal is of type {signal.dtype}; expected numbers",
        )
    is_float32 = signal.dtype == np.float32 and mv_per_unit == 1.0
    dtype = np.dtype("<f4" if is_float32 else "<f8")
    values = signal.astype(dtype, copy=False)
    if mv_per_unit != 1.0:
        values = values * mv_per_unit
    written = replace(header, n_samples=values.shape[1], dtype=dtype.str)
    return written, values


def _unusable(header: SpooledHeader, error: RecordError) -> SpooledHeader:
    """Return the header that stands for a record that cannot be used."""
    return replace(header, channels=(), reason=str(error.reason), problem=error.detail)
