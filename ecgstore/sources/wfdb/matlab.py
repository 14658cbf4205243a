"""Read MATLAB 4 files that differ from those the Challenges publish.

Such files were loaded and saved again: in the other byte order, with numbers of another
type, or under another variable name. Those of version 5 are read by `matlab5`; later
versions are HDF5 files, and refused.

A file is a sequence of variables. Each begins with five 32-bit numbers: a type MOPT,
rows, columns, whether there is an imaginary part, length of the name. The name and the
numbers follow, column by column. The digits of MOPT are the byte order M, a zero, the
type of the numbers P, and the kind of matrix T ("Level 4 MAT-File Format" in MATLAB's
MAT-File Format). All lengths are compared with the size of the file before they are
used, so that no file takes more time or memory than its size allows.
"""

import struct
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import Int16Array
from ecgstore.errors import RecordError
from ecgstore.reasons import Reason
from ecgstore.sources.files import printable, read_range
from ecgstore.sources.wfdb.matlab5 import BEGINS_WITH, Matlab5Error, find_matrix

_MISSING: Final = -32768  # WFDB's missing sample in 16-bit formats
_HEAD_BYTES: Final = 20
_LONGEST_NAME: Final = 256  # bytes; MATLAB's own limit is 63
_MOST_VARIABLES: Final = 1000
_LARGEST_TYPE: Final = 5000  # the type is larger only in the wrong byte order
_NUMBERS: Final = ("f8", "f4", "i4", "i2", "u2", "u1")  # by the digit P
_NUMERIC, _SPARSE = 0, 2  # digits T; 1 is text


class _Variable(NamedTuple):
    """A variable of a MATLAB 4 file."""

    name: str
    n_rows: int
    n_columns: int
    kind: int  # the digit T
    is_complex: bool
    dtype: np.dtype[Any]
    start: int  # position of its first number in the file

    @property
    def n_bytes(self) -> int:
        """Number of bytes of all its numbers."""
        # A sparse matrix has its imaginary parts in a column of their own.
        n_parts = 2 if self.is_complex and self.kind != _SPARSE else 1
        return self.n_rows * self.n_columns * n_parts * self.dtype.itemsize


def read_matlab(path: str, n_leads: int, n_samples: int) -> Int16Array:
    """Return the counts in a MATLAB 4 or MATLAB 5 file.

    Parameters
    ----------
    path : str
        The file.
    n_leads, n_samples : int
        Rows and columns of the variable to look for; 0 columns mean any number.

    Returns
    -------
    ndarray of shape (n_leads * n_samples,)
        Counts, sample by sample; -32768 where a sample is missing.

    Raises
    ------
    RecordError
        If the file has no such variable, if its values are not 16-bit integers, or if
        it is damaged, of a later version or not a MATLAB file.
    """
    where = printable(path)
    head, _ = _head(path, 0)
    if head.startswith(BEGINS_WITH):
        return _read_matlab5(path, n_leads, n_samples)
    variables = list(_variables(path, where))
    fitting = [one for one in variables if _fits(one, n_leads, n_samples)]
    if not fitting:
        shapes = {one.name: (one.n_rows, one.n_columns) for one in variables}
        raise _wrong_size(where, shapes, n_leads, n_samples)
    variable = fitting[0]
    if variable.is_complex:
        raise _unreadable(where, "complex numbers")
    n_bytes = variable.n_bytes
    data, _ = read_range(path, variable.start, n_bytes, Reason.MISSING_SIGNAL_FILE)
    if len(data) < n_bytes:
        raise _unreadable(where, "a file that became shorter while being read")
    return _to_counts(np.frombuffer(data, variable.dtype), where)


def _read_matlab5(path: str, n_leads: int, n_samples: int) -> Int16Array:
    """Return the counts in a MATLAB 5 file; see `read_matlab`."""
    where = printable(path)

    def fits(shape: tuple[int, ...]) -> bool:
        return shape == (n_leads, n_samples or shape[-1]) and shape[-1] > 0

    try:
        matrix, shapes = find_matrix(path, fits)
    except Matlab5Error as error:
        raise RecordError(
            Reason.UNREADABLE_SIGNAL,
            f"{where}: expected a MATLAB 5 file; found {error}",
        ) from None
    if matrix is None:
        raise _wrong_size(where, shapes, n_leads, n_samples)
    return _to_counts(matrix.ravel(order="F"), where)


