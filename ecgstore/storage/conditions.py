"""Read a query: which columns it names, and that it is a condition and nothing else."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from typing import Final, NamedTuple

_OF_COLUMNS: Final = """
abs between clip count cummax cummin cumsum diff duplicated eq ge gt isin isna isnull le
lt max mean median min ne notna notnull nunique quantile rank round shift std str sum
var
"""
_OF_TEXTS: Final = """
capitalize casefold contains endswith find fullmatch isalnum isalpha isdigit islower
isnumeric isspace isupper len lower lstrip match removeprefix removesuffix rfind rstrip
slice startswith strip title upper
"""
METHODS: Final = frozenset(f"{_OF_COLUMNS} {_OF_TEXTS}".split())
"""Attributes of a column and of its texts that conditions may use."""

_OF_VALUES: Final = frozenset(
    f"between eq ge gt isin isna isnull le lt ne notna notnull str {_OF_TEXTS}".split()
)
"""Those that look at each value alone."""

_LARGEST_POWER: Final = 16

_NODES: Final = (
    *(ast.Expression, ast.Name, ast.Constant, ast.List, ast.Tuple, ast.Load),
    *(ast.BoolOp, ast.boolop, ast.UnaryOp, ast.unaryop, ast.Compare, ast.cmpop),
    *(ast.BinOp, ast.operator, ast.Attribute, ast.Call, ast.keyword),
    *(ast.Subscript, ast.Slice),
)
_QUOTED: Final = re.compile(
    r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|`([^`\n]*)`""", re.DOTALL
)
_MEANT: Final = {"&": "and", "|": "or", "=": "=="}
"""What pandas takes some operators for."""


class Condition(NamedTuple):
    """A query that was read.

    Attributes
    ----------
    text : str
        The expression for pandas, without backticks.
    names : dict of str to str
        The name in the query of every name in `text`.
    is_of_values : bool
        Whether it holds for a row or not whatever is in other rows.
    """

    text: str
    names: dict[str, str]
    is_of_values: bool


def read_condition(query: str) -> Condition:
    """Read a query as `pandas.DataFrame.query` does, and refuse what is no condition.

    pandas gives every attribute of a column to an expression, and so its methods that
    write files and, by names with underscores, all of Python; yet a query may come from
    elsewhere: from a link to the viewer's page, or a file of options. So the text is
    parsed here, and pandas is given what was understood, written anew.

    Parameters
    ----------
    query : str
        The expression.

    Raises
    ------
    ValueError, SyntaxError
        If it is no expression, or has more than comparisons, arithmetic and `METHODS`.

    Examples
    --------
    >>> read_condition("`heart rate` > 50 & sex == 'male'")
    Condition(text="column_0 > 50 and sex == 'male'", names={'column_0': 'heart rate', \
'sex': 'sex'}, is_of_values=True)
    >>> read_condition("age.to_csv('ages.csv')")
    Traceback (most recent call last):
    ValueError: 'to_csv' is none of the methods that conditions may use
    """
    stem = "column"
    while stem in query:
        stem += "_"
    names: dict[str, str] = {}
    attributes = set()

    def plain(match: re.Match[str]) -> str:
        if match[2] is None:
            return match[0]
        name = f"{stem}_{len(names)}"
        names[name] = match[2]
        return f" {name} "

    unquoted = _QUOTED.sub(plain, query.strip())
    tree = ast.parse("".join(_meant(unquoted)).strip(), mode="eval")
    for node in ast.walk(tree):
        _check(node)
        if isinstance(node, ast.Name):
            names.setdefault(node.id, node.id)
        elif isinstance(node, ast.Attribute):
            attributes.add(node.attr)
    return Condition(ast.unparse(tree), names, attributes <= _OF_VALUES)


def _meant(text: str) -> Iterator[str]:
    """Yield the words of an expression, operators as pandas takes them."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.string == "@":
                raise ValueError("local variables, after an @, are not defined")
            is_operator = token.type == tokenize.OP
            word = _MEANT.get(token.string, token.string) if is_operator else None
            yield f"{token.string if word is None else word} "
    except tokenize.TokenError as error:
        raise SyntaxError(str(error.args[0])) from error


def _check(node: ast.AST) -> None:
    """Refuse a part of an expression that has no place in a condition."""
    if not isinstance(node, _NODES):
        raise ValueError(f"conditions have no {type(node).__name__}")
    if isinstance(node, ast.Attribute) and node.attr not in METHODS:
        raise ValueError(
            f"{node.attr!r} is none of the methods that conditions may use"
        )
    if isinstance(node, ast.BinOp):
        _check_size(node)
    if isinstance(node, ast.Subscript) and not all(
        map(_is_place, ast.walk(node.slice))
    ):
        raise ValueError("conditions have only numbers in brackets behind a name")


def _check_size(node: ast.BinOp) -> None:
    """Refuse what could take hours, or all memory, to compute: ``9 ** 9 ** 9``."""
    if isinstance(node.op, ast.Pow):
        power = node.right.value if isinstance(node.right, ast.Constant) else None
        is_small = isinstance(power, int | float) and power <= _LARGEST_POWER
        inner = (part.op for part in ast.walk(node.left) if isinstance(part, ast.BinOp))
        if not is_small or any(isinstance(op, ast.Pow) for op in inner):
            raise ValueError(f"powers in conditions are numbers to {_LARGEST_POWER}")
    elif not isinstance(node.op, ast.Add):
        for side in (node.left, node.right):
            if isinstance(side, ast.Constant) and isinstance(side.value, str):
                raise ValueError("conditions only compare and join texts")


def _is_place(node: ast.AST) -> bool:
    """Return whether a part of what is in brackets is a whole number, or joins some."""
    if isinstance(node, ast.Constant):
        return node.value is None or isinstance(node.value, int)
    return isinstance(node, ast.Slice | ast.UnaryOp | ast.USub | ast.Load)
