"""Read a query: which columns it names, and that it is a condition and nothing else."""

import ast
import io
import math
import re
import tokenize
from collections.abc import Container, Iterator
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

_OF_PATTERNS: Final = frozenset({"contains", "count", "fullmatch", "match"})
"""Those of texts that take a regular expression."""

_OF_NUMBERS: Final = """
contains count duplicated endswith eq find fullmatch ge gt isalnum isalpha isdigit isin
islower isna isnull isnumeric isspace isupper le len lt match ne notna notnull nunique
rank rfind startswith
"""
_NO_TEXT: Final = frozenset(_OF_NUMBERS.split())
"""Those that return no texts, though they are of texts."""

_SUMMING: Final = frozenset({"cumsum", "mean", "std", "sum", "var"})
"""Those that would join the texts of all records."""

_LARGEST: Final = 2**53
_LONGEST: Final = 10_000
_MOST_REPEATS: Final = 2

_NODES: Final = (
    *(ast.Expression, ast.Name, ast.Constant, ast.List, ast.Tuple, ast.Load),
    *(ast.BoolOp, ast.boolop, ast.UnaryOp, ast.unaryop, ast.Compare, ast.cmpop),
    *(ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow),
    *(ast.Attribute, ast.Call, ast.Subscript, ast.Slice),
)
_SPECIAL: Final = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|([(])|((?:[*+?]|\{[\d,]+\})[?+]?)", re.DOTALL
)
"""What is special in a pattern, with groups for brackets and for repetitions."""

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

    Nor may it take for ever, or all memory. Numbers and texts have limits. Arithmetic
    of constants, and powers, are of floats, which have a largest one. Patterns are
    matched by going back, in a time that grows with every repetition to the power of
    their number, so they have two at most, and no groups.

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
        elif isinstance(node, ast.BinOp):
            _calculate_with_floats(node)
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


def require_no_sums_of_texts(condition: Condition, texts: Container[str]) -> None:
    """Refuse to repeat, format or join texts, which may take all memory.

    Parameters
    ----------
    condition : Condition
        A query that was read.
    texts : container of str
        Names in its text of columns that hold texts.

    Raises
    ------
    ValueError
        If it has some.

    Examples
    --------
    >>> require_no_sums_of_texts(read_condition("name.str.len() * 2 > 9"), {"name"})
    >>> require_no_sums_of_texts(read_condition("name * 1000000 == 'a'"), {"name"})
    Traceback (most recent call last):
    ValueError: texts are neither multiplied nor divided
    """
    for node in ast.walk(ast.parse(condition.text, mode="eval")):
        if (
            isinstance(node, ast.BinOp)
            and not isinstance(node.op, ast.Add)
            and any(_is_text(side, texts) for side in _sides(node))
        ):
            raise ValueError("texts are neither multiplied nor divided")
        if (
            isinstance(node, ast.Attribute)
            and node.attr in _SUMMING
            and _is_text(node.value, texts)
        ):
            raise ValueError(f"{node.attr!r} is none of the methods of texts")


def _is_text(node: ast.expr, texts: Container[str]) -> bool:
    """Return whether a part of an expression may be a text, or a column of texts."""
    match node:
        case ast.Constant():
            return isinstance(node.value, str)
        case ast.Name():
            return node.id in texts
        case ast.Call(func=ast.Attribute() as method):
            return method.attr not in _NO_TEXT and _is_text(method.value, texts)
        case ast.Call():
            return any(_is_text(one, texts) for one in node.args)
        case ast.Attribute() | ast.Subscript():
            return _is_text(node.value, texts)
        case ast.BinOp():
            return _is_text(node.left, texts) or _is_text(node.right, texts)
        case ast.UnaryOp():
            return _is_text(node.operand, texts)
    return False


