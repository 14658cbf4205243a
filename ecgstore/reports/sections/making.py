"""How a data set was made, and how its report is made again."""

from ecgstore.options import to_dict
from ecgstore.reports.facts import StoreFacts
from ecgstore.reports.page import (
    Block,
    Cell,
    Code,
    Facts,
    Paragraph,
    Section,
    Table,
)
from ecgstore.storage import Store


def making(store: Store, facts: StoreFacts, command: str) -> Section:
    """Return what is needed to make the store and the report again."""
    options: list[list[Cell]] = [
        [name, _option_text(value)]
        for name, value in to_dict(store.config).items()
        if name != "classes"
    ]
    blocks: list[Block] = [
        Facts(
            [
                ("software of the build", store.software),
                ("fingerprint", store.fingerprint),
                *(
                    [("fingerprint as built", store.built_fingerprint)]
                    if store.built_fingerprint != store.fingerprint
                    else []
                ),
                ("class set", store.config.classes.name),
            ]
        ),
        Paragraph("This command makes the report again, byte for byte:"),
        Code(command),
        Paragraph(
            "The fingerprint is the SHA-256 over the options and the checksums of all "
            "records. The same records and options give the same store, whatever "
            "machine builds it; ecgstore verify compares a store with its checksums."
        ),
        Table("Options of the build", ["option", "value"], options),
    ]
    if facts.summary["parts"]:
        names = [one.rpartition("/")[2] for one in facts.summary["parts"]]
        blocks.append(
            Table(
                "Parts of the collection",
                ["number", "file"],
                [[number + 1, name] for number, name in enumerate(names)],
            )
        )
    return Section("How it was made", blocks)


def _option_text(value: object) -> str:
    """Return the value of an option as the command line writes it."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in (None, {}) else str(value)
