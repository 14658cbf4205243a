"""Columns whose values are few, as numbers: counted and compared in milliseconds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import BoolArray, IntArray


class Grouping(Protocol):
    """Records by value; a record may have several values, or none."""

    @property
    def values(self) -> tuple[str, ...]:
        """The values, as texts."""
        ...

    @property
    def of_all(self) -> IntArray:
        """How many of all records have each value."""
        ...

    def counts(self, mask: BoolArray | None) -> IntArray:
        """Return how many of some records have each value; of all if None."""
        ...

    def mask(self, values: Iterable[str]) -> BoolArray:
        """Return which records have one of some values."""
        ...


@dataclass(frozen=True)
class Coded:
    """A column of which each record has one value.

    Attributes
    ----------
    values : tuple of str
        The values, as texts, in the order in which they are shown.
    codes : ndarray of shape (n_records,)
        Number of the value of each record, of a small type of integers.
    """

    values: tuple[str, ...]
    codes: NDArray[Any]

    @classmethod
    def of(cls, values: Sequence[str], codes: NDArray[Any]) -> "Coded":
        """Return a grouping with codes as small as possible."""
        return cls(tuple(values), codes.astype(np.min_scalar_type(max(len(values), 1))))

    @cached_property
    def of_all(self) -> IntArray:
        """How many of all records have each value."""
        return self.counts(None)

    def counts(self, mask: BoolArray | None) -> IntArray:
        """Return how many of some records have each value; of all if None."""
        codes = self.codes if mask is None else self.codes[mask]
        return np.bincount(codes, minlength=len(self.values))[: len(self.values)]

    def mask(self, values: Iterable[str]) -> BoolArray:
        """Return which records have one of some values."""
        wanted = set(values)
        is_wanted = np.array([value in wanted for value in self.values], bool)
        found: BoolArray = is_wanted[self.codes]
        return found


@dataclass(frozen=True)
class Flagged:
    """Values of which a record may have several.

    Attributes
    ----------
    values : tuple of str
        The values.
    flags : sequence of ndarray of shape (n_records,)
        Which records have each value: True, or other than 0.
    """

    values: tuple[str, ...]
    flags: Sequence[NDArray[Any]]

    @classmethod
    def of(
        cls, values: Sequence[str], flags: Sequence[NDArray[Any]], n_records: int
    ) -> "Flagged":
        """Return a grouping that also has the records without any value, as ""."""
        none = np.ones(n_records, bool)
        for flag in flags:
            none &= flag == 0
        return cls((*values, ""), (*flags, none))

    @cached_property
    def of_all(self) -> IntArray:
        """How many of all records have each value."""
        return self.counts(None)

    def counts(self, mask: BoolArray | None) -> IntArray:
        """Return how many of some records have each value; of all if None."""
        if mask is None:
            return np.array([np.count_nonzero(flag) for flag in self.flags])
        return np.array([np.count_nonzero(mask & (flag != 0)) for flag in self.flags])

    def mask(self, values: Iterable[str]) -> BoolArray:
        """Return which records have one of some values."""
        wanted = set(values)
        found: BoolArray = np.zeros(len(self.flags[0]), bool)
        for value, flag in zip(self.values, self.flags, strict=True):
            if value in wanted:
                found |= flag != 0
        return found


@dataclass(frozen=True)
class Listed:
    """Values of which each record has a list, where few lists are different.

    Attributes
    ----------
    values : tuple of str
        The values.
    lists : sequence of ndarray
        Numbers of the values in each list.
    codes : ndarray of shape (n_records,)
        Number of the list of each record.
    """

    values: tuple[str, ...]
    lists: Sequence[IntArray]
    codes: NDArray[Any]

    @classmethod
    def of(cls, texts: Sequence[str], codes: NDArray[Any]) -> "Listed":
        """Return a grouping of lists that are texts, with commas between the values."""
        split = [sorted(set(filter(None, text.split(",")))) or [""] for text in texts]
        values = sorted({value for values in split for value in values})
        number = {value: k for k, value in enumerate(values)}
        lists = [np.array([number[value] for value in values]) for values in split]
        return cls(tuple(values), lists, codes)

    @cached_property
    def of_all(self) -> IntArray:
        """How many of all records have each value."""
        return self.counts(None)

    def counts(self, mask: BoolArray | None) -> IntArray:
        """Return how many of some records have each value; of all if None."""
        codes = self.codes if mask is None else self.codes[mask]
        n_by_list = np.bincount(codes, minlength=len(self.lists))
        counts = np.zeros(len(self.values), np.int64)
        for numbers, n_records in zip(self.lists, n_by_list.tolist(), strict=True):
            counts[numbers] += n_records
        return counts

    def mask(self, values: Iterable[str]) -> BoolArray:
        """Return which records have one of some values."""
        wanted = np.array([value in set(values) for value in self.values])
        of_lists = np.array([wanted[numbers].any() for numbers in self.lists], bool)
        found: BoolArray = of_lists[self.codes]
        return found
