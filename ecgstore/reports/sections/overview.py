"""What a data set is, from where it is, and under which licences."""

from ecgstore.errors import counted
from ecgstore.reports.facts import SourceFacts, StoreFacts
from ecgstore.reports.page import (
    MOST_ROWS,
    Block,
    Cell,
    Facts,
    Link,
    Paragraph,
    Section,
    Table,
)
from ecgstore.reports.published import DATABASES, UNKNOWN, Publication, licence_of
from ecgstore.sources.spooled import SUFFIX as SPOOLED
from ecgstore.storage import Store


def summary_sentence(store: Store, facts: StoreFacts) -> str:
    """Return what a store holds, in a sentence."""
    unknown = (
        f" and {counted(facts.n_unknown, 'record')} of unknown patients"
        if facts.n_unknown
        else ""
    )
    n_classes = len(store.label_names)
    return (
        f"{counted(len(store), 'ECG record')} of {store.config.duration_s:g} s in "
        f"{counted(store.n_leads, 'lead')} at {store.fs:g} Hz, from "
        f"{counted(len(facts.sources), 'source')}, of "
        f"{counted(facts.n_patients, 'known patient')}{unknown}, labelled with "
        f"{n_classes} {'class' if n_classes == 1 else 'classes'}."
    )


def size_text(n_bytes: int) -> str:
    """Return a size in MB or GB.

    Examples
    --------
    >>> size_text(80_227_328), size_text(5_200_000_000)
    ('80.2 MB', '5.20 GB')
    """
    if n_bytes < 10**9:
        return f"{n_bytes / 1e6:,.1f} MB"
    return f"{n_bytes / 1e9:,.2f} GB"


def licence_texts(facts: StoreFacts) -> list[str]:
    """Return the licences of the sources, each once; "unknown" for unknown ones."""
    found = [licence_of(source.name) for source in facts.sources]
    return sorted(dict.fromkeys(found), key=lambda text: (text == UNKNOWN, text))


def listed_sources(facts: StoreFacts) -> list[SourceFacts]:
    """Return the sources by name; if a table cannot show all, the largest first."""
    if len(facts.sources) <= MOST_ROWS:
        return list(facts.sources)
    return sorted(facts.sources, key=lambda source: (-source.n_records, source.name))


def overview(store: Store, facts: StoreFacts, publication: Publication) -> Section:
    """Return what the data set is."""
    summary = facts.summary
    n_parts = len(summary["parts"])
    config = store.config
    items: list[tuple[str, Cell]] = [
        ("records", len(store)),
        ("known patients", facts.n_patients),
        ("records of unknown patients", facts.n_unknown),
        ("leads", ", ".join(store.leads)),
        ("sampling rate", f"{store.fs:g} Hz"),
        ("length of each record", f"{config.duration_s:g} s"),
        ("filter", f"band-pass {config.low_hz:g}-{config.high_hz:g} Hz"),
        ("stored as", f"{store.dtype} ({store.scale_factor:g} mV a count)"),
        ("classes", f"{len(store.label_names)} ({config.classes.name})"),
        ("handcrafted features", len(store.feature_names)),
        ("beats and waves", config.beats),
        ("size of the file", size_text(summary["size_bytes"])),
    ]
    if n_parts:
        items.append(("a collection of", counted(n_parts, "store")))
    if store.target_names:
        items.append(("targets", ", ".join(store.target_names)))
    blocks: list[Block] = []
    if publication.description:
        blocks.append(Paragraph(publication.description))
    blocks.append(Facts(items))
    said: list[tuple[str, Cell]] = [
        ("licence of the data set", publication.licence or "not stated"),
    ]
    if publication.url:
        said.append(("published at", Link(publication.url, publication.url)))
    if publication.date:
        said.append(("date of publication", publication.date))
    if publication.citation:
        said.append(("to cite it", publication.citation))
    said.append(("fingerprint of the content", store.fingerprint))
    blocks.append(Facts(said))
    if summary["labels_beside"]:
        blocks.append(
            Paragraph(
                "The labels are those of a file beside the store, written by ecgstore "
                "label, and not those that it was built with."
            )
        )
    return Section("What it is", blocks)


def origin(facts: StoreFacts, publication: Publication) -> Section:
    """Return from where the records are, and under which licences."""
    rows: list[list[Cell]] = [
        [
            source.name,
            source.n_records,
            source.n_patients,
            source.n_unknown,
            _first_file(source),
        ]
        for source in listed_sources(facts)
    ]
    blocks: list[Block] = [
        Table(
            "Records by source",
            [
                "source",
                "records",
                "known patients",
                "records of unknown patients",
                "first file",
            ],
            rows,
            "A patient whose records are in several sources counts in each.",
        ),
        Table(
            "Licences of the sources, as their publishers state them",
            ["source", "database", "licence", "stated for", "published at"],
            [_licence_row(source) for source in listed_sources(facts)],
            "The source is recognised by the names of folders and records: whether "
            "the files are those of the publication was not checked. Where ecgstore "
            "knows no licence, ask the publisher, or who gave you the records.",
        ),
    ]
    if not publication.licence:
        blocks.append(
            Paragraph(
                "The licence of this data set as a whole is not stated. It cannot be "
                "freer than the licences of its sources allow."
            )
        )
    citations = dict.fromkeys(
        DATABASES[source.name].citation
        for source in facts.sources
        if source.name in DATABASES
    )
    if citations:
        blocks.append(
            Table(
                "What the publishers ask to cite",
                ["sources", "citation"],
                [
                    [
                        ", ".join(
                            source.name
                            for source in facts.sources
                            if source.name in DATABASES
                            and DATABASES[source.name].citation == citation
                        ),
                        citation,
                    ]
                    for citation in citations
                ],
            )
        )
    return Section("Where it is from", blocks)


def _first_file(source: SourceFacts) -> str:
    """Return the file of a source's first record."""
    is_given = source.path.endswith(SPOOLED)
    return "given by a program, no file" if is_given else source.path


def _licence_row(source: SourceFacts) -> list[Cell]:
    """Return what is known of the licence of a source."""
    known = DATABASES.get(source.name)
    if known is None:
        return [source.name, "unknown", UNKNOWN, None, None]
    licence = licence_of(source.name)
    return [
        source.name,
        known.title,
        Link(licence, known.licence_url) if known.licence_url else licence,
        known.published_in,
        Link(known.url.removeprefix("https://"), known.url),
    ]
