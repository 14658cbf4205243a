"""A report as blocks of text, tables and pictures, and the one HTML file made of it.

The file asks for nothing outside of it and runs nothing. Every text from outside (names
of records, sources and classes, paths, comments) passes through the templates, which
escape it; only pictures are markup of their own.
"""

import base64
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final, TypeAlias

import jinja2
from markupsafe import Markup, escape

from ecgstore.system.atomic_files import replace_file
from ecgstore.system.visible import visible

MARKER: Final = '<meta name="generator" content="ecgstore report">'
"""What every report has in its head."""

_SHORT_TABLE: Final = 20
"""Rows of a table that is not divided when printed."""

MOST_ROWS: Final = 1000
"""Rows of a table that are shown; the others are counted."""

_LONGEST_CELL: Final = 10_000
"""Characters of a text in a table that are shown."""

_UNBREAKABLE: Final = re.compile(r"[^\s_/,;.-]{25,}")
"""A part of a text that makes a column of a table too wide."""

_SMALL: Final = 0.01
"""Numbers below it are shown with three digits, however many zeros precede them."""

NO_VALUE: Final = "\N{EN DASH}"
"""Text of a cell without a value."""


@dataclass(frozen=True, slots=True)
class Link:
    """A text that leads to a page outside, for who clicks on it.

    Attributes
    ----------
    text, url : str
        The text, and where it leads; only ``https://`` and ``http://`` become links.
    """

    text: str
    url: str


class Share(float):
    """A part of all, shown in percent."""


