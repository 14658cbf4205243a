"""Options declared once, as the fields of a dataclass.

A field made by `option` carries its default, help, limits, choices and unit. From it
follow the check of its value, its key in a TOML file, its place in JSON, its flag on
the command line (`ecgstore.cli.options.declared`) and its line in docs/options.md. A
field made by `group` holds the options of another dataclass.

>>> @dataclass(frozen=True, kw_only=True)
... class FilterOptions:
...     order: int = option(3, "Order of the filter.", minimum=1, maximum=8)
...
...     def __post_init__(self) -> None:
...         check(self)
>>> updated(FilterOptions(), {"order": 2})
FilterOptions(order=2)
>>> FilterOptions(order=9)
Traceback (most recent call last):
    ...
ecgstore.errors.ConfigError: option order is 9; expected a whole number, 1 to 8
"""

import math
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from numbers import Integral, Real
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, get_args, get_origin

from ecgstore.errors import ConfigError, cause_of, short_repr
from ecgstore.similar_names import did_you_mean
from ecgstore.system.regular_files import require_regular_file

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    # A frozen dataclass of options.
    Settings = TypeVar("Settings", bound=DataclassInstance)

_OPTION: Final = "option"
_GROUP: Final = "group"


_MOST_BYTES: Final = 2**16
"""Size of a TOML file of options; the time to parse one can grow with its square."""

_TYPES: Final[Mapping[type, tuple[type, str]]] = {
    bool: (bool, "true or false"),
    int: (Integral, "a whole number"),
    float: (Real, "a number"),
    str: (str, "a string"),
}
"""Accepted class of values of each option type, and its description in messages."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option, as `option` declared it.

    Attributes
    ----------
    name : str
        Key in a TOML file; with hyphens, the flag of the command line.
    path : tuple of str
        Names of the nested fields down to the option: one, or more in a group.
    type : type
        `bool`, `int`, `float`, `str`, `tuple` (of str), or the type that `convert`
        returns.
    is_optional : bool
        Whether None is allowed.
    default : object
        The default value.
    help : str
        Description, as a sentence.
    minimum, maximum : float or None
        Inclusive limits of a number.
    above, below : float or None
        Exclusive limits of a number.
    choices : tuple of str
        The values allowed, or the elements of a tuple; all if empty.
    unit : str
        Unit of a number.
    metavar : str
        Name of the value in the help of the command line.
    none : str
        Text that stands for None.
    convert : callable or None
        Returns a value as the option's type, or raises a `ConfigError`.
    """

    name: str
    path: tuple[str, ...]
    type: type
    is_optional: bool
    default: Any
    help: str
    minimum: float | None
    maximum: float | None
    above: float | None
    below: float | None
    choices: tuple[str, ...]
    unit: str
    metavar: str
    none: str
    convert: Callable[[Any], Any] | None

    def checked(self, value: Any) -> Any:
        """Return a value as the option's type.

        Raises
        ------
        ConfigError
            If the value has another type, or is not allowed; the message names the
            option, the value, and what was expected.
        """
        if value is None and self.is_optional:
            return None
        has_custom_type = self.type is not tuple and self.type not in _TYPES
        if not (has_custom_type or (self._has_type(value) and self._is_allowed(value))):
            raise ConfigError(
                f"option {self.name} is {short_repr(value)}; expected {self.expected}"
            )
        return (self.convert or self.type)(value)

    @property
    def expected(self) -> str:
        """The values allowed, in words."""
        if self.type is tuple:
            if not self.choices:
                return "a list of names"
            return f"a list of one or more of {', '.join(self.choices)}, each once"
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if self.type not in _TYPES or (self.type is str and self.metavar):
            return self.metavar.lower().replace("|", " or ")
        return ", ".join(filter(None, (_TYPES[self.type][1], self.limits)))

    @property
    def limits(self) -> str:
        """The range of a number with its unit, in words; empty if it has none."""
        if self.minimum is not None and self.maximum is not None:
            text = f"{_number(self.minimum)} to {_number(self.maximum)}"
        else:
            words = (
                ("above {}", self.above),
                ("{} or more", self.minimum),
                ("below {}", self.below),
                ("up to {}", self.maximum),
            )
            text = ", ".join(
                word.format(_number(limit))
                for word, limit in words
                if limit is not None
            )
        return f"{text} {self.unit}".strip() if text else ""

    @property
    def default_text(self) -> str:
        """The default value as text."""
        value = self.default
        if value is None:
            return self.none
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, float):
            return f"{value:g}"
        if isinstance(value, tuple):
            return ",".join(value) or "none"
        return str(getattr(value, "name", value))

    def _has_type(self, value: Any) -> bool:
        """Return whether a value can become the option's type without loss."""
        if self.type is tuple:
            return isinstance(value, tuple | list) and all(
                isinstance(item, str) for item in value
            )
        is_bool = isinstance(value, bool)
        return isinstance(value, _TYPES[self.type][0]) and is_bool == (
            self.type is bool
        )

    def _is_allowed(self, value: Any) -> bool:
        """Return whether a value is within the limits and among the choices."""
        if self.type is tuple:
            return not self.choices or (
                0 < len(value) == len(set(value)) and set(value) <= set(self.choices)
            )
        if self.choices:
            return value in self.choices
        if self.type not in (int, float):
            return True
        try:
            is_finite = math.isfinite(value)
        except OverflowError:  # an integer beyond the range of floating point
            return False
        return is_finite and not (
            (self.minimum is not None and value < self.minimum)
            or (self.maximum is not None and value > self.maximum)
            or (self.above is not None and value <= self.above)
            or (self.below is not None and value >= self.below)
        )


