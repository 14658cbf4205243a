"""Every declared option is a flag and a key of ``--config``, with help."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from ecgstore.cli import cli
from ecgstore.cli.commands.train import TrainOptions
from ecgstore.cli.options.folds import folds_from
from ecgstore.config import Config
from ecgstore.errors import ConfigError
from ecgstore.models.comparison.settings import ComparisonSettings
from ecgstore.options import Option, options_of, updated

Run = Callable[..., tuple[int, str, str]]

NAMES_FILE = Path(__file__).parent.parent / "data" / "leads" / "lead-names.toml"

SETTINGS: dict[str, Any] = {
    "build": Config(),
    "train": TrainOptions(),
    "compare": ComparisonSettings(),
}
OPTIONS = [
    (command, option)
    for command, settings in SETTINGS.items()
    for option in options_of(settings).values()
]
every_option = pytest.mark.parametrize(
    ("command", "option"),
    OPTIONS,
    ids=[f"{command}-{option.name}" for command, option in OPTIONS],
)

OTHER: dict[str, Any] = {
    "classes": "cinc2020",
    "columns": ["site", "ward"],
    "folds_from": "strat_fold",
    "label_column": "befund",
    "label_key": ["Befund"],
    "min_likelihood": 50.0,
    "targets": ["age"],
    "exclude_sources": ["ptb", "st_petersburg_incart"],
    "lead_names": str(NAMES_FILE),
    "leads": ["II", "V2"],
    "learning_curve": ["70", "90"],
    "limit": 7,
    "model": "cnn",
    "windows": "every=10s",
}
"""Values that are not the default, where none follows from the declaration."""


def other_value(option: Option) -> Any:
    """Return a value that is not the default, as a TOML file has it."""
    if option.name in OTHER:
        return OTHER[option.name]
    if option.type is bool:
        return not option.default
    if option.choices:
        other = next(choice for choice in option.choices if choice != option.default)
        return [other] if option.type is tuple else other
    if option.type is int:
        return option.default + 1
    return 100.0 if option.default is None else option.default * 0.75 or 0.5


def flag_of(option: Option, value: Any) -> list[str]:
    """Return the words of the command line that give an option a value."""
    flag = option.name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    return [f"--{flag}", ",".join(value) if isinstance(value, list) else str(value)]


@pytest.fixture
def settings_of(
    monkeypatch: pytest.MonkeyPatch, sample_store: Path, tmp_path: Path, run: Run
) -> Callable[..., Any]:
    """Return a function that gives the settings which a command's words lead to."""
    from ecgstore.models.comparison import run as comparison_run
    from ecgstore.models.training import run as training_run

    received: list[Any] = []

    def survey(sources: object, config: Config, **_: object) -> None:
        received.append(config)
        raise ConfigError("received")

    def train_into(
        _: Path, training: Any, validation: Any, *settings: Any, **__: Any
    ) -> None:
        received.append(TrainOptions(model=settings[0], training=settings[1]))
        raise ConfigError("received")

    def compare(store: Any, settings: ComparisonSettings, *_: Any, **__: Any) -> None:
        received.append(settings)
        raise ConfigError("received")

    monkeypatch.setattr("ecgstore.builder.survey", survey)
    monkeypatch.setattr(training_run, "train_into", train_into)
    monkeypatch.setattr(comparison_run, "compare", compare)
    first_words = {
        "build": ("build", "records", "--dry-run"),
        "train": ("train", sample_store, "-o", tmp_path / "run"),
        "compare": ("compare", sample_store, "-o", tmp_path / "comparison"),
    }

    def settings(command: str, *words: object) -> Any:
        code, _, errors = run(*first_words[command], *words)
        *_, error = errors.splitlines()  # warnings may stand before it
        assert (code, error) == (1, "ecgstore: received")
        return received.pop()

    return settings


@every_option
def test_a_flag_changes_its_own_option(
    command: str, option: Option, settings_of: Callable[..., Any]
) -> None:
    value = other_value(option)
    expected = updated(SETTINGS[command], {option.name: value})
    assert expected != SETTINGS[command]
    assert settings_of(command, *flag_of(option, value)) == expected


@pytest.mark.parametrize("command", SETTINGS)
def test_no_flag_changes_nothing(command: str, settings_of: Callable[..., Any]) -> None:
    assert settings_of(command) == SETTINGS[command]


@pytest.mark.parametrize("command", SETTINGS)
def test_a_file_may_hold_every_option(
    command: str, settings_of: Callable[..., Any], tmp_path: Path
) -> None:
    options = options_of(SETTINGS[command])
    values = {name: other_value(option) for name, option in options.items()}
    file = tmp_path / "options.toml"
    file.write_text("".join(f"{key} = {json.dumps(values[key])}\n" for key in values))
    expected = updated(SETTINGS[command], values)
    assert settings_of(command, "--config", file) == expected
    name = "fs" if command == "build" else "batch_size"
    flag = f"--{name.replace('_', '-')}"
    assert settings_of(command, "--config", file, flag, 400) == updated(
        expected, {name: 400}
    )


def test_quick_is_overridden_by_file_and_flags(
    settings_of: Callable[..., Any], tmp_path: Path
) -> None:
    quick = settings_of("compare", "--quick")
    assert quick.protocols == ("patients",)
    assert (quick.model.model, quick.model.fs, quick.n_seeds) == (
        "minirocket",
        100.0,
        1,
    )
    assert quick.learning_curve == ()
    assert quick.fusion.epochs < ComparisonSettings().fusion.epochs
    assert quick.fusion.augment is False
    file = tmp_path / "options.toml"
    file.write_text("n_seeds = 2\nfusion_epochs = 3\n")
    words = ("--quick", "--config", file, "--n-seeds", 4, "--protocols", "sources")
    assert settings_of("compare", *words) == updated(
        quick, {"n_seeds": 4, "fusion_epochs": 3, "protocols": ["sources"]}
    )


@every_option
def test_help_has_sentence_default_and_limits(command: str, option: Option) -> None:
    context = click.Context(click.Command(command))
    made = cli.get_command(context, command)
    assert made is not None
    [parameter] = [flag for flag in made.params if flag.name == option.name]
    assert isinstance(parameter, click.Option)
    text = parameter.help or ""
    assert text.startswith(f"{option.help}  [default: {option.default_text}")
    assert option.limits in text
    if option.choices and option.type is str:
        assert isinstance(parameter.type, click.Choice)
        assert tuple(parameter.type.choices) == option.choices
    else:
        assert all(choice in text for choice in option.choices)


def test_every_export_can_be_chosen() -> None:
    from ecgstore.export import EXPORTS

    made = cli.get_command(click.Context(click.Command("export")), "export")
    assert made is not None
    [only] = [flag for flag in made.params if flag.name == "names"]
    assert isinstance(only.type, click.Choice)
    assert list(only.type.choices) == list(EXPORTS)


def test_folds_are_ranges_and_lists() -> None:
    context = click.Context(click.Command("x"))
    option = click.Option(["--folds"])
    for text, folds in (("9", (9,)), ("0-2,5, 1", (0, 1, 2, 5)), ("3-3", (3,))):
        assert folds_from(context, option, text) == folds