Cell: TypeAlias = str | int | float | Link | None
"""A value: numbers stand right, None and NaN are shown as a dash."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of text."""

    kind: ClassVar[str] = "paragraph"
    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and values, such as the size of a data set."""

    kind: ClassVar[str] = "facts"
    items: Sequence[tuple[str, Cell]]


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes
    ----------
    caption : str
        What the table shows, in a sentence or less.
    head : sequence of str
        Headings of the columns.
    rows : sequence of sequence of Cell
        The cells; the first one of a row is its heading. `MOST_ROWS` are shown.
    note : str
        A sentence below the table.
    """

    kind: ClassVar[str] = "table"
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""

    @property
    def shown(self) -> Sequence[Sequence[Cell]]:
        """The rows that are shown."""
        return self.rows[:MOST_ROWS]

    @property
    def notes(self) -> str:
        """The note, and how many rows are not shown."""
        n_others = len(self.rows) - len(self.shown)
        others = f"{n_others:,} more of such rows are not shown." if n_others else ""
        return f"{self.note} {others}".strip()

    @property
    def is_short(self) -> bool:
        """Whether it fits on a printed page, and should not be divided."""
        return len(self.rows) <= _SHORT_TABLE

    @property
    def is_number(self) -> list[bool]:
        """Whether the values of each column are numbers, which stand right."""
        if not self.rows:
            return [False] * len(self.head)
        return [
            all(isinstance(cell, int | float | None) for cell in column)
            and any(cell is not None for cell in column)
            for column in zip(*self.shown, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture with a caption.

    Attributes
    ----------
    svg : Markup
        The picture, of `ecgstore.reports.figures`.
    caption : str
        What it shows.
    on_paper : bool
        Whether it needs a white ground on dark screens too.
    """

    kind: ClassVar[str] = "figure"
    svg: Markup
    caption: str
    on_paper: bool = False


@dataclass(frozen=True, slots=True)
class EcgPicture:
    """A record as a small print, drawn by `ecgstore.reports.ecg_svg`.

    Attributes
    ----------
    title, description : str
        The record's name, and what the picture shows, for who cannot see it.
    lines : sequence of str
        Texts below the picture, such as age, sex and diagnoses.
    width, height : int
        Size in tenths of a millimetre of paper.
    grid, separators, trace : str
        Paths of the grid, of the marks between leads, and of the curves.
    names : sequence of (int, int, str)
        Name of each lead, and its place.
    """

    title: str
    description: str
    lines: Sequence[str]
    width: int
    height: int
    grid: str
    separators: str
    trace: str
    names: Sequence[tuple[int, int, str]]


@dataclass(frozen=True, slots=True)
class Gallery:
    """Records side by side."""

    kind: ClassVar[str] = "gallery"
    pictures: Sequence[EcgPicture]


@dataclass(frozen=True, slots=True)
class Code:
    """Commands or options, as they are typed or stored."""

    kind: ClassVar[str] = "code"
    text: str


Block: TypeAlias = Paragraph | Facts | Table | Figure | Gallery | Code


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report with a heading.

    Attributes
    ----------
    title : str
        The heading.
    blocks : sequence of Block
        What it holds.
    sections : sequence of Section
        Its own parts; these have none.
    """

    title: str
    blocks: Sequence[Block] = ()
    sections: "Sequence[Section]" = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A report.

    Attributes
    ----------
    title, summary : str
        The heading, and what is reported, in a sentence.
    sections : sequence of Section
        Its parts; the table of contents lists them.
    metadata : Mapping
        JSON-LD for programs, such as Croissant.
    """

    title: str
    summary: str
    sections: Sequence[Section]
    metadata: Mapping[str, Any] = field(default_factory=dict)


def cell_text(value: Cell) -> str:
    """Return a value as text: whole numbers with commas, others with 3 digits at least.

    Examples
    --------
    >>> cell_text(1234567), cell_text(0.123456), cell_text(12345.678)
    ('1,234,567', '0.123', '12,345.7')
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NO_VALUE
    if isinstance(value, Link):
        value = value.text
    if isinstance(value, str):
        is_long = len(value) > _LONGEST_CELL
        return f"{value[:_LONGEST_CELL]}\N{HORIZONTAL ELLIPSIS}" if is_long else value
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Share):
        return f"{value:.1%}"
    if 0 < abs(value) < _SMALL:
        return f"{value:.3g}"
    digits = 2 - math.floor(math.log10(abs(value))) if value else 1
    return f"{value:,.{min(max(digits, 1), 3)}f}"


def html(report: Report) -> str:
    """Return a report as one HTML file.

    Parameters
    ----------
    report : Report
        The report. The same one gives the same text.
    """
    template = _environment().get_template("base.html")
    style = _environment().get_template("style.css").render()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return template.render(
        report=report,
        marker=Markup(MARKER),
        style=Markup(style),
        style_digest=digest,
        metadata=script_json(report.metadata) if report.metadata else "",
    )


def script_json(value: Mapping[str, Any]) -> Markup:
    r"""Return JSON for a script element, which no text in it can end.

    Examples
    --------
    >>> print(script_json({"name": "</script>"}))
    {
     "name": "\u003c/script\u003e"
    }
    """
    text = json.dumps(value, indent=1, ensure_ascii=True)
    for character in "<>&":  # only in texts
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def write(path: Path, report: Report) -> None:
    """Write a report to a file, which is complete or not there.

    Raises
    ------
    EcgStoreError
        If the file cannot be written.
    """
    text = html(report)
    with replace_file(path) as file:
        file.write(text)


@cache
def _environment() -> jinja2.Environment:
    """Return the templates; whatever they print is escaped and made visible."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__ or "ecgstore.reports"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
    )
    environment.filters["cell"] = cell_text
    environment.filters["breakable"] = _breakable
    environment.tests["link"] = is_link
    environment.tests["long"] = _is_long
    return environment


def _shown(value: Any) -> Any:
    """Return markup as it is, and other values without invisible characters."""
    return value if isinstance(value, Markup) else visible(value)


def _breakable(text: str) -> Markup:
    """Return a text that may be divided after parts of names and paths."""
    escaped = str(escape(visible(text)))
    return Markup(re.sub(r"(?<=[a-z0-9])([_/])(?=[a-z0-9])", r"\1<wbr>", escaped))


def _is_long(value: Cell) -> bool:
    """Return whether a value has a part that makes a column too wide."""
    return _UNBREAKABLE.search(cell_text(value)) is not None


def is_link(value: Cell) -> bool:
    """Return whether a value leads to a page of the web."""
    return isinstance(value, Link) and value.url.startswith(("https://", "http://"))
