"""What a feature and a group of features are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ecgstore.arrays import FloatArray
from ecgstore.beats.types import Beats
from ecgstore.record import LEADS


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the features of a record.

    Attributes
    ----------
    name : str
        Name, lower case but for the names of leads, with the unit as suffix.
    unit : str
        ``"ms"``, ``"mV"`` and products of them, ``"1/min"``, ``"Hz"``, ``"deg"``, or
        ``"1"`` for counts, flags and ratios.
    formula : str
        Definition in plain text; rr_i (i = 1..N) are the RR intervals in ms, and
        d_i = rr_(i+1) - rr_i (i = 1..N-1) their successive differences.
    source : str
        Where the definition comes from.
    valid_range : tuple of float
        Least and largest plausible value. One outside is kept as it was computed: it
        may be a rare heart, or a mark at the wrong place, and only the user can tell
        how much of either to put up with.
    undefined : str
        When the value is NaN.
    function : str
        Dotted name of the function that computes it.
    """

    name: str
    unit: str
    formula: str
    source: str
    valid_range: tuple[float, float]
    undefined: str
    function: str


class Definition(NamedTuple):
    """What a group says about one of its features, as in `Feature`."""

    name: str
    unit: str
    formula: str
    source: str
    valid_range: tuple[float, float]
    undefined: str


@dataclass(frozen=True)
class Inputs:
    """What features are computed from, see `ecgstore.features.table.compute`."""

    signal: FloatArray
    beats: Beats
    fs: float
    convention: str
    waves: FloatArray
    """The wave features of the record and its leads, which other groups start from."""


@dataclass(frozen=True, slots=True)
class FeatureGroup:
    """The features that one function computes, and their section of the page.

    Attributes
    ----------
    title : str
        Heading of the section.
    notes : str
        What the reader of the section must know, in Markdown.
    definitions : tuple of Definition
        What is computed, in the order of the function's values.
    per_lead : bool
        Whether the function gives these values for the record and for every lead.
    function : str
        Dotted name of the function.
    call : callable
        Calls it with what it needs of the inputs. It returns values of shape
        (n_definitions,), or (1 + 12, n_definitions) of the record and its leads if they
        are per lead.
    record_formulas : mapping of str to str
        Formulas of the record's values that are not the medians over the leads, by
        name; for groups that are per lead.
    """

    title: str
    notes: str
    definitions: tuple[Definition, ...]
    per_lead: bool
    function: str
    call: Callable[[Inputs], FloatArray]
    record_formulas: Mapping[str, str] = field(default_factory=dict)

    @property
    def features(self) -> tuple[Feature, ...]:
        """Return the features, in the order of the function's values."""
        scopes = [("", "")]
        if self.per_lead:
            scopes = [("", "median over the leads: ")]
            scopes += [(f"{lead}_", f"lead {lead}: ") for lead in LEADS]
        formulas = {
            prefix + each.name: scope + each.formula
            for prefix, scope in scopes
            for each in self.definitions
        } | dict(self.record_formulas)
        return tuple(
            Feature(
                prefix + each.name,
                each.unit,
                formulas[prefix + each.name],
                each.source,
                each.valid_range,
                each.undefined,
                self.function,
            )
            for prefix, _ in scopes
            for each in self.definitions
        )
