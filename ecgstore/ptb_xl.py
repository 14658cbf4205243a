"""The names that one ECG of PTB-XL has in different data sets.

The ECG with the ``ecg_id`` 1 is ``HR00001`` in the Challenge, and in PTB-XL itself
``00001_hr`` at 500 Hz and ``00001_lr`` at 100 Hz.
"""

import re
from typing import Final

SOURCE: Final = "ptb-xl"
"""Name of the source."""

_OWN_NAME: Final = re.compile(r"([0-9]{5})_(?:hr|lr)")
_CHALLENGE_NAME: Final = re.compile(r"HR([0-9]{5})")


def has_own_name(record_id: str) -> bool:
    """Return whether a record has a name of PTB-XL itself, which nobody else uses."""
    return _OWN_NAME.fullmatch(record_id) is not None


def ecg_number(record_id: str) -> int | None:
    """Return the ``ecg_id`` of a record by its name; None for other names.

    Examples
    --------
    >>> [ecg_number(name) for name in ("HR00841", "00841_lr", "841")]
    [841, 841, None]
    """
    match = _OWN_NAME.fullmatch(record_id) or _CHALLENGE_NAME.fullmatch(record_id)
    return None if match is None else int(match[1])


def record_names(ecg_id: int) -> tuple[str, str, str]:
    """Return the names of the records of an ECG.

    Examples
    --------
    >>> record_names(841)
    ('HR00841', '00841_hr', '00841_lr')
    """
    return (f"HR{ecg_id:05d}", f"{ecg_id:05d}_hr", f"{ecg_id:05d}_lr")
