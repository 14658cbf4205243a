"""Options: what a declaration says is checked, converted, and written as JSON."""

import json
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from ecgstore.cli.commands.train import TrainOptions
from ecgstore.config import Config
from ecgstore.errors import ConfigError
from ecgstore.models.comparison.settings import ComparisonSettings
from ecgstore.options import (
    Option,
    check,
    group,
    option,
    options_of,
    overridden,
    to_dict,
    updated,
)

DECLARED = [
    (type(settings).__name__, declared)
    for settings in (Config(), TrainOptions(), ComparisonSettings())
    for declared in options_of(settings).values()
]
every_option = pytest.mark.parametrize(
    "declared",
    [declared for _, declared in DECLARED],
    ids=[f"{name}-{declared.name}" for name, declared in DECLARED],
)


@dataclass(frozen=True, kw_only=True)
class Wave:
    """Options of a wave."""

    n_cycles: int = option(2, "Number of cycles.", minimum=1, maximum=9)
    height_mv: float = option(0.5, "Height.", above=0, below=5, unit="mV")
    shape: Literal["sine", "square"] = option("sine", "Shape.")
    phase: float | None = option(None, "Phase.", none="random")

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, kw_only=True)
class Sum:
    """Options of a sum of two waves."""

    names: tuple[str, ...] = option(("a",), "Names.", choices=("a", "b", "c"))
    is_clipped: bool = option(False, "Clip the sum.")
    first: Wave = group(Wave())
    second: Wave = group(
        Wave(n_cycles=3), prefix="second_", title="Second wave", without=("shape",)
    )

    def __post_init__(self) -> None:
        check(self)


# -- every option of builds, trainings and comparisons ------------------------


@every_option
def test_whole_numbers_have_limits(declared: Option) -> None:
    if declared.type is int:
        assert declared.minimum is not None
        assert declared.maximum is not None
        for number in (10**300, int(declared.maximum) + 1):
            with pytest.raises(ConfigError, match=re.escape(declared.limits)):
                declared.checked(number)


@every_option
def test_default_is_allowed(declared: Option) -> None:
    assert declared.checked(declared.default) == declared.default


@every_option
def test_help_is_a_sentence_without_the_default(declared: Option) -> None:
    assert declared.help.endswith(".")
    assert declared.help[0].isupper()
    assert "[" not in declared.help
    assert "default" not in declared.help


@every_option
def test_limits_are_kept(declared: Option) -> None:
    closed = [declared.minimum, declared.maximum]
    open_ = [declared.above, declared.below]
    for limit, beyond in zip(closed, (-math.inf, math.inf), strict=True):
        if limit is not None:
            assert declared.checked(declared.type(limit)) == limit
            outside = (
                limit + math.copysign(1, beyond)
                if declared.type is int
                else math.nextafter(limit, beyond)
            )
            with pytest.raises(ConfigError, match=f"option {declared.name} is "):
                declared.checked(declared.type(outside))
    for limit, inwards in zip(open_, (math.inf, -math.inf), strict=True):
        if limit is not None:
            inside = math.nextafter(limit, inwards)
            assert declared.checked(inside) == inside
            with pytest.raises(ConfigError, match=f"option {declared.name} is "):
                declared.checked(declared.type(limit))


@every_option
def test_wrong_types_are_named(declared: Option) -> None:
    wrong: list[Any] = [object(), {"a": 1}.keys(), b"text"]
    if declared.type in (int, float):
        wrong += ["3", True, math.nan, math.inf, -math.inf, [1]]
    if declared.type is int:
        wrong += [1.5, 3.0]
    if declared.type is bool:
        wrong += [0, 1, "true", None]
    if declared.type is str:
        wrong += [1, True, ["any"], *([] if declared.is_optional else [None])]
    if declared.type is tuple:
        wrong += [7, [1], [[]]]
    for value in wrong:
        with pytest.raises(ConfigError, match="expected ") as caught:
            declared.checked(value)
        assert declared.name in str(caught.value)


@every_option
def test_choices_are_the_values_allowed(declared: Option) -> None:
    for choice in declared.choices:
        value: Any = (choice,) if declared.type is tuple else choice
        assert declared.checked(value) == value
        wrong: Any = (f"{choice}x",) if declared.type is tuple else f"{choice}x"
        with pytest.raises(ConfigError, match=", ".join(declared.choices)):
            declared.checked(wrong)


@pytest.mark.parametrize(
    "settings", [Config(), TrainOptions(), ComparisonSettings()], ids=repr
)
def test_every_name_is_one_option(settings: Any) -> None:
    options = options_of(settings)
    assert len({declared.path for declared in options.values()}) == len(options)
    for name, declared in options.items():
        value: Any = settings
        for step in declared.path:
            value = getattr(value, step)
        assert declared.name == name
        assert declared.default == value


def test_choices_are_those_of_the_code_that_uses_them() -> None:
    from ecgstore.beats import ENGINES
    from ecgstore.features.rr.compute import CONVENTIONS
    from ecgstore.models.comparison.protocols import PROTOCOLS
    from ecgstore.models.networks.names import MODELS

    build = options_of(Config())
    assert build["beats"].choices == (*ENGINES, "none")
    assert set(build["rr_convention"].choices) == set(CONVENTIONS)
    comparison = options_of(ComparisonSettings())
    assert all(name in comparison["model"].help for name in MODELS)
    assert comparison["protocols"].choices == tuple(PROTOCOLS)