def option(
    default: Any,
    help: str,  # noqa: A002 (as in click and argparse)
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: Sequence[str] = (),
    unit: str = "",
    metavar: str = "",
    none: str = "none",
    convert: Callable[[Any], Any] | None = None,
) -> Any:
    """Return a dataclass field that declares an option.

    The field's annotation is `bool`, `int`, `float`, `str`, ``tuple[str, ...]``, a
    `Literal` of texts, which are the choices then, or any type with `convert`; a
    number, a text or a list may be None too. Parameters are the attributes of `Option`.
    """
    declared = {
        "help": help,
        "minimum": minimum,
        "maximum": maximum,
        "above": above,
        "below": below,
        "choices": tuple(choices),
        "unit": unit,
        "metavar": metavar,
        "none": none,
        "convert": convert,
    }
    return field(default=default, metadata={_OPTION: declared})


def group(
    default: Any, *, prefix: str = "", title: str = "", without: Collection[str] = ()
) -> Any:
    """Return a dataclass field that holds the options of another dataclass.

    Parameters
    ----------
    default : dataclass
        The options, which may have other defaults than their class.
    prefix : str
        Prefix of their names in TOML files and on the command line.
    title : str
        Prefix of their help texts.
    without : collection of str
        Names of options that are not offered to the user.
    """
    return field(default=default, metadata={_GROUP: (prefix, title, without)})


def options_of(settings: "DataclassInstance") -> dict[str, Option]:
    """Return the options of a dataclass and of its groups by their names.

    Parameters
    ----------
    settings : dataclass
        Its values are the defaults of the options.

    Examples
    --------
    >>> from ecgstore.config import Config
    >>> options_of(Config())["fs"].expected
    'a number, 50 to 20,000 Hz'
    """
    options: dict[str, Option] = {}
    for member in fields(settings):
        value = getattr(settings, member.name)
        if _GROUP not in member.metadata:
            annotation, is_optional = _without_none(member.type)
            declared = dict(member.metadata[_OPTION])
            if get_origin(annotation) is Literal:
                annotation, declared["choices"] = str, get_args(annotation)
            options[member.name] = Option(
                name=member.name,
                path=(member.name,),
                type=get_origin(annotation) or annotation,
                is_optional=is_optional,
                default=value,
                **declared,
            )
            continue
        prefix, title, without = member.metadata[_GROUP]
        for name, inner in options_of(value).items():
            if name not in without:
                text = inner.help
                options[prefix + name] = replace(
                    inner,
                    name=prefix + name,
                    path=(member.name, *inner.path),
                    help=f"{title}: {text[0].lower()}{text[1:]}" if title else text,
                )
    return options


