"""Numbers as text, the same in tables and plots."""

from typing import Final

UNDEFINED: Final = "undefined"
"""Text of a score without a value."""

_N_DECIMALS: Final = 3


def number_text(value: float, sign: str = "") -> str:
    """Return a number with three decimals.

    Parameters
    ----------
    value : float
        The number; NaN gives "undefined".
    sign : {"", "+"}
        "+" to show the sign of positive numbers and of zero too.

    Examples
    --------
    >>> number_text(-0.0001), number_text(-0.0001, "+"), number_text(0.5, "+")
    ('0.000', '+0.000', '+0.500')
    """
    if value != value:
        return UNDEFINED
    rounded = round(value, _N_DECIMALS) + 0.0  # adding 0.0 turns -0.0 into 0.0
    return format(rounded, f"{sign}.{_N_DECIMALS}f")


def estimate_text(value: float, low: float, high: float, sign: str = "") -> str:
    """Return an estimate and its interval as text.

    Parameters
    ----------
    value, low, high : float
        The estimate and the ends of its interval.
    sign : {"", "+"}
        "+" to show the sign of positive numbers too.

    Examples
    --------
    >>> estimate_text(0.9123, 0.88, 0.94)
    '0.912 (0.880 to 0.940)'
    >>> estimate_text(-0.0001, -0.02, 0.01, sign="+")
    '+0.000 (-0.020 to +0.010)'
    """
    if value != value:
        return UNDEFINED
    if low != low:
        return f"{number_text(value, sign)} (no interval)"
    texts = [number_text(number, sign) for number in (value, low, high)]
    return f"{texts[0]} ({texts[1]} to {texts[2]})"
