"""Figures of matplotlib as SVG inside a page, in the colours of the page.

Texts stay texts, to be searched and read aloud. Black and white become the ink and the
ground of the page, so that figures are legible on light and dark screens; other colours
stay. There is neither a style nor an identifier that could meet others in the page.
"""

import io
import re
import warnings
from collections.abc import Iterator
from typing import Final
from xml.etree import ElementTree

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.text import Text

from ecgstore.plots.style.colours import INK
from ecgstore.system.visible import visible

_SVG: Final = "http://www.w3.org/2000/svg"
_LINK: Final = "{http://www.w3.org/1999/xlink}href"
_ROOT_STYLE: Final = {"stroke-linejoin": "round", "stroke-linecap": "butt"}
"""What matplotlib writes as a style for everything in the file."""

_OUTLINED: Final = "outlined"
"""Identifier, in the file of matplotlib, of texts with an outline."""

_DROPPED: Final = ("metadata", "style")
_INK: Final = (INK.lower(), "#000000")
_GROUND: Final = ("#ffffff",)
_FONT: Final = re.compile(r"(?:(?P<weight>bold|\d00) )?(?P<size>[\d.]+)px ")
_REFERENCE: Final = re.compile(r"url\(#([^)]+)\)")


def inline_svg(figure: Figure, title: str, description: str, number: int) -> Markup:
    """Return a figure as an SVG element of a page.

    Parameters
    ----------
    figure : Figure
        The figure.
    title, description : str
        What it is, and what it shows in words, for who cannot see it.
    number : int
        Number of the figure in its page, which makes its identifiers its own.

    Returns
    -------
    Markup
        The same figure gives the same text.
    """
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _LINK[1:].partition("}")[0])
    root = ElementTree.fromstring(_drawn(figure))
    _outline_texts(root)
    _drop(root)
    _own_identifiers(root, f"f{number}-")
    for element in root.iter():
        _style_as_attributes(element)
    for name, value in _ROOT_STYLE.items():
        root.set(name, value)
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        child = ElementTree.Element(f"{{{_SVG}}}{tag}")
        child.text = visible(text)
        root.insert(place, child)
    root.set("role", "img")
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _drawn(figure: Figure) -> bytes:
    """Return the SVG file that matplotlib writes."""
    file = io.BytesIO()
    outlined = [text for text in figure.findobj(Text) if text.get_path_effects()]
    effects = [text.get_path_effects() for text in outlined]
    for text in outlined:  # drawn as curves otherwise, each letter twice
        text.set(path_effects=[], gid=_OUTLINED)
    with (
        warnings.catch_warnings(),
        mpl.rc_context(
            {
                "savefig.bbox": None,
                "svg.fonttype": "none",  # texts, which can be searched
                "svg.hashsalt": "ecgstore",  # without it, identifiers are random
            }
        ),
    ):
        # Texts are drawn by the reader of the page, who may have the letters.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        # Of names that are longer than their figure: it is drawn nevertheless.
        warnings.filterwarnings("ignore", "constrained_layout not applied")
        figure.savefig(
            file,
            format="svg",
            transparent=True,
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    for text, before in zip(outlined, effects, strict=True):
        text.set(path_effects=before, gid=None)
    return file.getvalue()


def _outline_texts(root: ElementTree.Element) -> None:
    """Give the texts that had an outline one of the colour of the ground."""
    for group in root.iter():
        if group.get("id") == _OUTLINED:
            for text in group.iter(f"{{{_SVG}}}text"):
                text.set("paint-order", "stroke")
                text.set("stroke", _GROUND[0])
                text.set("stroke-width", "2")


def _drop(parent: ElementTree.Element) -> None:
    """Drop what describes the file, what cannot be seen, and spaces between tags."""
    for child in [*parent]:
        _drop(child)
        child.tail = None
        tag = child.tag.partition("}")[2]
        is_empty = tag in ("defs", "g") and not len(child)
        if tag in _DROPPED or is_empty or _is_invisible(child):
            parent.remove(child)
    if len(parent):
        parent.text = None


def _is_invisible(element: ElementTree.Element) -> bool:
    """Return whether an element is a path with neither ground nor line."""
    style = element.get("style", "").replace(" ", "")
    is_path = element.tag.endswith("}path")
    return is_path and "fill:none" in style and "stroke:" not in f";{style}"


def _own_identifiers(root: ElementTree.Element, prefix: str) -> None:
    """Keep the identifiers that something refers to, with a prefix."""
    used = {name for element in root.iter() for name in _references(element)}
    for element in root.iter():
        name = element.attrib.pop("id", None)
        if name in used:
            element.set("id", f"{prefix}{name}")
        if _LINK in element.attrib and element.attrib[_LINK].startswith("#"):
            element.set(_LINK, f"#{prefix}{element.attrib[_LINK][1:]}")
        for key, value in element.attrib.items():
            if "url(#" in value:
                element.set(key, _REFERENCE.sub(rf"url(#{prefix}\1)", value))


def _references(element: ElementTree.Element) -> Iterator[str]:
    """Yield the identifiers that an element refers to."""
    for key, value in element.attrib.items():
        if key == _LINK and value.startswith("#"):
            yield value[1:]
        yield from _REFERENCE.findall(value)


def _style_as_attributes(element: ElementTree.Element) -> None:
    """Write a style as attributes, which a page without inline styles may have."""
    declarations = element.attrib.pop("style", "")
    for declaration in declarations.split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name == "font":
            font = _FONT.match(value)
            if font is not None:
                element.set("font-size", font["size"])
                if font["weight"]:
                    element.set("font-weight", font["weight"])
        elif name:
            element.set(name, value)
    element.attrib.pop("font-family", None)  # the page's own
    if element.get("transform", "").startswith("rotate(-0 "):
        del element.attrib["transform"]
    if element.tag.endswith("}text") and "fill" not in element.attrib:
        element.set("fill", "#000000")
    classes = []
    for name in ("fill", "stroke"):
        colour = element.get(name, "").lower()
        of_page = "ink" if colour in _INK else "ground" if colour in _GROUND else ""
        if of_page:
            del element.attrib[name]
            classes.append(f"{of_page}-{name}")
    if classes:
        element.set("class", " ".join(classes))