# -- declarations ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected", "default"),
    [
        ("names", "a list of one or more of a, b, c, each once", "a"),
        ("is_clipped", "true or false", "false"),
        ("n_cycles", "a whole number, 1 to 9", "2"),
        ("height_mv", "a number, above 0, below 5 mV", "0.5"),
        ("shape", "one of sine, square", "sine"),
        ("phase", "a number", "random"),
        ("second_n_cycles", "a whole number, 1 to 9", "3"),
    ],
)
def test_a_declaration_says_what_is_expected(
    name: str, expected: str, default: str
) -> None:
    declared = options_of(Sum())[name]
    assert (declared.expected, declared.default_text) == (expected, default)


def test_groups_have_prefixes_and_titles() -> None:
    options = options_of(Sum())
    assert "second_shape" not in options
    assert options["second_n_cycles"].help == "Second wave: number of cycles."
    assert options["n_cycles"].help == "Number of cycles."


def test_values_are_converted_to_their_types() -> None:
    wave = Wave(n_cycles=np.int64(4), height_mv=1)  # type: ignore[arg-type]
    assert wave == Wave(n_cycles=4, height_mv=1.0)
    assert (type(wave.n_cycles), type(wave.height_mv)) == (int, float)
    assert Sum(names=["b"]).names == ("b",)  # type: ignore[arg-type]
    json.dumps(to_dict(wave))


@pytest.mark.parametrize("names", [(), ("a", "a"), ("d",), "a"])
def test_lists_hold_each_choice_once(names: Any) -> None:
    with pytest.raises(ConfigError, match="of a, b, c, each once"):
        Sum(names=names)


# -- values -----------------------------------------------------------------------


def test_an_update_changes_one_option() -> None:
    before = Sum()
    after = updated(before, {"second_n_cycles": 7, "names": ["c"], "phase": 1})
    assert after == Sum(names=("c",), first=Wave(phase=1.0), second=Wave(n_cycles=7))
    assert before == Sum()


def test_errors_of_an_update_say_where() -> None:
    for values, message in (
        ({"second_n_cycles": 0}, "here: option second_n_cycles is 0; expected a whole"),
        (
            {"second_shape": "sine"},
            "here: unknown option 'second_shape'; did you",
        ),
        ({"first": Wave()}, "here: unknown option 'first'"),
    ):
        with pytest.raises(ConfigError, match=message):
            updated(Sum(), values, "here")
    with pytest.raises(ConfigError, match=r"^option n_cycles is 0"):
        updated(Sum(), {"n_cycles": 0})


def test_checks_across_options_say_where() -> None:
    with pytest.raises(ConfigError, match=r"here: option low_hz is 45\.0; expected a"):
        updated(Config(), {"low_hz": 45}, "here")


def test_values_override_the_file_and_the_file_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "options.toml"
    file.write_text('shape = "square"\nn_cycles = 5\nsecond_phase = 2\n')
    settings = replace(Sum(), first=Wave(n_cycles=9, height_mv=4))
    result = overridden(settings, file, {"n_cycles": 6})
    assert result.first == Wave(n_cycles=6, height_mv=4, shape="square")
    assert result.second == Wave(n_cycles=3, phase=2.0)
    assert overridden(settings, None, {}) == settings


def test_json_has_every_option_and_every_group() -> None:
    assert json.loads(json.dumps(to_dict(Sum()))) == {
        "names": ["a"],
        "is_clipped": False,
        "first": {"n_cycles": 2, "height_mv": 0.5, "shape": "sine", "phase": None},
        "second": {"n_cycles": 3, "height_mv": 0.5, "shape": "sine", "phase": None},
    }


def test_settings_are_made_again_from_their_json() -> None:
    comparison = updated(
        ComparisonSettings(), {"leads": ["ii", "V2"], "fs": 100, "fusion_epochs": 3}
    )
    for settings in (comparison.model, comparison.training, comparison.fusion):
        values = json.loads(json.dumps(settings.to_dict()))
        assert type(settings)(**values) == settings
    assert comparison.to_dict()["model"]["leads"] == ["II", "V2"]


@every_option
@pytest.mark.parametrize("value", [10**400, 16**5000], ids=["400", "5000 digits"])
def test_an_integer_beyond_floating_point_is_refused(
    declared: Option, value: int
) -> None:
    with pytest.raises(ConfigError, match="expected"):
        declared.checked(value)


@pytest.mark.parametrize(
    "content",
    ["n_cycles = " + "9" * 5000, "n_cycles = " + "[" * 5000, "#" * 100_000],
    ids=["digits", "brackets", "size"],
)
def test_a_file_that_cannot_be_parsed_is_refused(content: str, tmp_path: Path) -> None:
    file = tmp_path / "wave.toml"
    file.write_text(content)
    with pytest.raises(ConfigError, match="not a readable TOML file of options"):
        overridden(Wave(), file, {})


def test_a_message_shows_a_long_value_in_part() -> None:
    with pytest.raises(ConfigError, match=r"x{200}.*expected one of sine") as raised:
        updated(Wave(), {"shape": "x" * 10_000})
    assert len(str(raised.value)) < 500


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    file = tmp_path / "wave.toml"
    file.write_bytes(b"\xef\xbb\xbfn_cycles = 7\r\nphase = 1.5\r\n")
    assert overridden(Wave(), file, {}) == Wave(n_cycles=7, phase=1.5)
