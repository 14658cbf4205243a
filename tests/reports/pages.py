"""Read the HTML of a report as strictly as no browser does."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = ("meta", "br", "wbr", "link", "img", "input", "hr")
_ALLOWED = frozenset(
    {
        "a",
        "b",
        "body",
        "br",
        "caption",
        "clippath",
        "code",
        "dd",
        "defs",
        "desc",
        "div",
        "dl",
        "dt",
        "figcaption",
        "figure",
        "g",
        "h1",
        "h2",
        "h3",
        "head",
        "header",
        "html",
        "image",
        "li",
        "main",
        "meta",
        "nav",
        "ol",
        "p",
        "path",
        "pre",
        "rect",
        "script",
        "section",
        "style",
        "svg",
        "table",
        "tbody",
        "td",
        "text",
        "th",
        "thead",
        "title",
        "tr",
        "tspan",
        "use",
        "wbr",
    }
)


@dataclass
class Page:
    """What a page holds.

    Attributes
    ----------
    texts : list of str
        Texts outside of scripts and styles.
    scripts, styles : list of str
        Their contents.
    tags : list of str
        Every tag.
    attributes : list of (str, str, str)
        Tag, name and value of each attribute.
    ids : list of str
        Identifiers.
    links : list of str
        Where links lead.
    """

    texts: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        return [value for _, name, value in self.attributes if name == "id"]

    @property
    def links(self) -> list[str]:
        return [value for _, name, value in self.attributes if name.endswith("href")]

    @property
    def text(self) -> str:
        return "".join(self.texts)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.page.tags.append(tag)
        self.page.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        last = self.open[-1] if self.open else ""
        kinds = {"script": self.page.scripts, "style": self.page.styles}
        kinds.get(last, self.page.texts).append(data)


def read(html: str) -> Page:
    """Return what a page holds, after checks that hold for every report.

    It asks for nothing outside, runs nothing, and its parts fit each other.
    """
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    page = reader.page
    assert set(page.tags) <= _ALLOWED, set(page.tags) - _ALLOWED
    names = {name for _, name, _ in page.attributes}
    assert not {name for name in names if name.startswith("on")}
    assert not names & {"src", "srcset", "style", "action", "background"}
    kinds = [
        value
        for tag, name, value in page.attributes
        if (tag, name) == ("script", "type")
    ]
    assert kinds == ["application/ld+json"] * page.tags.count("script")
    assert len(page.ids) == len(set(page.ids))
    for tag, name, value in page.attributes:
        if name.endswith("href"):
            inner = value.startswith("#") and value[1:] in page.ids
            outer = tag == "a" and value.startswith(("https://", "http://"))
            picture = tag == "image" and value.startswith("data:image/png;base64,")
            assert inner or outer or picture, (tag, value)
        if "url(" in value:
            assert value.startswith("url(#"), value
            assert value[5:-1] in page.ids, value
        if name == "aria-labelledby":
            assert value in page.ids
    policy = next(v for t, n, v in page.attributes if n == "content" and "'none'" in v)
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    return page
