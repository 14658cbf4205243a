"""The beats of records on disk and of records in a store."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ecgstore.arrays import FloatArray
from ecgstore.beats.engines import MIN_FS, find_beats
from ecgstore.beats.types import Beats
from ecgstore.chosen_leads import ALMOST_SAME
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError, short_list, short_repr
from ecgstore.lead_names import LeadNames, shown_lead
from ecgstore.signals.gaps import interpolate_gaps
from ecgstore.signals.preprocess import bandpass
from ecgstore.similar_names import did_you_mean
from ecgstore.sources import ecg_channels, open_record
from ecgstore.storage import Store
from ecgstore.storage.format import schema

FILTER_MARGIN_S: Final = 10.0
"""How much before and behind a piece is filtered with it, in s: what lies farther away
changes a sample by less than 1 uV."""


@dataclass(frozen=True, eq=False, slots=True)
class RecordBeats:
    """The beats of one record.

    Attributes
    ----------
    record_id : str
        Name of the record.
    source : str
        Path of its header, or of the store.
    fs : float
        Sampling rate in Hz: samples are counted at it, from the record's beginning.
    n_samples : int
        Samples per lead.
    leads : tuple of str
        Names of the leads as the record has them, in the order of the marks.
    channels : tuple of int
        Position of each lead in the record, counted from 0.
    beats : Beats
        Beats and marks.
    left_out : tuple of str
        Channels of the record that hold no ECG.
    """

    record_id: str
    source: str
    fs: float
    n_samples: int
    leads: tuple[str, ...]
    channels: tuple[int, ...]
    beats: Beats
    left_out: tuple[str, ...] = ()


def beats_of_record(
    header: str | Path,
    *,
    leads: Iterable[str] | None = None,
    lead_names: LeadNames | None = None,
    filter: bool = True,  # noqa: A002  # the word of `features_of`
) -> RecordBeats:
    """Find the beats of a record of any leads and length.

    It is read and filtered in pieces.

    Parameters
    ----------
    header : str or Path
        The record's header.
    leads : iterable of str, optional
        Some of the leads, by the names that the record has, or by those of the standard
        leads that they mean; only they count. All channels that hold an ECG if left
        out.
    lead_names : LeadNames, optional
        What names mean, besides the known spellings.
    filter : bool
        False for a record that was band-pass filtered before.

    Returns
    -------
    RecordBeats
        Beats and marks as samples of the record.

    Raises
    ------
    RecordError
        If the record cannot be read, or holds no ECG.
    EcgStoreError
        If it lacks a lead, a lead is given twice, or its sampling rate is too low.
    """
    from ecgstore.beats.unet.engine import find_beats_read  # loads numba

    meanings = lead_names or LeadNames()
    about, signal = open_record(header, ecg_channels(meanings))
    own = signal.leads
    rows = _rows(own.names, leads, meanings, str(header))
    config = Config()
    fs, n_samples = about.fs, signal.n_samples
    lowest = 2 * config.high_hz if filter else MIN_FS
    if fs < MIN_FS or (filter and fs <= lowest):
        raise EcgStoreError(
            f"{header}: has {fs:g} samples per second; expected more than {lowest:g} "
            f"(--no-filter: {MIN_FS:g})"
        )
    margin = round(FILTER_MARGIN_S * fs) if filter else 0

    def read(begin: int, end: int) -> FloatArray:
        first, last = max(begin - margin, 0), min(end + margin, n_samples)
        voltages = signal.read(first, last)[rows]
        if filter:
            voltages = _filtered(voltages, fs, config)
        return voltages[:, begin - first : end - first]

    beats = find_beats_read(read, n_samples, fs)
    return RecordBeats(
        about.record_id,
        str(header),
        fs,
        n_samples,
        tuple(own.names[row] for row in rows),
        tuple(own.channels[row] for row in rows),
        beats,
        own.left_out,
    )


def _rows(
    names: Sequence[str],
    wanted: Iterable[str] | None,
    meanings: LeadNames,
    where: str,
) -> list[int]:
    """Return the rows of the wanted leads of a record, by its names or their meaning.

    Its own name comes first, then its name in another case, then the standard lead.
    """
    if wanted is None:
        return [*range(len(names))]
    lower = [name.lower() for name in names]
    # A lead with a minus sign is inverted in the signal only if the mapping says so.
    standard = [
        "" if meaning.is_inverted and not meanings.has(name) else meaning.lead
        for name in names
        for meaning in [meanings.meaning(name)]
    ]
    wanted, rows = [*wanted], []
    for name in wanted:
        lead, is_inverted = meanings.meaning(name)
        for known, spelled in (
            (names, name),
            (lower, name.lower()),
            (standard, "" if is_inverted else lead),
        ):
            if spelled and spelled in known:
                rows.append(known.index(spelled))
                break
        else:
            raise EcgStoreError(
                f"{where}: has no lead {short_repr(name)}; "
                f"{did_you_mean(name, names, at_least=ALMOST_SAME)}expected some of "
                f"{short_list(map(shown_lead, names))}"
            )
    if not rows or len(set(rows)) < len(rows):
        raise EcgStoreError(
            f"{where}: leads are {short_repr(wanted)}; {_twice(rows, names)}expected "
            "some of "
            f"{short_list(map(shown_lead, names))}, each once"
        )
    return rows


def _twice(rows: Sequence[int], names: Sequence[str]) -> str:
    """Return which leads are chosen twice, as the beginning of half a sentence."""
    twice = dict.fromkeys(row for row in rows if rows.count(row) > 1)
    return "".join(f"{shown_lead(names[row])} is there twice; " for row in twice)


def _filtered(voltages: FloatArray, fs: float, config: Config) -> FloatArray:
    """Filter a signal as builds do; samples of longer gaps are missing afterwards."""
    missing = np.isnan(interpolate_gaps(voltages, round(config.max_gap_s * fs)))
    whole = interpolate_gaps(voltages, voltages.shape[1])
    whole[np.isnan(whole)] = 0.0  # leads without a sample
    filtered = bandpass(whole, fs, config.low_hz, config.high_hz, config.filter_order)
    filtered[missing] = np.nan
    return filtered


def beats_of_store(
    store: Store,
    record_ids: Iterable[str] | None = None,
    *,
    leads: Iterable[str] | None = None,
) -> Iterator[RecordBeats]:
    """Yield the beats of records in a store, found in the stored signals.

    Parameters
    ----------
    store : Store
        An open store.
    record_ids : iterable of str, optional
        The records; all by default.
    leads : iterable of str, optional
        Some of the store's leads; only they count. All by default.

    Raises
    ------
    ConfigError
        If the store has no such lead, or one is given twice.
    RecordNotFoundError
        If there is no record of a name.
    """
    places = store.lead_numbers(store.leads if leads is None else leads).tolist()
    names = tuple(store.leads[place] for place in places)
    rows = range(len(store))
    chosen = rows if record_ids is None else [store.row(name) for name in record_ids]
    ids = store.column("record_id")
    padding = store.table(f"{schema.QUALITY}/{schema.PAD_LENGTH}")
    for row in chosen:
        n_samples = int(store.n_samples - padding[row])
        signal = store.signals([row])[0, places, :n_samples]
        beats = find_beats(signal, store.config.fs, leads=names)
        yield RecordBeats(
            ids[row],
            store.place,
            store.config.fs,
            n_samples,
            names,
            tuple(places),
            beats,
        )
