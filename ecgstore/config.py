"""Every option that shapes the data of a store, validated once."""

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, Self

from ecgstore.diagnoses import SELECT_RULES, ClassSet, class_set
from ecgstore.errors import ConfigError

N_FOLDS: Final = 10
"""Folds of every store; no option, so that results on a fold can be compared."""

BEATS: Final = ("ecgstore", "neurokit", "none")
"""Engines of `ecgstore.beats.find_beats`, and none."""


def _option(default: Any, description: str, *, choices: tuple[str, ...] = ()) -> Any:
    """Return a dataclass field that carries its own documentation."""
    return field(
        default=default, metadata={"description": description, "choices": choices}
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Options of a build; stored in the store's attribute ``config``.

    Every attribute is described by its field's metadata, from which the command
    line's help and the documentation are made.

    Raises
    ------
    ConfigError
        If a value is outside its range; the message names it and the range.

    Examples
    --------
    >>> Config(duration_s=5.0).n_samples
    2500
    >>> Config(low_hz=50.0)
    Traceback (most recent call last):
        ...
    ecgstore.errors.ConfigError: option low_hz is 50.0; expected a frequency \
above 0 and below high_hz (40.0)
    """

    classes: ClassSet = field(
        default_factory=lambda: class_set("hybrid7"),
        metadata={
            "description": "class set: a preset's name or a TOML file",
            "choices": (),
        },
    )
    select: str = _option(
        "any",
        "which records to keep: any of the codes is in the class set, the first code "
        "is, or all records",
        choices=SELECT_RULES,
    )
    exclude_sources: tuple[str, ...] = _option((), "sources to leave out")
    limit: int | None = _option(None, "stop after this many selected records")
    fs: float = _option(500.0, "sampling rate of the store in Hz")
    duration_s: float = _option(
        10.0, "length of every stored signal in s: longer records are cut at their end"
    )
    low_hz: float = _option(0.5, "lower edge of the band-pass filter in Hz")
    high_hz: float = _option(40.0, "upper edge of the band-pass filter in Hz")
    filter_order: int = _option(
        3, "order of the Butterworth filter, before it runs forwards and backwards"
    )
    margin_s: float = _option(
        3.0, "seconds of a longer record beyond the cut that the filter sees"
    )
    dtype: str = _option(
        "int16",
        "stored numbers: int16 counts of 1 uV, or float32 mV",
        choices=("int16", "float32"),
    )
    min_duration_s: float = _option(2.0, "quarantine records shorter than this, in s")
    max_gap_s: float = _option(
        0.1, "interpolate missing samples up to this long, in s; quarantine longer gaps"
    )
    reject_flat_leads: bool = _option(
        False, "quarantine records with a constant lead instead of flagging them"
    )
    max_clipped_fraction: float = _option(
        0.5, "quarantine records with a larger part of a lead stuck at its extremes"
    )
    beats: str = _option(
        "ecgstore",
        "what finds beats and waves, for the handcrafted features: the package's own "
        "engine, NeuroKit2 (slow; for comparison), or none",
        choices=BEATS,
    )
    rr_convention: str = _option(
        "neurokit",
        "definitions of pNNx and SDNN: see docs/features.md",
        choices=("neurokit", "mietus", "prototype"),
    )

    def __post_init__(self) -> None:
        """Bring numbers to their type, and check every value."""
        for each in fields(self):
            if each.type is float:  # so that equal options give equal text
                object.__setattr__(self, each.name, float(getattr(self, each.name)))
            choices = each.metadata["choices"]
            value = getattr(self, each.name)
            if choices and value not in choices:
                raise ConfigError(
                    f"option {each.name} is {value!r}; expected one of "
                    + ", ".join(choices)
                )
        self._require(
            "fs", 50 <= self.fs <= 20_000, "a sampling rate from 50 to 20,000 Hz"
        )
        self._require(
            "duration_s", 1 <= self.duration_s <= 3600, "a length from 1 to 3600 s"
        )
        self._require(
            "high_hz",
            0 < self.high_hz < self.fs / 2,
            f"a frequency above 0 and below half the sampling rate ({self.fs / 2})",
        )
        self._require(
            "low_hz",
            0 < self.low_hz < self.high_hz,
            f"a frequency above 0 and below high_hz ({self.high_hz})",
        )
        self._require("filter_order", 1 <= self.filter_order <= 8, "1 to 8")
        self._require("margin_s", 0 <= self.margin_s <= 60, "0 to 60 s")
        self._require(
            "min_duration_s",
            0 <= self.min_duration_s <= self.duration_s,
            f"0 to duration_s ({self.duration_s}) seconds",
        )
        self._require("max_gap_s", 0 <= self.max_gap_s <= 10, "0 to 10 s")
        self._require(
            "max_clipped_fraction", 0 <= self.max_clipped_fraction <= 1, "0 to 1"
        )
        self._require("limit", self.limit is None or self.limit >= 1, "1 or more")

    def _require(self, name: str, holds: bool, expected: str) -> None:
        """Refuse the value of one option; a NaN fails every comparison."""
        if not holds:
            raise ConfigError(
                f"option {name} is {getattr(self, name)!r}; expected {expected}"
            )

    @property
    def n_samples(self) -> int:
        """Number of samples of every stored lead."""
        return round(self.fs * self.duration_s)

    @property
    def max_beats(self) -> int:
        """Number of beats with room in the store: 300 beats per minute."""
        return math.ceil(self.duration_s * 5)

    def to_json(self) -> str:
        """Return every option as JSON; equal options give equal text."""
        values: dict[str, Any] = {
            each.name: getattr(self, each.name) for each in fields(self)
        }
        values["classes"] = self.classes.to_json()
        return json.dumps(values, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the options that `to_json` wrote."""
        values = json.loads(text)
        values["classes"] = ClassSet.from_json(values["classes"])
        values["exclude_sources"] = tuple(values["exclude_sources"])
        if isinstance(values["beats"], bool):
            # Stores of before there was a choice: NeuroKit2 it was, or nothing.
            values["beats"] = "neurokit" if values["beats"] else "none"
        return cls(**values)

    def updated(self, values: Mapping[str, object], origin: str) -> Self:
        """Return a copy with some options replaced.

        Parameters
        ----------
        values : Mapping
            Option names and values, as from a TOML file.
        origin : str
            Where they come from, for the message of an error.

        Raises
        ------
        ConfigError
            If a name is unknown, or a value has the wrong type or range.
        """
        known = {each.name for each in fields(self)}
        checked: dict[str, Any] = {}
        for name, value in values.items():
            if name not in known:
                raise ConfigError(
                    f"{origin}: unknown option {name!r}; expected one of "
                    + ", ".join(sorted(known))
                )
            checked[name] = _typed(name, value, getattr(self, name), origin)
        return replace(self, **checked)


def _typed(name: str, value: object, current: object, origin: str) -> object:
    """Return a TOML value as its option's type; `current` shows the type."""
    if name == "classes":
        return class_set(_expect(name, value, str, "a preset or a file", origin))
    if name == "exclude_sources":
        items = _expect(name, value, list, "a list of sources", origin)
        return tuple(str(item) for item in items)
    if name == "beats":
        names = " or ".join(f'"{each}"' for each in BEATS)
        return _expect(name, value, str, names, origin)
    if name == "limit":
        return _expect(name, value, int, "a whole number", origin)
    if isinstance(current, float) and isinstance(value, int):
        value = value if isinstance(value, bool) else float(value)
    return _expect(name, value, type(current), _KINDS[type(current)], origin)


_KINDS: Final = {
    bool: "true or false",
    float: "a number, without quotes",
    int: "a whole number, without quotes",
    str: "a text in quotes",
}


def _expect(name: str, value: object, kind: type, expected: str, origin: str) -> Any:
    """Return the value, or say that it is of the wrong type."""
    wrong_bool = isinstance(value, bool) and kind is not bool
    if wrong_bool or not isinstance(value, kind):
        raise ConfigError(f"{origin}: option {name} is {value!r}; expected {expected}")
    return value


PRESETS: Final[Mapping[str, Mapping[str, object]]] = {
    "default": {},
    "prototype": {
        # What the research prototype chose on purpose. Its defects are not repeated:
        # the causal filter over flattened leads, counts taken for mV, lead I only.
        "classes": "hybrid6",
        "select": "first",
        "exclude_sources": ["st_petersburg_incart"],
        "high_hz": 24.0,
        "filter_order": 2,
        "rr_convention": "prototype",
    },
}
"""Named sets of options for `make_config`."""


def make_config(
    *,
    preset: str = "default",
    file: Path | None = None,
    options: Mapping[str, object] | None = None,
) -> Config:
    """Compose options: a preset, overridden by a TOML file, overridden by values.

    Parameters
    ----------
    preset : str
        A name in `PRESETS`.
    file : Path, optional
        A TOML file of options, each as ``name = value``.
    options : Mapping, optional
        Single options that override both.

    Raises
    ------
    ConfigError
        If the preset or an option is unknown, or the file cannot be read.

    Examples
    --------
    >>> make_config(preset="prototype").high_hz
    24.0
    """
    if preset not in PRESETS:
        raise ConfigError(
            f"unknown preset {preset!r}; expected one of {', '.join(PRESETS)}"
        )
    config = Config().updated(PRESETS[preset], f"preset {preset}")
    if file is not None:
        config = config.updated(_read_toml(file), str(file))
    return config.updated(options or {}, "options")


def _read_toml(path: Path) -> dict[str, object]:
    """Return the content of a TOML file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"{path}: not a readable TOML file of options ({reason}); "
            "expected lines such as: fs = 500"
        ) from error
