"""A feature, a group of features, and how the values of a group are computed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from ecgstore.arrays import FloatArray, IntArray
from ecgstore.beats.types import Beats
from ecgstore.record import LEADS, N_LEADS

_ROWS: Final = {name: 1 + k for k, name in enumerate(LEADS)}
"""Row of each lead in the values of a per-lead feature; row 0 is the record."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a record must have for a feature to be defined, whatever its signal.

    Attributes
    ----------
    duration_s : float
        Least duration in s.
    above_hz : float
        The sampling rate must be higher than this.
    """

    duration_s: float = 0.0
    above_hz: float = 0.0

    def met(self, duration_s: float, fs: float) -> bool:
        """Return whether records of this duration and sampling rate suffice.

        Examples
        --------
        >>> Needs(duration_s=1200.0).met(10.0, 500.0)
        False
        """
        # In samples, as the functions that compute the features compare.
        is_long = round(duration_s * fs) >= round(self.duration_s * fs)
        return is_long and fs > self.above_hz


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the features of a record.

    Attributes
    ----------
    name : str
        Name, lower case except for the names of leads, with the unit as suffix.
    unit : str
        ``"ms"``, ``"mV"`` and products of them, ``"1/min"``, ``"Hz"``, ``"deg"``, or
        ``"1"`` for counts, flags and ratios.
    formula : str
        Definition in plain text; rr_i (i = 1..N) are the RR intervals in ms, and
        d_i = rr_(i+1) - rr_i (i = 1..N-1) their successive differences.
    source : str
        Publication that defines it.
    valid_range : tuple of float
        Smallest and largest plausible value. Values outside are stored as computed:
        they may be rare but correct, or due to a misplaced mark.
    undefined : str
        Condition under which the value is NaN.
    function : str
        Dotted name of the function that computes it, or of the module whose
        `Definition` does.
    needs : Needs
        What a record must have at least; else the feature is NaN in every record.
    lead : str
        The lead whose feature it is; empty for a feature of the record.
    """

    name: str
    unit: str
    formula: str
    source: str
    valid_range: tuple[float, float]
    undefined: str
    function: str
    needs: Needs
    lead: str = ""


class Values(dict[str, FloatArray]):
    """The features of one record that have been computed so far, by name.

    Arrays are float64. Those of per-lead features are of shape (1 + 12,):
    the record's value, then those of its leads in the order of `LEADS`. Those of the
    other features are of shape (1,).
    """

    def record(self, name: str) -> float:
        """Return the record's value of a feature."""
        return self[name].item(0)

    def lead(self, lead: str, name: str) -> float:
        """Return a lead's value of a feature."""
        return self[name].item(_ROWS[lead])


Function = Callable[[Values], FloatArray | float]
"""Computes a feature from others: see `Definition.value`."""


class Definition(NamedTuple):
    """The definition of a feature in its group, with the attributes of `Feature`.

    A derived feature has a `value`: a function of the measured features of its own
    group, the derived ones before it, and all features of the groups before. It returns
    the value of the record or, in a group of per-lead features, an array of shape
    (1 + 12,) of the record and its leads.
    Features without a `value` are measured by their group.
    """

    name: str
    unit: str
    formula: str
    source: str
    valid_range: tuple[float, float]
    undefined: str
    value: Function | None = None
    needs: Needs = Needs()


@dataclass(frozen=True)
class Inputs:
    """The data of one record; see `ecgstore.features.table.compute`."""

    signal: FloatArray
    beats: Beats
    fs: float
    convention: str


@dataclass(frozen=True)
class FeatureGroup:
    """Features that are measured together, and their section of the documentation.

    Attributes
    ----------
    position : int
        Place among the groups; decides the order of the columns.
    title : str
        Heading of the section.
    notes : str
        Introduction of the section, in Markdown.
    definitions : tuple of Definition
        The features, in the order of their columns.
    per_lead : bool
        Whether each lead has these features too.
    measure : callable, optional
        Measures the features without a `Definition.value`. It returns their values in
        the order of the definitions, of shape (n_measured,), or (1 + 12, n_measured)
        for the record and its leads.
    function : str
        Dotted name of the function that `measure` calls.
    record_formulas : mapping of str to str
        By name, formulas of measured values of the record that are not the medians
        over the leads; for groups of per-lead features.
    """

    position: int
    title: str
    notes: str
    definitions: tuple[Definition, ...]
    per_lead: bool
    measure: Callable[[Inputs], FloatArray] | None = None
    function: str = ""
    record_formulas: Mapping[str, str] = field(default_factory=dict)

    @property
    def features(self) -> tuple[Feature, ...]:
        """Return the features in the order of their columns: the record's come first.

        Those of the leads follow lead by lead, named such as ``"II_p_duration_ms"``.
        """
        features = [
            _feature(self, definition, "", self._record_formula(definition))
            for definition in self.definitions
        ]
        if self.per_lead:
            features += [
                _feature(self, definition, lead, f"lead {lead}: {definition.formula}")
                for lead in LEADS
                for definition in self.definitions
            ]
        return tuple(features)

    def _record_formula(self, definition: Definition) -> str:
        """Return the formula of the record's value."""
        if not self.per_lead or definition.value is not None:
            return definition.formula
        median = f"median over the leads: {definition.formula}"
        return self.record_formulas.get(definition.name, median)

    # What `compute` needs of the definitions, looked up once and not for every record.

    @cached_property
    def _measured(self) -> tuple[str, ...]:
        """Return the names of the measured features."""
        return tuple(
            definition.name
            for definition in self.definitions
            if definition.value is None
        )

    @cached_property
    def _columns(self) -> IntArray:
        """Return the columns of the measured features."""
        return np.flatnonzero(
            [definition.value is None for definition in self.definitions]
        )

    @cached_property
    def _derived(self) -> tuple[tuple[int, str, Function], ...]:
        """Return column, name and function of the features that follow from others."""
        return tuple(
            (column, definition.name, definition.value)
            for column, definition in enumerate(self.definitions)
            if definition.value is not None
        )

    def compute(self, inputs: Inputs, values: Values) -> FloatArray:
        """Compute the features of a record, and add them to `values`.

        Parameters
        ----------
        inputs : Inputs
            The record.
        values : Values
            The features of the groups before this one.

        Returns
        -------
        ndarray of shape (1, n_definitions) or (1 + 12, n_definitions)
            Values of the record, and of its leads if they have these features;
            float64, NaN where undefined.
        """
        n_rows = 1 + N_LEADS if self.per_lead else 1
        table = np.empty((n_rows, len(self.definitions)))
        if self.measure is not None:
            measured = self.measure(inputs).reshape(n_rows, len(self._measured))
            table[:, self._columns] = measured
            values.update(zip(self._measured, measured.T, strict=True))
        for k, name, value in self._derived:
            column = values[name] = table[:, k]
            column[:] = value(values)
        return table


def _feature(
    group: FeatureGroup, definition: Definition, lead: str, formula: str
) -> Feature:
    """Return the feature of a definition in its group, of a lead or of the record."""
    value = definition.value
    return Feature(
        f"{lead}_{definition.name}" if lead else definition.name,
        definition.unit,
        formula,
        definition.source,
        definition.valid_range,
        definition.undefined,
        group.function if value is None else value.__module__,
        definition.needs,
        lead,
    )