def _calculate_with_floats(node: ast.BinOp) -> None:
    """Make whole numbers floats in arithmetic of constants, and in powers."""
    sides = [side for side in _sides(node) if _is_constant(side)]
    if len(sides) < 2 and not isinstance(node.op, ast.Pow):
        return
    for side in sides:
        for part in ast.walk(side):
            if isinstance(part, ast.Constant) and isinstance(part.value, int):
                part.value = float(part.value)


def _is_constant(node: ast.AST) -> bool:
    """Return whether a part of an expression depends on no column."""
    return not any(isinstance(part, ast.Name) for part in ast.walk(node))


def _check(node: ast.AST) -> None:
    """Refuse a part of an expression that has no place in a condition."""
    match node:
        case ast.Constant():
            _check_constant(node.value)
        case ast.BinOp():
            if any(isinstance(side, ast.List | ast.Tuple) for side in _sides(node)):
                raise ValueError("conditions have no arithmetic of lists")
            if all(map(_is_constant, _sides(node))) and any(
                _is_text(side, ()) for side in _sides(node)
            ):
                raise ValueError("conditions have no arithmetic of texts")
        case ast.Call():
            _check_call(node)
        case ast.Attribute():
            if node.attr not in METHODS:
                raise ValueError(
                    f"{node.attr!r} is none of the methods that conditions may use"
                )
            _require_column(node.value)
        case ast.Subscript():
            if not all(map(_is_place, ast.walk(node.slice))):
                raise ValueError(
                    "conditions have only numbers in brackets behind a name"
                )
            _require_column(node.value)
        case _ if not isinstance(node, _NODES):
            raise ValueError(f"conditions have no {type(node).__name__}")


def _check_constant(value: object) -> None:
    """Refuse what is no constant of a condition, or too large for one."""
    match value:
        case str() if len(value) > _LONGEST:
            raise ValueError(
                f"a text has {len(value)} characters; conditions have texts of at most "
                f"{_LONGEST}"
            )
        case int() if abs(value) > _LARGEST:
            raise ValueError("conditions have whole numbers up to 2**53")
        case float() if not math.isfinite(value):
            raise ValueError("conditions have no infinite numbers")
        case str() | int() | float() | None:
            return
    raise ValueError(f"conditions have no {type(value).__name__}")


def _require_column(node: ast.expr) -> None:
    """Refuse a method, or brackets, of what is no column."""
    if isinstance(node, ast.List | ast.Tuple) or _is_constant(node):
        raise ValueError("conditions have methods and brackets of columns alone")


def _check_call(node: ast.Call) -> None:
    """Refuse a pattern that may take for ever, and what is called without a name."""
    if not isinstance(node.func, ast.Attribute | ast.Name):
        raise ValueError("conditions call only what has a name")
    if not isinstance(node.func, ast.Attribute) or node.func.attr not in _OF_PATTERNS:
        return
    name = f"{node.func.attr}()"
    for given in node.args:
        if not isinstance(given, ast.Constant) or type(given.value) in (int, float):
            raise ValueError(f"{name} takes a text, and True or False")
        if isinstance(given.value, str):
            _check_pattern(name, given.value)


def _check_pattern(name: str, pattern: str) -> None:
    """Refuse a pattern with groups, or with many repetitions."""
    special = [*_SPECIAL.finditer(pattern)]
    n_repeats = sum(one[2] is not None for one in special)
    if n_repeats > _MOST_REPEATS or any(one[1] is not None for one in special):
        raise ValueError(
            f"{name} takes a pattern without groups and with at most {_MOST_REPEATS} "
            "repetitions; join several by and, or; write [(] for a bracket"
        )


def _sides(node: ast.BinOp) -> tuple[ast.expr, ast.expr]:
    """Return what is on both sides of an operator."""
    return node.left, node.right


def _is_place(node: ast.AST) -> bool:
    """Return whether a part of what is in brackets is a whole number, or joins some."""
    if isinstance(node, ast.Constant):
        return node.value is None or isinstance(node.value, int)
    return isinstance(node, ast.Slice | ast.UnaryOp | ast.USub | ast.Load)
