"""What two stores must share if rows of both are read, or used, as rows of one."""

from typing import Final

from ecgstore.config import Config

_SHARED: Final = (
    "leads",
    "fs",
    "duration_s",
    "windows",
    "low_hz",
    "high_hz",
    "filter_order",
    "margin_s",
    "dtype",
    "beats",
    "rr_convention",
)
"""Options that signals, marks and features depend on."""


def differing_option(config: Config, expected: Config) -> str | None:
    """Return which of the shared options differs, and what was expected, if one does.

    Examples
    --------
    >>> differing_option(Config(fs=250), Config(beats="none"))
    'option fs is 250.0; expected 500.0'
    >>> differing_option(Config(limit=3), Config())
    """
    for name in _SHARED:
        value, wanted = getattr(config, name), getattr(expected, name)
        if value != wanted:
            return f"option {name} is {value}; expected {wanted}"
    return None


def versions_of(software: str) -> dict[str, str]:
    """Return the versions that a store names in its attribute ``software``.

    Examples
    --------
    >>> versions_of("ecgstore 0.1.0, beats 3")
    {'ecgstore': '0.1.0', 'beats': '3'}
    """
    parts = (entry.rpartition(" ")[::2] for entry in software.split(", "))
    return dict(parts)
