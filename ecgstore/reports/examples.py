"""Example records of each class, chosen by lot, as pictures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ecgstore.arrays import IntArray
from ecgstore.diagnoses import code_names
from ecgstore.errors import counted
from ecgstore.record import person_text, without_leads
from ecgstore.reports.ecg_svg import ecg_picture
from ecgstore.reports.page import EcgPicture
from ecgstore.storage import Store
from ecgstore.storage.format import schema

SEED: Final = 0
"""Seed of the lots: the same records are drawn from the same store."""

_ROWS_AT_ONCE: Final = 32


@dataclass(frozen=True, slots=True)
class ChosenRecords:
    """Records chosen from a class.

    Attributes
    ----------
    name : str
        The class.
    rows : ndarray of shape (n_chosen,)
        Row numbers, in ascending order.
    n_records, n_groups : int
        Records in the class, and groups of those chosen.
    """

    name: str
    rows: IntArray
    n_records: int
    n_groups: int


def chosen_records(store: Store, n_records: int) -> list[ChosenRecords]:
    """Choose records of each class by lot, of different patients where possible.

    Every record of a class has the same chance, but for those of a patient who is
    chosen already: they come last.

    Parameters
    ----------
    store : Store
        The store.
    n_records : int
        Records of each class, at most.
    """
    labels = store.table(schema.LABELS)
    chosen = []
    for number, name in enumerate(store.label_names):
        rows = np.flatnonzero(labels[:, number])
        drawn = np.random.default_rng([SEED, number]).permutation(rows)
        _, first = np.unique(store.groups(drawn), return_index=True)
        is_first = np.zeros(len(drawn), bool)
        is_first[first] = True
        in_order = np.concatenate([drawn[is_first], drawn[~is_first]])[:n_records]
        chosen.append(
            ChosenRecords(
                name=name,
                rows=np.sort(in_order),
                n_records=len(rows),
                n_groups=min(len(in_order), len(first)),
            )
        )
    return chosen


def pictures(
    store: Store, chosen: Sequence[ChosenRecords]
) -> Iterator[Mapping[int, EcgPicture]]:
    """Yield the pictures of the chosen records by row, some at a time, each row once.

    Parameters
    ----------
    store : Store
        The store.
    chosen : sequence of ChosenRecords
        The records.
    """
    rows = np.unique(np.concatenate([[], *(one.rows for one in chosen)]).astype(int))
    names = code_names(store.config.classes)
    for begin in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[begin : begin + _ROWS_AT_ONCE]
        signals = store.signals(some)
        yield {
            row: _picture(store, row, signal, names)
            for row, signal in zip(some.tolist(), signals, strict=True)
        }


def _picture(
    store: Store, row: int, signal: np.ndarray, names: Mapping[str, str]
) -> EcgPicture:
    """Return the picture of one record."""
    columns = store.columns
    padding = int(columns.read_quality(schema.PAD_LENGTH, np.array([row]))[0])
    missing = str(columns.one("missing_leads", row))
    n_samples = store.n_samples - padding
    codes = str(columns.one("dx", row)).split(",")
    diagnoses = [names.get(code, code) for code in codes if code]
    name = str(columns.one("record_id", row))
    source = str(columns.one("source", row))
    fold = f"fold {int(columns.one('fold', row))}"
    person = person_text(float(columns.one("age", row)), str(columns.one("sex", row)))
    seconds = n_samples / store.fs
    n_beats = int((store.r_peaks([row]) >= 0).sum())
    beats = f", {counted(n_beats, 'beat')}" if store.config.beats != "none" else ""
    without = f", without {missing.replace(',', ', ')}" if missing else ""
    return ecg_picture(
        without_leads(signal, missing.split(","), store.leads),
        store.fs,
        title=name,
        description=(
            f"ECG of record {name} of {source}: {counted(store.n_leads, 'lead')}, "
            f"{seconds:g} s{beats}{without}; {', '.join(diagnoses) or 'no diagnosis'}"
        ),
        lines=(
            f"{', '.join(filter(None, (source, person, fold)))}{beats}{without}",
            ", ".join(diagnoses) or "no diagnosis",
        ),
        leads=store.leads,
        n_samples=n_samples,
    )
