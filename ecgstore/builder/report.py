"""Count the results of a scan, for messages and for JSON."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any, Final

from ecgstore.builder.entry import Status
from ecgstore.builder.journal import Journal
from ecgstore.builder.not_understood import most_frequent_first
from ecgstore.builder.rows import all_left_out, seconds_left_out
from ecgstore.builder.table_use import table_uses
from ecgstore.config import Config
from ecgstore.diagnoses import code_names, shown_dx
from ecgstore.errors import counted, short_list
from ecgstore.label_tables import RecordTables
from ecgstore.sources import describe_unreadable

_MOST_WORDS: Final = 10_000
"""Different unknown words that are counted; the others are counted as one."""

_OTHER_WORDS: Final = "[other words]"


@dataclass(frozen=True, slots=True)
class ScanReport:
    """Numbers of the records found on disk.

    Attributes
    ----------
    n_found : int
        Number of records: headers that are not parts of another record.
    n_selected : int
        Records selected and usable.
    n_not_selected : int
        Records without a code of the class set, or of an excluded source.
    n_quarantined : int
        Selected records that cannot be used.
    n_copies : int
        Selected records left out because another file of the same ECG is stored: PTB-XL
        at its other sampling rate or in the Challenge's form.
    n_derived_leads, n_missing_leads : int
        Usable records with leads that were derived from I and II, and with leads that
        are missing.
    n_rows : int
        Rows of the store: usable records, or their windows.
    n_reused : int
        Rows whose beats and features this call copied from an older store; those that
        a stopped build had filled before are not counted.
    n_windows_left_out : int
        Windows of usable records that cannot be used.
    n_cut : int
        Usable records of which a part is not stored, because they are longer than a
        row, or than their windows.
    cut_s : float
        Length of these parts in s.
    n_unreadable_paths : int
        Folders, and links that lead nowhere, that cannot be read.
    reasons : dict
        Records in quarantine by reason.
    sources : dict
        Usable records by source.
    unknown_patients : dict
        Usable records without a known patient by source; none of the sources without.
    classes : dict
        Usable records by class; a record can be in several.
    unknown_codes : dict
        Records found by code, for codes in no table of codes and not in the class set.
    unknown_words : dict
        Records found by text, for texts among the diagnoses that are not understood;
        those that may hold a name are counted by their place.
    left_out : list of dict
        Path, reason and detail of every record, and of every window of a usable
        record, in quarantine.
    same_ecg : list of list of str
        Names of the usable records that hold the same ECG, though perhaps at another
        rate, scale or length, or that are read from a common signal file; they share a
        fold. One list for each such ECG.
    tables : list of dict
        For every table of labels and patients, what is read of it and how many of its
        rows and of the records were found: the attributes of `TableUse`.
    warnings : list of str
        Problems of the data that do not stop the build.
    """

    n_found: int
    n_selected: int
    n_not_selected: int
    n_quarantined: int
    n_copies: int
    n_derived_leads: int
    n_missing_leads: int
    n_rows: int
    n_reused: int
    n_windows_left_out: int
    n_cut: int
    cut_s: float
    n_unreadable_paths: int
    reasons: dict[str, int]
    sources: dict[str, int]
    unknown_patients: dict[str, int]
    classes: dict[str, int]
    unknown_codes: dict[str, int]
    unknown_words: dict[str, int]
    left_out: list[dict[str, str]]
    same_ecg: list[list[str]]
    tables: list[dict[str, Any]]
    warnings: list[str]

    def to_json(self) -> dict[str, Any]:
        """Return the counts as plain values."""
        return asdict(self)


def make_report(
    journal: Journal,
    config: Config,
    tables: RecordTables,
    n_reused: int = 0,
    more_warnings: Sequence[str] = (),
) -> ScanReport:
    """Count the entries of a journal.

    Parameters
    ----------
    journal : Journal
        A finished scan.
    config : Config
        Options of the build.
    tables : RecordTables
        The tables of the build.
    n_reused : int
        Rows that were copied from an older store.
    more_warnings : sequence of str
        Problems that the journal does not know.
    """
    classes: Counter[str] = Counter(dict.fromkeys(config.classes.names, 0))
    unknown: Counter[str] = Counter()
    unknown_patients: Counter[str] = Counter()
    known = code_names(config.classes)
    for entry in journal.records():
        described = tables.describe(entry)
        codes = described.dx
        unknown.update(code for code in codes if code not in known)
        if entry.status == Status.SELECTED:
            unknown_patients[entry.source] += not described.patient_id
            for name, label in zip(
                config.classes.names, config.classes.label(codes), strict=True
            ):
                classes[name] += int(label)
    lengths = (
        seconds_left_out(entry, config) for entry in journal.entries(Status.SELECTED)
    )
    cut = [seconds for seconds in lengths if seconds > 0]
    uses = table_uses(journal.records, tables)
    sources = journal.count_by("source", Status.SELECTED)
    return ScanReport(
        n_found=journal.count(),
        n_selected=journal.count(Status.SELECTED),
        n_not_selected=journal.count(Status.NOT_SELECTED),
        n_quarantined=journal.count(Status.QUARANTINED),
        n_copies=journal.count(Status.COPY),
        n_derived_leads=journal.count_with("derived_leads"),
        n_missing_leads=journal.count_with("missing_leads"),
        n_rows=journal.n_rows(),
        n_reused=n_reused,
        n_windows_left_out=journal.n_windows_left_out(),
        n_cut=len(cut),
        cut_s=round(sum(cut), 3),
        n_unreadable_paths=journal.count(Status.UNREADABLE),
        reasons=dict(journal.count_by("reason", Status.QUARANTINED)),
        sources=dict(sources),
        unknown_patients=dict(sorted((+unknown_patients).items())),
        classes=dict(classes),
        unknown_codes=most_frequent_first(unknown),
        unknown_words=_unknown_words(journal, tables),
        left_out=[
            {"path": one.path, "reason": one.reason, "detail": one.detail}
            for one in all_left_out(journal)
        ],
        same_ecg=journal.same_ecg(),
        tables=[use.to_json() for use in uses],
        warnings=[
            *(warning for use in uses for warning in use.warnings(config.limit)),
            *_warnings(journal, config, unknown_patients["ptb-xl"]),
            # With a limit, most records are not looked at.
            *([] if config.limit else _class_warnings(classes)),
            *more_warnings,
        ],
    )


def _unknown_words(journal: Journal, tables: RecordTables) -> dict[str, int]:
    """Return the number of records by text that is no diagnosis ecgstore knows."""
    words: Counter[str] = Counter()
    of_headers = ((texts.split("\n"), "headers") for texts in journal.unknown_dx())
    of_tables = (
        (row.unknown, table.path) for table in tables.tables for row in table.rows
    )
    for unknown, where in chain(of_headers, of_tables):
        texts = {shown_dx(text, where) for text in unknown}
        is_full = len(words) >= _MOST_WORDS
        words.update(
            {_OTHER_WORDS if is_full and text not in words else text for text in texts}
        )
    return most_frequent_first(words)


def _warnings(journal: Journal, config: Config, n_unknown_of_ptb_xl: int) -> list[str]:
    """Return problems of the data that do not stop the build, one sentence each."""
    warnings = []
    if journal.count(Status.UNREADABLE):
        warnings.append(describe_unreadable(journal.unreadable()))
    if n_unknown_of_ptb_xl:
        warnings.append(
            f"some patients have several of the {n_unknown_of_ptb_xl} ptb-xl records "
            "without a known patient: folds may share patients (--patients "
            "ptbxl_database.csv)"
        )
    if journal.n_moved_folds:
        warnings.append(
            f"column {config.folds_from} would separate a patient or an ECG: "
            f"{counted(journal.n_moved_folds, 'record')} moved to another fold"
        )
    sources = {
        source
        for status in (Status.SELECTED, Status.NOT_SELECTED)
        for source in journal.count_by("source", status)
    }
    missing = set(config.exclude_sources) - sources
    if missing:
        warnings.append(
            f"no record is from the excluded {short_list(sorted(missing))}; the "
            f"sources are {short_list(sorted(sources))}"
        )
    return warnings


def _class_warnings(n_of_class: Mapping[str, int]) -> list[str]:
    """Return a warning of classes without a record, which no network can learn."""
    empty = [name for name, number in n_of_class.items() if not number]
    if not empty or len(empty) == len(n_of_class):  # an empty build says so itself
        return []
    return [
        f"no record has class {', '.join(empty)}: no network can learn it, and macro "
        "averages leave it out (--classes sets the classes)"
    ]