def check(settings: "DataclassInstance") -> None:
    """Check every option of a frozen dataclass, and convert it to its type.

    For ``__post_init__``.

    Raises
    ------
    ConfigError
        If a value has the wrong type or is not allowed.
    """
    for name, declared in options_of(settings).items():
        if declared.path == (name,):
            object.__setattr__(settings, name, declared.checked(declared.default))


def updated(
    settings: "Settings", values: Mapping[str, object], origin: str = ""
) -> "Settings":
    """Return a copy with some options replaced.

    Parameters
    ----------
    settings : dataclass
        The options.
    values : Mapping
        Names and values, as from a TOML file.
    origin : str
        Source of the values, for error messages.

    Raises
    ------
    ConfigError
        If a name is unknown, or a value has the wrong type or is not allowed.
    """
    known = options_of(settings)
    try:
        changes: dict[tuple[str, ...], Any] = {}
        for name, value in values.items():
            if name not in known:
                raise ConfigError(
                    f"unknown option {short_repr(name)}; {did_you_mean(name, known)}"
                    f"expected one of {', '.join(sorted(known))}"
                )
            changes[known[name].path] = known[name].checked(value)
        return _replaced(settings, changes)
    except ConfigError as error:
        if not origin:
            raise
        raise ConfigError(f"{origin}: {error}") from error


def overridden(
    settings: "Settings", file: Path | None, values: Mapping[str, object]
) -> "Settings":
    """Return options overridden by a TOML file, and both by single values.

    Parameters
    ----------
    settings : dataclass
        The options.
    file : Path, optional
        A TOML file of options, each as ``name = value``.
    values : Mapping
        Names and values of single options.

    Raises
    ------
    ConfigError
        If the file cannot be read, a name is unknown or a value is not allowed.
    """
    if file is not None:
        content = read_toml(file, "options", "fs = 500")
        settings = updated(settings, content, str(file))
    return updated(settings, values)


def to_dict(settings: "DataclassInstance") -> dict[str, Any]:
    """Return every option as a value of JSON, groups as dicts of their own."""
    values: dict[str, Any] = {}
    for member in fields(settings):
        value = getattr(settings, member.name)
        if _GROUP in member.metadata:
            value = to_dict(value)
        elif isinstance(value, tuple):
            value = list(value)
        elif hasattr(value, "to_json"):
            value = value.to_json()
        values[member.name] = value
    return values


def _replaced(
    settings: "Settings", changes: Mapping[tuple[str, ...], Any]
) -> "Settings":
    """Return a copy with the values at some paths replaced."""
    changed = {path[0]: value for path, value in changes.items() if len(path) == 1}
    for name in {path[0] for path in changes if len(path) > 1}:
        inner = {path[1:]: value for path, value in changes.items() if path[0] == name}
        changed[name] = _replaced(getattr(settings, name), inner)
    return replace(settings, **changed)


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """Return a type without None, and whether None was part of it."""
    types = get_args(annotation)
    if NoneType not in types:
        return annotation, False
    [only] = [member for member in types if member is not NoneType]
    return only, True


def _number(value: float) -> str:
    """Return a limit as text."""
    if value == 2**63 - 1:
        return "2**63 - 1"
    return f"{value:,}"


def read_toml(path: Path, what: str, example: str) -> dict[str, object]:
    """Return the content of a TOML file.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What the file holds, for errors.
    example : str
        A line of such a file, for errors.

    Raises
    ------
    ConfigError
        If the file cannot be read.
    """
    require_regular_file(path)
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ValueError(f"larger than {_MOST_BYTES:,} bytes")
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
        return tomllib.loads(text)
    # Besides TOMLDecodeError: numbers of thousands of digits, brackets that are nested
    # too deeply.
    except (OSError, ValueError, RecursionError) as error:
        reason = cause_of(error) if isinstance(error, OSError) else error
        raise ConfigError(
            f"{path}: not a readable TOML file of {what} ({reason}); "
            f"expected lines such as: {example}"
        ) from error
