"""Arguments and options of commands that train networks, or use trained ones."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ecgstore.record import LEADS

if TYPE_CHECKING:
    from ecgstore.models.settings import ModelSettings, TrainingSettings

_MODEL: Final = ("model", "normalise_by", "fs", "leads")

DEVICE: Final = click.option(
    "--device", metavar="NAME", help="Such as cpu or cuda:1.  [a GPU if there is one]"
)
CHECKPOINT: Final = click.argument("checkpoint", type=click.Path(path_type=Path))
BATCH_SIZE: Final = click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    help="Records at a time.",
)
QUIET: Final = click.option("--quiet", is_flag=True, help="Show no progress.")


def model_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of `ModelSettings` and `TrainingSettings`.

    An option that is not given is None, so that defaults are said in one place.
    """
    for decorator in reversed(
        (
            click.option(
                "--model",
                metavar="NAME",
                help="cnn, resnet18, xresnet1d50 or xresnet1d101.  [resnet18]",
            ),
            click.option(
                "--fs",
                type=float,
                metavar="HZ",
                help="Bring signals to this sampling rate; it must divide the store's. "
                "100 is five times as fast as 500.  [the store's]",
            ),
            click.option(
                "--leads",
                metavar="NAMES",
                help="Leads to use, such as I,II,V2.  [all twelve]",
            ),
            click.option(
                "--normalise-by",
                type=click.Choice(("record", "lead")),
                help="Normalise all leads of a record together, or each.  [record]",
            ),
            click.option("--epochs", type=int, help="At most so many.  [30]"),
            click.option("--batch-size", type=int, help="Records of a step.  [32]"),
            click.option(
                "--learning-rate", type=float, help="The highest one.  [0.002]"
            ),
            click.option("--weight-decay", type=float, help="Of AdamW.  [0.01]"),
            click.option(
                "--patience",
                type=int,
                help="Stop after so many epochs without a better AUROC.  [8]",
            ),
            click.option(
                "--average-decay",
                type=float,
                help="Keep a moving average of the weights with this decay a step, "
                "such as 0.99.  [0: none]",
            ),
            click.option(
                "--augment/--no-augment",
                default=None,
                help="Change training signals at random.  [augment]",
            ),
            click.option(
                "--precision",
                type=click.Choice(("auto", "float32", "bfloat16")),
                help="Mixed precision with bfloat16, or none.  [auto: on a GPU]",
            ),
        )
    ):
        command = decorator(command)
    return command


def settings_from(
    options: dict[str, Any], model: "ModelSettings", training: "TrainingSettings"
) -> tuple["ModelSettings", "TrainingSettings"]:
    """Return settings with the options that were given.

    Parameters
    ----------
    options : dict
        Values of the options of `model_options`, None where not given.
    model, training : ModelSettings, TrainingSettings
        What holds without them.

    Raises
    ------
    ConfigError
        If a value is outside its range.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if "leads" in given:
        given["leads"] = leads_from(given["leads"])
    return (
        replace(model, **{key: given.pop(key) for key in _MODEL if key in given}),
        replace(training, **given),
    )


def leads_from(text: str) -> tuple[str, ...]:
    """Return the names of leads in a text such as ``"I, ii,V2"``."""
    known = {name.lower(): name for name in LEADS}
    parts = [part.strip() for part in text.split(",")]
    return tuple(known.get(part.lower(), part) for part in parts)
