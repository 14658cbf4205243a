"""End a build in which no record is selected, and say what was looked at."""

from ecgstore.builder.entry import Status
from ecgstore.builder.journal import Journal
from ecgstore.builder.scan import Folders
from ecgstore.builder.table_use import table_uses
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError, counted, without_place
from ecgstore.label_tables import RecordTables
from ecgstore.sources import describe_unreadable, header_files


def check_any_selected(
    journal: Journal, folders: Folders, config: Config, tables: RecordTables
) -> None:
    """Raise an error if no record is selected, which says what was looked at.

    Raises
    ------
    EcgStoreError
        Naming the folders, a record that cannot be used, or the columns that were read.
    """
    if journal.count(Status.SELECTED):
        return
    where = ", ".join(folders.names)
    if not journal.count():
        raise EcgStoreError(
            f"{where}: no {header_files()} files below; expected records as header and "
            "signal files, at any depth" + _unreadable(journal)
        )
    reasons = journal.count_by("reason", Status.QUARANTINED)
    entry = next(journal.entries(Status.QUARANTINED), None)
    if entry is not None:
        advice = f"such as {entry.path}: {without_place(entry.detail, entry.path)}"
    elif journal.any_dx() or tables.tables:
        looked_at = f"the lines {', '.join(('Dx', *config.label_key))} of headers"
        for use in table_uses(journal.records, tables):
            looked_at += f", {'; '.join([use.sentence, *use.doubts])}"
        advice = (
            f"no header or table has a code of class set {config.classes.name} "
            f"(looked at: {looked_at}); choose other --classes, or --select all"
        )
    elif set(journal.count_by("source", Status.NOT_SELECTED)) <= {
        *config.exclude_sources
    }:
        advice = "all are of excluded sources; choose other --exclude-sources"
    else:
        advice = (
            "no header has a diagnosis code; expected a line such as '#Dx: 426783006', "
            "or --select all to store the records without labels"
        )
    raise EcgStoreError(
        f"{where}: none of {counted(journal.count(), 'record')} can be stored: "
        f"{journal.count(Status.NOT_SELECTED)} not selected"
        + "".join(f", {count} {reason}" for reason, count in reasons.items())
        + f"; {advice}"
        + _unreadable(journal)
    )


def _unreadable(journal: Journal) -> str:
    """Return the end of a sentence about folders that cannot be read; "" if all can."""
    if not journal.count(Status.UNREADABLE):
        return ""
    return f"; {describe_unreadable(journal.unreadable())}"
