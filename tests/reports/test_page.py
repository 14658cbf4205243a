"""The page of a report: escaped, self-contained, styled by what its policy allows."""

import base64
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure as MplFigure

from ecgstore.reports import page
from ecgstore.reports.ecg_svg import ecg_picture
from ecgstore.reports.figures import inline_svg
from ecgstore.reports.page import (
    Block,
    Code,
    Facts,
    Figure,
    Gallery,
    Link,
    Paragraph,
    Report,
    Section,
    Share,
    Table,
)
from ecgstore.system.visible import visible
from tests.reports.pages import read

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style></svg>&lt;{{ 7 * 7 }}",
    "'; --\x1b[2J\u202e\x00 ]]>",
)


def report_of(text: str) -> Report:
    figure = MplFigure()
    figure.subplots().set_title(visible(text), parse_math=False)
    picture = ecg_picture(
        np.zeros((12, 5000)), 500.0, title=text, description=text, lines=[text]
    )
    blocks: list[Block] = [
        Paragraph(text),
        Facts([(text, text)]),
        Table(text, [text, text], [[text, 1], [text, None]], text),
        Table("links", ["a"], [[Link(text, f"https://a.de/{text}")]]),
        Figure(inline_svg(figure, text, text, 1), text),
        Gallery([picture]),
        Code(text),
    ]
    inner = Section(text, [Paragraph(text)])
    return Report(text, text, [Section(text, blocks, [inner])], {"name": text})


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_from_outside_are_only_texts(text: str) -> None:
    shown = read(page.html(report_of(text)))
    assert shown.text.count(visible(text)) >= 15
    assert json.loads("".join(shown.scripts)) == {"name": text}
    assert shown.tags.count("script") == 1
    assert shown.tags.count("title") == 3  # of the page, a figure and a picture


def test_links_lead_to_web_pages_only() -> None:
    links = [Link("a", url) for url in ("javascript:x", "data:text/html,x", "//a.de")]
    report = Report(
        "t", "s", [Section("x", [Table("c", ["h"], [[one] for one in links])])]
    )
    assert [link for link in read(page.html(report)).links if link[0] != "#"] == []


def test_the_policy_allows_the_style_of_the_page_and_nothing_else() -> None:
    html = page.html(report_of("x"))
    shown = read(html)
    digest = base64.b64encode(hashlib.sha256(shown.styles[0].encode()).digest())
    assert f"style-src 'sha256-{digest.decode()}';" in html
    assert "@import" not in shown.styles[0]
    assert "url(" not in shown.styles[0]
    assert shown.text.startswith("\n")
    assert "{{" not in html


def test_tables_have_captions_and_scopes_and_numbers_stand_right() -> None:
    table = Table("What", ["name", "n", "of all"], [["a", 12345, Share(0.5)]], "note")
    html = page.html(Report("t", "s", [Section("x", [table])]))
    assert "<caption" in html
    assert html.count('scope="col"') == 3
    assert '<th scope="row">a</th><td class="number">12,345</td>' in html
    assert '<td class="number">50.0%</td>' in html
    assert html.index("What</caption>") < html.index("12,345") < html.index("note</p>")


def test_a_cell_without_a_value_is_a_dash_and_small_numbers_keep_digits() -> None:
    values = (None, float("nan"), float("inf"), 0.0, -0.5, 3e-4, 1234.5, True)
    assert [page.cell_text(value) for value in values] == [
        *[page.NO_VALUE] * 3, "0.0", "-0.500", "0.0003", "1,234.5", "1",
    ]  # fmt: skip


def test_contents_lead_to_every_section() -> None:
    sections = [Section("a", [], [Section("b"), Section("c")]), Section("d")]
    shown = read(page.html(Report("t", "s", sections)))
    assert [link[1:] for link in shown.links[1:]] == ["s1", "s1-1", "s1-2", "s2"]


def test_the_same_report_is_the_same_file(tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        page.write(tmp_path / name, report_of("x"))
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "b.html"]


def test_figures_take_the_colours_of_the_page_and_keep_texts() -> None:
    figure = MplFigure(facecolor="white")
    axes = figure.subplots()
    axes.bar([1, 2], [3, 4], color="#D55E00", edgecolor="white")
    axes.set_title("漢字 stays a text", parse_math=False)
    svg = str(inline_svg(figure, "title", "what it shows", 7))
    assert "style=" not in svg
    assert "<style" not in svg
    assert "#000000" not in svg
    assert re.findall(r'stroke="#ffffff"', svg) == []
    assert 'fill="#d55e00"' in svg
    assert "漢字 stays a text</text>" in svg
    assert 'class="ink-fill"' in svg
    assert "ground-stroke" in svg
    assert "<title>title</title><desc>what it shows</desc>" in svg
    assert 'role="img"' in svg
    assert "font-family" not in svg
    assert all(name.startswith("f7-") for name in re.findall(r' id="([^"]+)"', svg))


def test_two_figures_share_no_identifier() -> None:
    figure = MplFigure()
    figure.subplots().plot([1, 2])
    blocks = [Figure(inline_svg(figure, "t", "d", n), "c") for n in (1, 2)]
    read(page.html(Report("t", "s", [Section("x", blocks)])))


def test_tables_and_texts_in_them_are_bounded() -> None:
    rows: list[list[page.Cell]] = [[f"name {n}", n] for n in range(page.MOST_ROWS + 2)]
    rows[0][0] = "x" * 1_000_000
    table = page.Table("Names", ["name", "number"], rows, "A note.")
    text = page.html(Report("a", "b", [Section("c", [table])]))
    assert f"name {page.MOST_ROWS - 1}<" in text
    assert f"name {page.MOST_ROWS}<" not in text
    assert "A note. 2 more of such rows are not shown." in text
    assert len(text) < 500_000
