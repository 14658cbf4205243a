"""Count what a data set card says, column by column, in little memory.

Signals are not read. Most numbers are of all records; where the quality of leads is
summarised, of `MOST_ROWS` of them, spread evenly over the store.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from ecgstore.arrays import BoolArray, BytesArray, FloatArray, IntArray
from ecgstore.distinct_texts import distinct
from ecgstore.storage import Store
from ecgstore.storage.counts import blocks, column_sums, text_counts
from ecgstore.storage.flags import FLAT, flagged_leads
from ecgstore.storage.format import schema
from ecgstore.storage.summary import summary_of

MOST_ROWS: Final = 20_000
"""Records of which the quality of the leads is summarised."""

AGE_STEP: Final = 10
OLDEST: Final = 90
"""Width in years of a range of ages, and where the last one begins."""

SEXES: Final = ("female", "male")
OTHER_SEX: Final = "other or unknown"

_FLAGS_OF_LEADS: Final = (
    ("flat_fraction", FLAT),
    ("clipped_fraction", 0.0),
    ("missing_fraction", 0.0),
    ("saturated_fraction", 0.0),
)
_INDICES: Final = ("ksqi", "psqi", "bassqi", "einthoven_residual_mv")
_QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What is stored of one source.

    Attributes
    ----------
    name : str
        The source.
    n_records, n_patients, n_unknown : int
        Its records, their known patients, and its records of unknown patients.
    path : str
        File of its first record, relative to the folder of the build.
    rates : Mapping
        Number of records by sampling rate of the files in Hz, as text.
    seconds : tuple of float
        Shortest, median and longest record in s.
    n_longer : int
        Records of which a part is stored.
    class_counts : tuple of int
        Its records of each class.
    """

    name: str
    n_records: int
    n_patients: int
    n_unknown: int
    path: str
    rates: Mapping[str, int]
    seconds: tuple[float, float, float]
    n_longer: int
    class_counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FoldFacts:
    """Number of a fold's records, known patients, records of unknown ones, classes."""

    number: int
    n_records: int
    n_patients: int
    n_unknown: int
    class_counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """The distribution of an index of quality.

    Attributes
    ----------
    name, unit, definition : str
        As in docs/format.md.
    values : ndarray of shape (n_values,)
        Values of the summarised records and leads, without NaN.
    quantiles : tuple of float
        5, 25, 50, 75 and 95 %.
    """

    name: str
    unit: str
    definition: str
    values: FloatArray
    quantiles: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What a data set card says of a store.

    Attributes
    ----------
    summary : dict
        Of `ecgstore.storage.summary.summarise`.
    sources : sequence of SourceFacts
        In alphabetical order.
    folds : sequence of FoldFacts
        In ascending order.
    n_patients, n_unknown : int
        Known patients, and records of unknown ones.
    n_groups, n_divided_groups : int
        Groups of records that must share a fold, and those that do not.
    n_copies : int
        Records whose ECG is also in an earlier record.
    together : ndarray of shape (n_classes, n_classes)
        Records in both classes.
    n_by_classes : tuple of int
        Records in 0, 1, 2 ... classes.
    codes : sequence of (str, int)
        Records of each diagnosis code, the most frequent first.
    ages : Mapping
        By sex, records in each range of `AGE_STEP` years.
    n_without_age : Mapping
        By sex, records without an age.
    age_quantiles : tuple of float
        5, 25, 50, 75 and 95 % of all known ages; NaN if none is known.
    sexes : Mapping
        Records by sex.
    flags_of_leads : Mapping
        By problem, records in which each lead has it.
    indices : sequence of IndexFacts
        The distributions of quality.
    n_summarised : int
        Records of which `indices` are.
    quarantine : Mapping
        By reason and source, records left out.
    reviews : Mapping
        Records by decision of the review; empty if there is none.
    """

    summary: dict[str, Any]
    sources: Sequence[SourceFacts]
    folds: Sequence[FoldFacts]
    n_patients: int
    n_unknown: int
    n_groups: int
    n_divided_groups: int
    n_copies: int
    together: IntArray
    n_by_classes: tuple[int, ...]
    codes: Sequence[tuple[str, int]]
    ages: Mapping[str, tuple[int, ...]]
    n_without_age: Mapping[str, int]
    age_quantiles: tuple[float, ...]
    sexes: Mapping[str, int]
    flags_of_leads: Mapping[str, tuple[int, ...]]
    indices: Sequence[IndexFacts]
    n_summarised: int
    quarantine: Mapping[tuple[str, str], int]
    reviews: Mapping[str, int]


def facts_of(store: Store) -> StoreFacts:
    """Return what a data set card says of a store."""
    patients = _numbers(store.table(f"{schema.RECORDS}/patient_id"))
    together, n_by_classes = _labels_together(store)
    n_groups, n_divided = _divided_groups(store)
    ages, n_without_age, age_quantiles = _ages(store)
    rows = np.linspace(0, len(store) - 1, min(len(store), MOST_ROWS)).astype(np.int64)
    return StoreFacts(
        summary=summary_of(store),
        sources=_sources(store, patients),
        folds=_folds(store, patients),
        n_patients=_n_known(patients),
        n_unknown=int((patients < 0).sum()),
        n_groups=n_groups,
        n_divided_groups=n_divided,
        n_copies=_n_copies(store),
        together=together,
        n_by_classes=n_by_classes,
        codes=_codes(store),
        ages=ages,
        n_without_age=n_without_age,
        age_quantiles=age_quantiles,
        sexes=text_counts(store.table(f"{schema.RECORDS}/sex")),
        flags_of_leads=_flags_of_leads(store),
        indices=_indices(store, rows),
        n_summarised=len(rows),
        quarantine=_quarantine(store),
        reviews=_reviews(store),
    )


def _numbers(texts: BytesArray) -> IntArray:
    """Return a number for each text, -1 for an empty one."""
    first, numbers = distinct(texts)
    is_empty = texts[first] == b""
    return np.where(is_empty[numbers], -1, numbers).astype(np.int64)


def _n_known(patients: IntArray) -> int:
    """Return the number of different patients among some records."""
    return len(np.unique(patients[patients >= 0]))


def _text(value: bytes) -> str:
    """Return a stored text; bytes that are no UTF-8 as escapes."""
    return value.decode(errors="backslashreplace")


def _sources(store: Store, patients: IntArray) -> list[SourceFacts]:
    """Return what is stored of each source."""
    texts = store.table(f"{schema.RECORDS}/source")
    paths = store.table(f"{schema.RECORDS}/path")
    rates = store.table(f"{schema.RECORDS}/fs_original")
    lengths = store.table(f"{schema.RECORDS}/n_samples_original")
    labels = store.table(schema.LABELS)
    first, numbers = distinct(texts)
    by_source = np.argsort(numbers, kind="stable")
    ends = np.cumsum(np.bincount(numbers, minlength=len(first)))
    found = []
    for number, rows in enumerate(np.split(by_source, ends)[: len(first)]):
        of_rates, n_of_rates = np.unique(rates[rows], return_counts=True)
        of_rows = rates[rows]
        seconds = lengths[rows] / np.where(of_rows > 0, of_rows, np.nan)
        found.append(
            SourceFacts(
                name=_text(texts[first[number]]),
                n_records=len(rows),
                n_patients=_n_known(patients[rows]),
                n_unknown=int((patients[rows] < 0).sum()),
                path=_text(paths[rows[0]]),
                rates={
                    f"{rate:g}": n
                    for rate, n in zip(
                        of_rates.tolist(), n_of_rates.tolist(), strict=True
                    )
                },
                seconds=(
                    float(seconds.min()),
                    float(np.median(seconds)),
                    float(seconds.max()),
                ),
                n_longer=int((seconds > store.config.duration_s + 1e-9).sum()),
                class_counts=tuple(column_sums(labels, rows).tolist()),
            )
        )
    return sorted(found, key=lambda source: source.name)


def _folds(store: Store, patients: IntArray) -> list[FoldFacts]:
    """Return what each fold holds."""
    folds, labels = store.table(schema.FOLDS), store.table(schema.LABELS)
    found = []
    for fold in np.unique(folds).tolist():
        rows = np.flatnonzero(folds == fold)
        found.append(
            FoldFacts(
                number=fold,
                n_records=len(rows),
                n_patients=_n_known(patients[rows]),
                n_unknown=int((patients[rows] < 0).sum()),
                class_counts=tuple(column_sums(labels, rows).tolist()),
            )
        )
    return found


def _divided_groups(store: Store) -> tuple[int, int]:
    """Return the number of groups, and of those with records in several folds."""
    if not len(store):
        return 0, 0
    groups, folds = store.groups(), store.table(schema.FOLDS)
    n_groups = int(groups.max()) + 1
    lowest = np.full(n_groups, np.iinfo(folds.dtype).max, folds.dtype)
    highest = np.full(n_groups, np.iinfo(folds.dtype).min, folds.dtype)
    np.minimum.at(lowest, groups, folds)
    np.maximum.at(highest, groups, folds)
    return n_groups, int((lowest < highest).sum())


def _n_copies(store: Store) -> int:
    """Return the number of records whose ECG is also in an earlier one."""
    if schema.SAME_ECG not in store.tables:
        return 0
    return int((store.table(schema.SAME_ECG) != np.arange(len(store))).sum())


def _labels_together(store: Store) -> tuple[IntArray, tuple[int, ...]]:
    """Return the records in each two classes, and those in 0, 1, 2 ... classes."""
    labels = store.table(schema.LABELS)
    n_classes = labels.shape[1]
    together = np.zeros((n_classes, n_classes), np.int64)
    n_by_classes = np.zeros(n_classes + 1, np.int64)
    for rows in blocks(len(store)):
        block = labels[rows].astype(np.float32)  # exact up to 2**24 records
        together += (block.T @ block).astype(np.int64)
        n_by_classes += np.bincount(
            block.sum(axis=1).astype(np.int64), minlength=n_classes + 1
        )
    most = int(np.flatnonzero(n_by_classes)[-1]) if len(store) else 0
    return together, tuple(n_by_classes[: most + 1].tolist())


def _codes(store: Store) -> list[tuple[str, int]]:
    """Return the records of each diagnosis code, the most frequent first."""
    counts: Counter[str] = Counter()
    for text, n in text_counts(store.table(f"{schema.RECORDS}/dx")).items():
        for code in dict.fromkeys(text.split(",")):
            counts[code] += n
    counts.pop("", None)
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _ages(
    store: Store,
) -> tuple[dict[str, tuple[int, ...]], dict[str, int], tuple[float, ...]]:
    """Return the records by sex and age, those without an age, and quantiles."""
    ages = store.table(f"{schema.RECORDS}/age")
    sexes = store.table(f"{schema.RECORDS}/sex")
    is_sex = {sex: sexes == sex.encode() for sex in SEXES}
    is_sex[OTHER_SEX] = ~np.logical_or.reduce([*is_sex.values()])
    n_ranges = OLDEST // AGE_STEP + 1
    is_known = np.isfinite(ages)
    counts, n_without = {}, {}
    for sex, chosen in is_sex.items():
        known = ages[chosen & is_known]
        ranges = np.clip(known // AGE_STEP, 0, n_ranges - 1).astype(np.int64)
        counts[sex] = tuple(np.bincount(ranges, minlength=n_ranges).tolist())
        n_without[sex] = int((chosen & ~is_known).sum())
    return counts, n_without, _quantiles(ages[is_known].astype(float))


def _quantiles(values: FloatArray) -> tuple[float, ...]:
    """Return the quantiles of some values; NaN if there is none."""
    if not len(values):
        return (float("nan"),) * len(_QUANTILES)
    return tuple(np.quantile(values, _QUANTILES).tolist())


def _flags_of_leads(store: Store) -> dict[str, tuple[int, ...]]:
    """Return in how many records each lead has a problem; problems that occur."""
    missing = store.missing_leads
    found = {}
    for name, above in _FLAGS_OF_LEADS:
        counts = np.zeros(store.n_leads, np.int64)
        for _, flagged in flagged_leads(store, name, above):
            counts += flagged.sum(axis=0)
        if counts.any():
            found[name] = tuple(counts.tolist())
    if missing is not None:
        found["missing_leads"] = tuple(missing.sum(axis=0).tolist())
    return found


def _indices(store: Store, rows: IntArray) -> list[IndexFacts]:
    """Return the distribution of each index of quality over some records."""
    missing = store.missing_leads
    found = []
    for dataset in schema.QUALITY_TABLE:
        if dataset.name not in _INDICES or not len(rows):
            continue
        values = store.table(f"{schema.QUALITY}/{dataset.name}")[rows]
        is_real: BoolArray = np.isfinite(values)
        if dataset.per_lead and missing is not None:
            is_real &= ~missing[rows]
        real = values[is_real].astype(float)
        if len(real):
            found.append(
                IndexFacts(
                    dataset.name,
                    dataset.unit,
                    dataset.definition,
                    real,
                    _quantiles(real),
                )
            )
    return found


def _quarantine(store: Store) -> dict[tuple[str, str], int]:
    """Return the records left out by reason and source."""
    reasons = store.table(f"{schema.QUARANTINE}/reason")
    sources = store.table(f"{schema.QUARANTINE}/source")
    if not len(reasons):
        return {}
    first, numbers = distinct(reasons)
    return {
        (_text(reasons[first[number]]), source): n
        for number in range(len(first))
        for source, n in text_counts(sources[numbers == number]).items()
    }


def _reviews(store: Store) -> dict[str, int]:
    """Return the records by decision of the review of labels, if there is one."""
    if "review" not in store.columns:
        return {}
    decisions = Counter(store.column("review").tolist())
    return {str(name): n for name, n in sorted(decisions.items()) if name}
