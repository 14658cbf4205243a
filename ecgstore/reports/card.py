"""A report as Markdown with a head of YAML: the card of a data set on the Hub.

Figures and examples are left out. Every text from outside passes through the template,
which escapes whatever Markdown or HTML would act on.
"""

import json
import re
from functools import cache
from typing import Any, Final

import jinja2
from markupsafe import Markup

from ecgstore.reports.page import Report, cell_text, is_link
from ecgstore.reports.published import Publication
from ecgstore.storage import Store
from ecgstore.system.visible import visible, visible_lines

_ACTS: Final = re.compile(r"([!#$&*<>@\[\\\]_`|~]|:(?=//))")
"""Characters that mean something in Markdown, or begin a link."""

_WWW: Final = re.compile(r"(?i)(www)\.")

_LICENCES: Final = frozenset(
    {
        "afl-3.0",
        "apache-2.0",
        "bsd-2-clause",
        "bsd-3-clause",
        "cc-by-2.0",
        "cc-by-3.0",
        "cc-by-4.0",
        "cc-by-nc-4.0",
        "cc-by-nc-nd-4.0",
        "cc-by-nc-sa-4.0",
        "cc-by-nd-4.0",
        "cc-by-sa-3.0",
        "cc-by-sa-4.0",
        "cc0-1.0",
        "mit",
        "odbl",
        "odc-by",
        "pddl",
    }
)
"""Licences by their names on the Hub; what has no name there is "other"."""

_OTHER_NAMES: Final = {
    "odbl-1.0": "odbl",
    "odc-by-1.0": "odc-by",
    "pddl-1.0": "pddl",
}
"""Names on the Hub that differ from SPDX's."""

_CODE: Final = """\
# pip install "ecgstore[cloud]"
import ecgstore

store = ecgstore.open({address!r})
signals = store.signals(range(8))  # in mV: (records, leads, samples)
labels = store.labels()  # (records, classes)
training = store.select(folds=range(8))"""
"""How a store on the Hub is read; USER and NAME are those of its repository."""

_TAGS: Final = (
    "ecg",
    "electrocardiogram",
    "cardiology",
    "medical",
    "time-series",
    "hdf5",
)


def markdown_card(report: Report, store: Store, publication: Publication) -> str:
    """Return the card of a data set for the Hugging Face Hub.

    Parameters
    ----------
    report : Report
        The report of the store.
    store : Store
        The store.
    publication : Publication
        What the publisher says.
    """
    licence, licence_name = hub_licence(publication.licence)
    return (
        _environment()
        .get_template("card.md")
        .render(
            report=report,
            licence=licence,
            licence_name=licence_name,
            size_category=size_category(len(store)),
            tasks=[
                "tabular-classification",
                *(["tabular-regression"] if store.target_names else []),
                "other",
            ],
            tags=_TAGS,
            code=_CODE.format(address=f"hf://datasets/USER/NAME/{store.file_name}"),
        )
    )


def size_category(n_records: int) -> str:
    """Return the name that the Hub has for a number of records.

    Examples
    --------
    >>> size_category(592), size_category(43_101), size_category(10_000_000)
    ('n<1K', '10K<n<100K', '10M<n<100M')
    """
    if n_records < 1000:
        return "n<1K"
    names = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")
    place = min(len(str(n_records)) - 4, len(names) - 2)
    return f"{names[place]}<n<{names[place + 1]}"


def hub_licence(licence: str) -> tuple[str, str]:
    """Return the name that the Hub has for a licence, and its own where it has none.

    Examples
    --------
    >>> hub_licence("CC-BY-4.0"), hub_licence("ODC-By-1.0"), hub_licence("")
    (('cc-by-4.0', ''), ('odc-by', ''), ('unknown', ''))
    >>> hub_licence("as agreed with the hospital")
    ('other', 'as agreed with the hospital')
    """
    if not licence:
        return "unknown", ""
    name = licence.lower().replace(" ", "-")
    name = _OTHER_NAMES.get(name, name)
    return (name, "") if name in _LICENCES else ("other", licence)


def escaped(value: Any) -> str:
    r"""Return a text in which nothing is Markdown, HTML or a link.

    Examples
    --------
    >>> print(escaped("a|b <i> *x* www.a.de"))
    a\|b \<i\> \*x\* www\.a.de
    """
    if isinstance(value, Markup):
        return value
    return _WWW.sub(r"\1\.", _ACTS.sub(r"\\\1", visible(value)))


@cache
def _environment() -> jinja2.Environment:
    """Return the templates; whatever they print is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__ or "ecgstore.reports"),
        autoescape=False,  # of HTML; `escaped` is that of Markdown
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=escaped,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = cell_text
    environment.filters["markup"] = Markup
    environment.filters["yaml"] = _yaml
    environment.filters["address"] = _address
    environment.filters["fenced"] = _fenced
    environment.tests["link"] = is_link
    return environment


def _yaml(text: str) -> Markup:
    """Return a text in the quotes of YAML, which are those of JSON."""
    return Markup(json.dumps(visible(text), ensure_ascii=False))


def _address(url: str) -> Markup:
    """Return a URL between the brackets of a Markdown link."""
    return Markup(
        re.sub(r"[\s<>\\]", lambda found: f"%{ord(found[0]):02X}", visible(url))
    )


def _fenced(text: str, language: str = "") -> Markup:
    """Return lines of code between fences that are longer than any in the code."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return Markup(f"{fence}{language}\n{visible_lines(text)}\n{fence}")
