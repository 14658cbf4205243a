"""The options of a build."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from ecgstore.chosen_leads import in_standard_order
from ecgstore.diagnoses import SELECT_RULES, ClassSet, class_set
from ecgstore.errors import ConfigError, short_repr
from ecgstore.lead_names import LeadNames, as_lead_names
from ecgstore.options import check, option, overridden, to_dict, updated
from ecgstore.record import LEADS, N_LEADS
from ecgstore.windows import Windows, windows_text

N_FOLDS: Final = 10
"""Number of folds of every store; fixed, so that results on a fold are comparable."""

VALIDATION_FOLD: Final = N_FOLDS - 2
"""Fold of the validation records, if no other is given."""

TEST_FOLD: Final = N_FOLDS - 1
"""Fold of the test records, if no other is given."""

BEATS: Final = ("ecgstore", "neurokit", "none")
"""Values of the option `beats`: the engines of `ecgstore.beats.find_beats`, or none."""


_LONGEST_COLUMN_NAME: Final = 64


def _is_column_name(name: str) -> bool:
    """Return whether a dataset of a store can have this name."""
    is_path = "/" in name or set(name) == {"."}
    fits = 0 < len(name) <= _LONGEST_COLUMN_NAME and name == name.strip()
    return fits and name.isprintable() and not is_path


def signal_mb(n_samples: float) -> float:
    """Return the MB that a signal of twelve leads takes in float64."""
    return n_samples * N_LEADS * 8 / 1e6


def _class_set(value: object) -> ClassSet:
    """Return the class set of a name, a TOML file or JSON."""
    if isinstance(value, ClassSet):
        return value
    if isinstance(value, str):
        return class_set(value)
    if isinstance(value, Mapping):
        return ClassSet.from_json(value)
    raise ConfigError(
        f"option classes is {short_repr(value)}; expected the name of a class set or a "
        "TOML file"
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Options of a build; stored in the store as `/config`.

    See docs/options.md for every option.

    Raises
    ------
    ConfigError
        If a value has the wrong type or range; the message names what was expected.

    Examples
    --------
    >>> Config(duration_s=5.0).n_samples
    2500
    >>> Config(low_hz=50.0)
    Traceback (most recent call last):
        ...
    ecgstore.errors.ConfigError: option low_hz is 50.0; expected a frequency \
below high_hz (40.0)
    """

    classes: ClassSet = option(
        class_set("hybrid7"),
        "Class set: its name or a TOML file.",
        metavar="NAME|FILE",
        convert=_class_set,
    )
    select: str = option(
        "any",
        "Records to keep: those with any code in the class set, or said to have none "
        "of it; those whose first code is in it; or all.",
        choices=SELECT_RULES,
    )
    label_key: tuple[str, ...] = option(
        ("Labels", "Chagas label"),
        "Keys of comments in headers whose values are labels, besides Dx: a list of "
        "codes, or true or false.",
        metavar="KEY,...",
    )
    label_column: str | None = option(
        None,
        "Column of the tables of --labels that holds codes.",
        metavar="COLUMN",
        none="scp_codes, dx, ..., and the columns named as classes",
    )
    min_likelihood: float = option(
        0.0,
        "Leave out codes with a smaller likelihood in a table; PTB-XL has 0 where it "
        "is unknown, as for all statements of form and rhythm.",
        minimum=0,
        maximum=100,
        unit="percent",
    )
    folds_from: str | None = option(
        None,
        "Column of the tables with the fold of each record, such as PTB-XL's "
        "strat_fold; records without one, and those that would separate a patient, "
        "are assigned.",
        metavar="COLUMN",
        none="folds are assigned",
    )
    columns: tuple[str, ...] = option(
        (),
        "Columns of the tables to store with the records.",
        metavar="COLUMN,...",
    )
    targets: tuple[str, ...] = option(
        (),
        "Columns of the tables, or age, to store as numbers to predict.",
        metavar="COLUMN,...",
    )
    exclude_sources: tuple[str, ...] = option(
        (), "Sources to leave out, such as st_petersburg_incart."
    )
    limit: int | None = option(
        None,
        "Stop after this many selected records.",
        minimum=1,
        maximum=1_000_000_000,
        none="no limit",
    )
    leads: tuple[str, ...] = option(
        LEADS,
        "Leads of the store; the others of a record do not matter, and it need not "
        "have them.",
        convert=in_standard_order,
    )
    lead_names: LeadNames = option(
        LeadNames(),
        "TOML file that says which leads other names mean; see docs/format.md.",
        metavar="FILE",
        convert=as_lead_names,
    )
    allow_missing_leads: bool = option(
        False,
        "Store records that lack some of the leads, as zeros, instead of leaving them "
        "out.",
    )
    fs: float = option(
        500.0, "Sampling rate of the store.", minimum=50, maximum=20_000, unit="Hz"
    )
    duration_s: float = option(
        10.0,
        "Length of every stored signal: longer records are cut at their end, shorter "
        "ones are padded with zeros.",
        minimum=1,
        maximum=3600,
        unit="seconds",
    )
    windows: str | None = option(
        None,
        "Divide records into windows of duration_s, a row for each, such as "
        "every=10s, or every=10s,overlap=5s for windows that share 5 s.",
        metavar="every=10s[,overlap=5s]",
        none="the beginning only",
        convert=windows_text,
    )
    low_hz: float = option(
        0.5, "Lower cutoff frequency of the band-pass filter.", above=0, unit="Hz"
    )
    high_hz: float = option(
        40.0,
        "Upper cutoff frequency of the band-pass filter, below half of fs.",
        above=0,
        unit="Hz",
    )
    filter_order: int = option(
        3,
        "Order of the Butterworth filter, which is applied forwards and backwards.",
        minimum=1,
        maximum=8,
    )
    margin_s: float = option(
        3.0,
        "How much of a longer record beyond the cut is filtered too, so that the cut "
        "has no edge effects.",
        minimum=0,
        maximum=60,
        unit="seconds",
    )
    dtype: str = option(
        "int16",
        "Type of the stored samples: int16 counts of 1 uV, or float32 mV.",
        choices=("int16", "float32"),
    )
    min_duration_s: float = option(
        2.0, "Quarantine records shorter than this.", minimum=0, unit="seconds"
    )
    max_gap_s: float = option(
        0.1,
        "Interpolate gaps of missing samples up to this length; quarantine records "
        "with longer ones.",
        minimum=0,
        maximum=10,
        unit="seconds",
    )
    max_record_mb: float = option(
        1000.0,
        "Quarantine records whose signal, as far as it is stored, takes more memory "
        "than this in float64 mV, before or after resampling; processing it takes "
        "several times as much.",
        minimum=1,
        maximum=100_000,
        unit="MB",
    )
    reject_flat_leads: bool = option(
        False, "Quarantine records with a constant lead instead of flagging them."
    )
    max_clipped_fraction: float = option(
        0.5,
        "Quarantine records with a larger fraction of a lead clipped at its extremes.",
        minimum=0,
        maximum=1,
    )
    beats: str = option(
        "ecgstore",
        "Engine that finds beats and waves for the handcrafted features: the "
        "package's own, NeuroKit2 (slow; for comparison), or none.",
        choices=BEATS,
    )
    rr_convention: str = option(
        "neurokit",
        "Divisors in pNNx, SDNN and other standard deviations: see docs/features.md.",
        choices=("neurokit", "mietus", "prototype"),
    )

    def __post_init__(self) -> None:
        """Convert values to their types, and check them alone and together."""
        check(self)
        for name in ("columns", "targets"):
            names: tuple[str, ...] = getattr(self, name)
            self._require(
                name,
                all(map(_is_column_name, names)) and len(set(names)) == len(names),
                "names of columns, each once, without / and at most "
                f"{_LONGEST_COLUMN_NAME} characters",
            )
        self._require(
            "high_hz",
            self.high_hz < self.fs / 2,
            f"a frequency below half the sampling rate ({self.fs / 2})",
        )
        self._require(
            "low_hz",
            self.low_hz < self.high_hz,
            f"a frequency below high_hz ({self.high_hz})",
        )
        self._require(
            "min_duration_s",
            self.min_duration_s <= self.duration_s,
            f"at most duration_s ({self.duration_s}) seconds",
        )
        self._check_windows()
        stored_mb = signal_mb(self.n_samples)
        self._require(
            "max_record_mb",
            self.max_record_mb >= stored_mb,
            f"at least {stored_mb:.0f} MB, which a signal of duration_s at fs takes",
        )

    def _require(self, name: str, holds: bool, expected: str) -> None:
        """Raise a ConfigError about an option unless a condition holds."""
        if not holds:
            raise ConfigError(
                f"option {name} is {getattr(self, name)!r}; expected {expected}"
            )

    def _check_windows(self) -> None:
        """Raise a ConfigError unless windows fit the duration of a row."""
        windows = self.windows_of_records
        if windows is None:
            return
        is_whole = windows.every_s == self.duration_s
        has_gaps = windows.every_s > self.duration_s and not windows.overlap_s
        self._require(
            "windows",
            is_whole or has_gaps,
            f"windows as long as duration_s: {Windows(self.duration_s)} with any "
            "overlap, or a longer time without overlap, which leaves gaps",
        )

    @property
    def windows_of_records(self) -> Windows | None:
        """The windows into which records are divided; None for their beginning only."""
        return None if self.windows is None else Windows.of(self.windows)

    @property
    def n_samples(self) -> int:
        """Number of samples of every stored lead."""
        return round(self.fs * self.duration_s)

    @property
    def max_beats(self) -> int:
        """Maximum number of beats stored per record: 300 per minute."""
        return math.ceil(self.duration_s * 5)

    def to_json(self) -> str:
        """Return every option as JSON; equal options give equal text.

        The twelve leads are not named, as in files that are older than the option.
        """
        values = to_dict(self)
        if self.leads == LEADS:
            del values["leads"]
        return json.dumps(values, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the options that `to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        return cls(**values)


LABEL_OPTIONS: Final = (
    "classes",
    "label_column",
    "min_likelihood",
    "folds_from",
    "columns",
    "targets",
)
"""Options that can be changed in a finished store, by `ecgstore.label_store`."""

PRESETS: Final[Mapping[str, Mapping[str, object]]] = {
    "default": {},
    "prototype": {
        # The intended choices of the research prototype, without its defects: a causal
        # filter over flattened leads, counts taken for mV, lead I only.
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
    config = updated(Config(), PRESETS[preset], f"preset {preset}")
    return overridden(config, file, options or {})
