"""Options of a build as flags, made from the one place that describes them."""

from collections.abc import Callable
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, Final

import click

from ecgstore.config import PRESETS, Config, make_config
from ecgstore.diagnoses import SELECT_RULES

STORE: Final = click.Path(path_type=Path, dir_okay=False)
"""The type of an argument that names a store."""

_SPECIAL: Final = {"exclude_sources", "reject_flat_leads", "classes", "select"}


def config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add a flag for every field of `Config`, a preset and a file of options."""
    defaults = Config()
    for each in reversed(fields(Config)):
        if each.name not in _SPECIAL:
            command = _flag(each, getattr(defaults, each.name))(command)
    descriptions = {each.name: each.metadata["description"] for each in fields(Config)}
    for decorator in (
        click.option("--no-beats", is_flag=True, help="The same as --beats none."),
        click.option(
            "--reject-flat-leads/--keep-flat-leads",
            default=None,
            help=descriptions["reject_flat_leads"] + "  [keep]",
        ),
        click.option(
            "--exclude-source",
            "exclude_sources",
            multiple=True,
            metavar="NAME",
            help="Leave out a source, such as st_petersburg_incart; repeat for more.",
        ),
        click.option(
            "--all-records",
            is_flag=True,
            help="Keep records outside the class set too (as --select all).",
        ),
        click.option(
            "--select",
            type=click.Choice(SELECT_RULES),
            help=descriptions["select"] + "  [any]",
        ),
        click.option(
            "--classes",
            metavar="NAME|FILE",
            help=descriptions["classes"] + "  [hybrid7]",
        ),
        click.option(
            "--config",
            "config_file",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="TOML file with any of these options, such as: fs = 250",
        ),
        click.option(
            "--preset",
            type=click.Choice(list(PRESETS)),
            default="default",
            show_default=True,
            help="Named options; flags and --config override them.",
        ),
    ):
        command = decorator(command)
    return command


def _flag(each: "Field[Any]", default: Any) -> Callable[..., Any]:
    """Return the flag of one option; without it, preset and file decide."""
    choices = each.metadata["choices"]
    kind: Any = click.Choice(choices) if choices else type(default)
    if each.name == "limit":
        kind = int
    shown = (
        ""
        if default is None
        else f"  [{default:g}]"
        if isinstance(default, float)
        else f"  [{default}]"
    )
    return click.option(
        "--" + each.name.replace("_", "-"),
        type=kind,
        default=None,
        help=each.metadata["description"] + shown,
    )


def config_from(
    preset: str, config_file: Path | None, all_records: bool, flags: dict[str, Any]
) -> Config:
    """Return the options that the flags ask for."""
    if flags.pop("no_beats", False):
        if flags["beats"] not in (None, "none"):
            raise click.UsageError(
                f"--no-beats contradicts --beats {flags['beats']}; give one of them"
            )
        flags["beats"] = "none"
    given = {
        name: value
        for name, value in flags.items()
        if value is not None and value != ()
    }
    if all_records:
        given["select"] = "all"
    if "exclude_sources" in given:
        given["exclude_sources"] = list(given["exclude_sources"])
    return make_config(preset=preset, file=config_file, options=given)
