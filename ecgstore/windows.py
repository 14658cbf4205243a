"""How long records are divided into windows: the option ``windows`` of builds."""

import math
import re
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from ecgstore.errors import ConfigError, short_repr

_TEXT: Final = re.compile(
    r"every=(?P<every>\d+(?:\.\d+)?)s?(?:,\s*overlap=(?P<overlap>\d+(?:\.\d+)?)s?)?"
)

_SHORTEST_STEP_S: Final = 0.1

_EXPECTED: Final = (
    "every=10s or every=10s,overlap=5s, whose windows begin every 10 s or every 5 s"
)

_MARK: Final = "@"


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of a record.

    Attributes
    ----------
    every_s : float
        Time from the beginning of a window to that of the next one in s, without
        overlap.
    overlap_s : float
        Time that a window shares with the next one, in s.
    """

    every_s: float
    overlap_s: float = 0.0

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the windows that a text describes.

        Raises
        ------
        ConfigError
            If it describes none.

        Examples
        --------
        >>> Windows.of("every=10s,overlap=5s")
        Windows(every_s=10.0, overlap_s=5.0)
        """
        match = _TEXT.fullmatch(text.strip())
        if match is not None:
            windows = cls(float(match["every"]), float(match["overlap"] or 0))
            if _SHORTEST_STEP_S <= windows.step_s < math.inf:
                return windows
        raise ConfigError(f"option windows is {short_repr(text)}; expected {_EXPECTED}")

    def __str__(self) -> str:
        overlap = f",overlap={_exact(self.overlap_s)}s" if self.overlap_s else ""
        return f"every={_exact(self.every_s)}s{overlap}"

    @property
    def step_s(self) -> float:
        """Time from the beginning of a window to that of the next one in s."""
        return self.every_s - self.overlap_s

    def begins(self, n_samples: int, fs: float, min_duration_s: float) -> list[int]:
        """Return the first sample of every window of a record.

        Parameters
        ----------
        n_samples : int
            Samples of the record.
        fs : float
            Sampling rate in Hz.
        min_duration_s : float
            The least that must be left of the record for one more window, in s. A
            window of which all is in the one before is left out, too.

        Examples
        --------
        >>> Windows(10.0).begins(2500, 100.0, 2.0)
        [0, 1000, 2000]
        >>> Windows(10.0, 5.0).begins(2500, 100.0, 2.0)
        [0, 500, 1000, 1500]
        """
        least = max(min_duration_s, self.overlap_s) * fs
        begins, begin = [], 0
        while begin == 0 or (
            n_samples - begin > self.overlap_s * fs and n_samples - begin >= least
        ):
            begins.append(begin)
            begin = round(len(begins) * self.step_s * fs)
        return begins

    def name(self, record_id: str, number: int) -> str:
        """Return the name of a window: that of its record, and its beginning in s.

        Examples
        --------
        >>> Windows(10.0).name("I01", 12), Windows(2.5).name("I01", 1)
        ('I01@120', 'I01@2.5')
        """
        start = f"{number * self.step_s:.3f}".rstrip("0").rstrip(".")
        return f"{record_id}{_MARK}{start}"


def _exact(value: float) -> str:
    """Return the shortest decimal number that is read as the same value."""
    return np.format_float_positional(value, trim="-")


def recording_of(name: str) -> str:
    """Return the name of the record that a window is of.

    Examples
    --------
    >>> recording_of("I01@120")
    'I01'
    """
    return name.rpartition(_MARK)[0]


def windows_text(text: str) -> str:
    """Return the text of the option in its usual form.

    Raises
    ------
    ConfigError
        If it describes no windows.

    Examples
    --------
    >>> windows_text("every=10, overlap=5.0s")
    'every=10s,overlap=5s'
    >>> windows_text("every=1234567.5"), windows_text("every=0.123456789")
    ('every=1234567.5s', 'every=0.123456789s')
    """
    return str(Windows.of(text))
