"""The report of a store: a data set card, its Croissant and its Hugging Face card."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ecgstore.reports.card import markdown_card
from ecgstore.reports.croissant import DataFile, croissant, data_files
from ecgstore.reports.examples import chosen_records, pictures
from ecgstore.reports.facts import facts_of
from ecgstore.reports.page import EcgPicture, Report
from ecgstore.reports.published import Publication
from ecgstore.reports.sections.classes import classes
from ecgstore.reports.sections.examples import examples
from ecgstore.reports.sections.folds import folds
from ecgstore.reports.sections.making import making
from ecgstore.reports.sections.overview import origin, overview, summary_sentence
from ecgstore.reports.sections.people import people, recordings
from ecgstore.reports.sections.quality import left_out, quality, review
from ecgstore.storage import Store
from ecgstore.system.progress import Progress

MOST_BYTES_HASHED: Final = 16 * 10**9
"""Size of files whose checksum is computed without being asked for: a minute or two."""

_MOST_PICTURES: Final = 380
"""Pictures in a report, so that it stays below 5 MB."""


@dataclass(frozen=True, slots=True)
class DataSetCard:
    """A data set card in its forms.

    Attributes
    ----------
    report : Report
        The report, to be written as HTML.
    metadata : Mapping
        The Croissant description, which is in the report too.
    markdown : str
        The card for the Hugging Face Hub.
    """

    report: Report
    metadata: Mapping[str, Any]
    markdown: str


def data_set_card(
    store: Store,
    publication: Publication,
    *,
    command: str,
    n_examples: int = 12,
    checksum: bool | None = None,
    quiet: bool = False,
) -> DataSetCard:
    """Return the data set card of a store.

    Columns are read in blocks and counted; signals are read of the examples only.

    Parameters
    ----------
    store : Store
        The store, a collection, or one at a URL.
    publication : Publication
        What the publisher says.
    command : str
        The command that makes the report again.
    n_examples : int
        Records of each class to show, fewer where there are very many classes.
    checksum : bool, optional
        Whether to read the files as a whole for their checksums, which Croissant asks
        for; by default up to `MOST_BYTES_HASHED`, and never of a store at a URL.
    quiet : bool
        Show no progress.
    """
    facts = facts_of(store)
    files = _files(store, checksum, quiet)
    metadata = croissant(store, facts, publication, files)
    n_classes = max(len(store.label_names), 1)
    chosen = chosen_records(store, min(n_examples, max(_MOST_PICTURES // n_classes, 1)))
    report = Report(
        title=publication.name or store.file_name,
        summary=summary_sentence(store, facts),
        sections=[
            overview(store, facts, publication),
            origin(facts, publication),
            classes(store, facts),
            people(facts),
            recordings(store, facts),
            quality(store, facts),
            left_out(facts),
            folds(store, facts),
            *review(facts),
            examples(chosen, _drawn(store, chosen, quiet)),
            making(store, facts, command),
        ],
        metadata=metadata,
    )
    return DataSetCard(report, metadata, markdown_card(report, store, publication))


def _files(store: Store, checksum: bool | None, quiet: bool) -> list[DataFile]:
    """Return the files of a store with their checksums, or none."""
    if store.is_remote:
        return []
    n_bytes = sum(path.stat().st_size for path in store.files)
    if not (n_bytes <= MOST_BYTES_HASHED if checksum is None else checksum):
        return []
    title = "checksum of the file"
    with Progress(title, n_bytes, unit="bytes", keep=False, quiet=quiet) as progress:
        return data_files(store, progress.update)


def _drawn(store: Store, chosen: Any, quiet: bool) -> dict[int, EcgPicture]:
    """Return the pictures of the chosen records by row."""
    n_rows = len({row for one in chosen for row in one.rows.tolist()})
    found: dict[int, EcgPicture] = {}
    with Progress("draw examples", n_rows, keep=False, quiet=quiet) as progress:
        for some in pictures(store, chosen):
            found.update(some)
            progress.update(len(some))
    return found
