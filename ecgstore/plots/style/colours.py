"""Colours that colour-blind readers can distinguish.

From the palette of Okabe and Ito, *Color Universal Design* (2008).
"""

import colorsys
from typing import Final

BLUE: Final = "#0072B2"
GREEN: Final = "#009E73"
GREY: Final = "#7A7A7A"
INK: Final = "#1A1A1A"
ORANGE: Final = "#E69F00"
PURPLE: Final = "#CC79A7"
SKY_BLUE: Final = "#56B4E9"
VERMILION: Final = "#D55E00"

SERIES: Final = (BLUE, ORANGE, GREEN, PURPLE, SKY_BLUE, VERMILION, GREY)
"""Colours of series in one plot, in this order."""

_GOLDEN_RATIO: Final = 0.61803398875
_BRIGHTNESS: Final = (0.55, 0.85, 0.35)


def series_colours(n_series: int) -> list[str]:
    """Return a colour for each series of a plot, all of them different.

    The first ones are `SERIES`; the hues of all further ones are spread by the golden
    ratio, so that neighbours differ, in three degrees of brightness.

    Examples
    --------
    >>> series_colours(8)[:2] == [BLUE, ORANGE], len({*series_colours(8)})
    (True, 8)
    """
    colours = list(SERIES[:n_series])
    for number in range(n_series - len(colours)):
        hue = (0.9 + number * _GOLDEN_RATIO) % 1.0
        brightness = _BRIGHTNESS[number % len(_BRIGHTNESS)]
        red, green, blue = colorsys.hsv_to_rgb(hue, 0.85, brightness)
        colours.append(
            f"#{round(255 * red):02X}{round(255 * green):02X}{round(255 * blue):02X}"
        )
    return colours
