"""Settings as the command line and the TOML file that give them again."""

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from ecgstore.models.networks.names import MODELS
from ecgstore.options import options_of
from ecgstore.reports.page import Block, Code, Paragraph

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_WIDTH: Final = 88


def rerun_blocks(
    command: str, *options: "tuple[DataclassInstance, Mapping[str, Any]]"
) -> list[Block]:
    """Return how to run a command again with all of its options.

    Parameters
    ----------
    command : str
        The command with its arguments.
    *options : (dataclass, Mapping)
        Options that the command declares, and their values of JSON, groups as Mappings
        of their own.
    """
    values = {
        name: value
        for declared, settings in options
        for name, value in _values(declared, settings)
    }
    own = [values["model"]] if values.get("model", MODELS[0]) not in MODELS else []
    blocks: list[Block] = [
        Paragraph(
            "The same options, seeds and software give the same numbers on the same "
            "store and kind of processor; on others, they may differ by rounding."
        ),
        Code(_wrapped([command, *_flags(values)])),
        Paragraph("The same options as a file for --config:"),
        Code("\n".join(_toml(values))),
    ]
    if own:
        blocks.insert(
            1,
            Paragraph(
                f"The network is one of its maker's own: give FILE.py:{own[0]} as "
                "--model, where FILE.py is the file that defines it."
            ),
        )
    return blocks


def _values(
    declared: "DataclassInstance", settings: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    """Yield names and values of declared options that the settings have."""
    for name, option in options_of(declared).items():
        value: Any = settings
        for part in option.path:
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None:
            yield name, value


def _flags(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the flag of each option."""
    for name, value in values.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            yield f"--{flag}" if value else f"--no-{flag}"
        else:
            text = ",".join(value) if isinstance(value, list) else str(value)
            yield f"--{flag} {shlex.quote(text)}"


def _wrapped(parts: list[str]) -> str:
    """Return a command in lines that a shell joins."""
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + len(part) + 3 > _WIDTH:
            lines.append(f"  {part}")
        else:
            lines[-1] += f" {part}"
    return " \\\n".join(lines)


def _toml(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the line of each option; texts of TOML are texts of JSON here."""
    for name, value in values.items():
        text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        yield f"{name} = {text}"
