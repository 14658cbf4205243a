"""Read MATLAB 4 files that differ from those the Challenges publish, through SciPy.

Such files were loaded and saved again: in the other byte order, with numbers of another
type, or under another variable name. Later versions of the format are refused: SciPy
reads them with compiled code, which some damaged files crash together with the process.
"""

import io
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgstore.arrays import Int16Array
from ecgstore.errors import RecordError
from ecgstore.reasons import Reason

_MISSING: Final = -32768  # WFDB's missing sample in 16-bit formats


def read_matlab(data: bytes, n_leads: int, n_samples: int, where: str) -> Int16Array:
    """Return the counts in a MATLAB 4 file.

    Parameters
    ----------
    data : bytes
        The whole file.
    n_leads, n_samples : int
        Rows and columns of the variable to look for; 0 columns mean any number.
    where : str
        The file's path, for error messages.

    Returns
    -------
    ndarray of shape (n_leads * n_samples,)
        Counts, sample by sample; -32768 where a sample is missing.

    Raises
    ------
    RecordError
        If the file has no such variable, if its values are not 16-bit integers, or if
        it is of a later version or not a MATLAB file.
    """
    from scipy.io import loadmat, whosmat

    # The type of a variable, with which version 4 begins, is a small number; later
    # versions begin with text. This is also how SciPy tells them apart.
    if 0 not in data[:4]:
        problem = "a later version" if data[:6] == b"MATLAB" else "no MATLAB file"
        raise _unreadable(
            where,
            f"{problem}; save it again as version 4, for example with "
            "scipy.io.savemat(..., format='4')",
        )
    try:
        # The stubs do not know that SciPy takes file objects too.
        variables = whosmat(io.BytesIO(data))  # type: ignore[arg-type]
    except Exception as error:  # SciPy raises many types, depending on the fault
        raise _unreadable(where, error) from error
    shapes = {name: shape for name, shape, _ in variables}
    name = next(
        (name for name, shape in shapes.items() if _fits(shape, n_leads, n_samples)),
        None,
    )
    if name is None:
        raise RecordError(
            Reason.WRONG_SIGNAL_SIZE,
            f"{where}: holds {str(shapes)[:200]}; expected a variable of {n_leads} "
            f"leads and {n_samples or 'any number of'} samples",
        )
    # The smallest numbers have one byte, so there cannot be more numbers than bytes.
    if n_leads * shapes[name][1] > len(data):
        raise RecordError(
            Reason.TRUNCATED_SIGNAL_FILE,
            f"{where}: has {len(data)} bytes; expected {shapes[name][1]} samples of "
            f"{n_leads} leads",
        )
    try:
        content = loadmat(io.BytesIO(data), variable_names=[name])  # type: ignore[arg-type]
        values = np.asarray(content[name])
    except Exception as error:
        raise _unreadable(where, error) from error
    return _to_counts(values, where)


def _fits(shape: tuple[int, ...], n_leads: int, n_samples: int) -> bool:
    """Return whether a variable has one row per lead and the right length."""
    return (
        len(shape) == 2
        and shape[0] == n_leads
        and (shape[1] == n_samples or (n_samples == 0 and shape[1] > 0))
    )


def _to_counts(values: NDArray[Any], where: str) -> Int16Array:
    """Return a matrix of integers of any type as interleaved 16-bit counts."""
    if values.dtype.kind not in "iuf" or values.ndim != 2:
        raise _unreadable(where, f"values of type {values.dtype}")
    numbers = values.T.astype(np.float64).ravel()  # (n_samples * n_leads,)
    numbers[np.isnan(numbers)] = _MISSING
    counts = np.clip(numbers, _MISSING, -_MISSING - 1).astype(np.int16)
    if (counts != numbers).any():
        raise _unreadable(
            where, "values that are not 16-bit counts, which the header scales"
        )
    counts.flags.writeable = False  # as those from a file: one kernel for both
    return counts


def _unreadable(where: str, problem: object) -> RecordError:
    """Return the error for a file that cannot be read as MATLAB 4."""
    return RecordError(
        Reason.UNREADABLE_SIGNAL, f"{where}: expected a MATLAB 4 file; found {problem}"
    )
