"""Colours that colour-blind readers can distinguish.

From the palette of Okabe and Ito, *Color Universal Design* (2008).
"""

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
