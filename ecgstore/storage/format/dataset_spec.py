"""What a dataset of a file is made of: path, type, shape, attributes, dimensions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

DIMENSION_LIST: Final = "DIMENSION_LIST"
"""Attribute of a dataset that refers to the dimension of each axis."""

REFERENCE_LIST: Final = "REFERENCE_LIST"
"""Attribute of a dimension that refers to every axis that has it."""

LINKS: Final = (DIMENSION_LIST, REFERENCE_LIST)
"""Attributes that hold addresses in the file instead of content."""

SCALE_ATTRIBUTES: Final = ("CLASS", "NAME")
"""Attributes by which the HDF5 library knows a dimension."""

SCALE_CLASS: Final = b"DIMENSION_SCALE"
"""Content of the first of them."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """A named axis: in HDF5 a dimension scale, in netCDF a dimension.

    Attributes
    ----------
    path : str
        Path in the file of the dataset that stands for the dimension; its last part is
        the name.
    names : sequence of str, optional
        The coordinate, one name per position. By default there is no coordinate.
    fs : float, optional
        Sampling rate in Hz; the coordinate is the time of each position in s.
    attributes : Mapping
        HDF5 attributes.
    """

    path: str
    names: Sequence[str] | None = None
    fs: float | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_coordinate(self) -> bool:
        """Whether positions along the dimension have names or times."""
        return self.names is not None or self.fs is not None


@dataclass(frozen=True, slots=True, eq=False)
class DatasetSpec:
    """One dataset: its path, type, shape, attributes and dimensions.

    Attributes
    ----------
    path : str
        Path in the file.
    dtype : numpy.dtype
        Stored type, always little-endian and of fixed width.
    shape : tuple of int
        Shape; the first axis counts rows.
    by_fill : bool
        Whether the rows are written at their offsets when the build is filled,
        instead of when it is planned.
    attributes : Mapping
        HDF5 attributes.
    dimensions : tuple of Dimension
        Dimension of each axis; empty if the axes have no names.
    values : ndarray, optional
        The content, if it is known when the file is created: such datasets describe
        others, and lie before all rows.
    sources : tuple of (str, int)
        Files that have the rows, one after another, in a dataset of the same path, and
        how many: a virtual dataset. Paths begin at the folder of the file.
    """

    path: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    by_fill: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)
    dimensions: tuple[Dimension, ...] = ()
    values: NDArray[Any] | None = None
    sources: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of(
        cls, path: str, values: NDArray[Any], dimensions: tuple[Dimension, ...] = ()
    ) -> "DatasetSpec":
        """Return a dataset whose content is known."""
        return cls(path, values.dtype, values.shape, False, {}, dimensions, values)

    @property
    def nbytes(self) -> int:
        """Number of bytes of all elements."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Scale:
    """A dimension of a file, with its size and the axes that have it.

    Attributes
    ----------
    dimension : Dimension
        The dimension.
    size : int
        Length of the axes.
    uses : list of (str, int)
        Path of a dataset and number of its axis, in the order of the file.
    """

    dimension: Dimension
    size: int
    uses: list[tuple[str, int]] = field(default_factory=list)


def scales(specs: Iterable[DatasetSpec]) -> dict[str, Scale]:
    """Return every dimension of some datasets by its path, in the order of first use.

    Examples
    --------
    >>> record, lead = Dimension("record"), Dimension("lead", names=("I", "II"))
    >>> made = scales(
    ...     [
    ...         DatasetSpec("a", np.dtype("u1"), (5, 2), dimensions=(record, lead)),
    ...         DatasetSpec("b", np.dtype("u1"), (5,), dimensions=(record,)),
    ...     ]
    ... )
    >>> made["record"].size, made["record"].uses, made["lead"].uses
    (5, [('a', 0), ('b', 0)], [('a', 1)])
    """
    result: dict[str, Scale] = {}
    for spec in specs:
        # A dataset without named axes has no dimensions.
        for axis, dimension in enumerate(spec.dimensions):
            scale = result.setdefault(
                dimension.path, Scale(dimension, spec.shape[axis])
            )
            scale.uses.append((spec.path, axis))
    return result
