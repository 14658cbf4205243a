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