def _wrong_size(
    where: str, shapes: dict[str, Any], n_leads: int, n_samples: int
) -> RecordError:
    """Return the error for a file none of whose variables fits."""
    return RecordError(
        Reason.WRONG_SIGNAL_SIZE,
        f"{where}: holds {str(shapes)[:200]}; expected a variable of {n_leads} "
        f"leads and {n_samples or 'any number of'} samples",
    )


def _variables(path: str, where: str) -> Iterator[_Variable]:
    """Yield the variables of a file, each of which lies within it."""
    head, size = _head(path, 0)
    # The type of a variable, with which version 4 begins, is a small number; later
    # versions begin with text. This is also how SciPy tells them apart.
    if 0 not in head[:4]:
        problem = "a later version" if head[:6] == b"MATLAB" else "no MATLAB file"
        raise _unreadable(
            where,
            f"{problem}; save it again as version 4, for example with "
            "scipy.io.savemat(..., format='4')",
        )
    order = "<" if 0 <= int.from_bytes(head[:4], "little") <= _LARGEST_TYPE else ">"
    start = 0
    for _ in range(_MOST_VARIABLES):
        variable = _variable(head, start, order, where)
        end = variable.start + variable.n_bytes
        if end > size:
            raise RecordError(
                Reason.TRUNCATED_SIGNAL_FILE,
                f"{where}: has {size} bytes; expected {end} for the {variable.n_rows} "
                f"x {variable.n_columns} numbers of its variable {variable.name!r}",
            )
        yield variable
        if end == size:
            return
        start = end
        head, _ = _head(path, start)
    raise _unreadable(where, f"more than {_MOST_VARIABLES} variables")


def _head(path: str, start: int) -> tuple[bytes, int]:
    """Return the beginning of the variable at a position, and the file's size."""
    n_bytes = _HEAD_BYTES + _LONGEST_NAME
    return read_range(path, start, n_bytes, Reason.MISSING_SIGNAL_FILE)


def _variable(head: bytes, start: int, order: str, where: str) -> _Variable:
    """Return the variable that begins at a position; every number is checked."""
    if len(head) < _HEAD_BYTES:
        raise _unreadable(where, f"{len(head)} bytes after its last variable")
    type_, n_rows, n_columns, imaginary, name_bytes = struct.unpack_from(
        f"{order}5i", head
    )
    machine, zero, number, kind = (type_ // unit % 10 for unit in (1000, 100, 10, 1))
    name = head[_HEAD_BYTES : _HEAD_BYTES + max(0, name_bytes)]
    for is_possible, problem in (
        (0 <= type_ <= _LARGEST_TYPE and machine < 2, f"a variable of type {type_}"),
        (zero == 0 and number < len(_NUMBERS), f"a variable of type {type_}"),
        (kind <= _SPARSE, f"a variable of type {type_}"),
        (n_rows >= 0 and n_columns >= 0, f"a size of {n_rows} x {n_columns}"),
        (imaginary in (0, 1), f"{imaginary} imaginary parts"),
        (0 < name_bytes <= _LONGEST_NAME, f"a name of {name_bytes} bytes"),
        (len(name) == name_bytes, "a file that ends in the name of a variable"),
    ):
        if not is_possible:
            raise _unreadable(where, problem)
    return _Variable(
        name.rstrip(b"\0").decode("latin-1"),
        n_rows,
        n_columns,
        kind,
        imaginary == 1,
        np.dtype(f"{order}{_NUMBERS[number]}"),
        start + _HEAD_BYTES + name_bytes,
    )


def _fits(variable: _Variable, n_leads: int, n_samples: int) -> bool:
    """Return whether a variable has one row per lead and the right length."""
    return (
        variable.kind == _NUMERIC
        and variable.n_rows == n_leads
        and variable.n_columns > 0
        and variable.n_columns == (n_samples or variable.n_columns)
    )


def _to_counts(values: NDArray[Any], where: str) -> Int16Array:
    """Return whole numbers of any type as 16-bit counts."""
    numbers = values.astype(np.float64)
    numbers[np.isnan(numbers)] = _MISSING
    counts = np.clip(numbers, _MISSING, -_MISSING - 1).astype(np.int16)
    if (counts != numbers).any():
        raise RecordError(
            Reason.UNREADABLE_SIGNAL,
            f"{where}: holds values that are not 16-bit counts; expected counts, which "
            "the header scales",
        )
    counts.flags.writeable = False  # as those from a file: one kernel for both
    return counts


def _unreadable(where: str, problem: str) -> RecordError:
    """Return the error for a file that does not begin as one of MATLAB 5."""
    return RecordError(
        Reason.UNREADABLE_SIGNAL,
        f"{where}: expected a MATLAB 4 or MATLAB 5 file; found {problem}",
    )
