"""Text from outside as a terminal may show it: nothing in it acts on the terminal.

Names of files, records and classes, attributes and error messages can hold characters
that move the cursor, clear the screen, start a new line or turn the direction of
writing. What is stored stays exact; what is shown passes through here.
"""


def visible(text: object) -> str:
    r"""Return a text with each character that is not printable as a visible escape.

    Those are control characters (a line end is one), separators of lines, marks that
    change the direction of text, invisible characters and bytes that are no UTF-8.

    Parameters
    ----------
    text : object
        A text, or what has one.

    Examples
    --------
    >>> print(visible("a\x1b[2Jb\nc\u202ed"))
    a\x1b[2Jb\nc\u202ed
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else _escape(character)
        for character in text
    )


def visible_lines(text: str) -> str:
    """Return a text of several lines as `visible` does each of them."""
    return "\n".join(map(visible, text.split("\n")))


def visible_json(text: str) -> str:
    r"""Return JSON of the same values without characters that are not printable.

    Line ends remain: in JSON, they are only between values.

    Examples
    --------
    >>> visible_json('["a\x7fb\u2028"]')
    '["a\\u007fb\\u2028"]'
    """
    return "\n".join(
        line
        if line.isprintable()
        else "".join(
            character if character.isprintable() else _json_escape(character)
            for character in line
        )
        for line in text.split("\n")
    )


def _escape(character: str) -> str:
    """Return the escape of a character, as Python writes it in `repr`."""
    return character.encode("unicode_escape").decode("ascii")


def _json_escape(character: str) -> str:
    """Return the escape of a character in JSON: one for each UTF-16 unit."""
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
