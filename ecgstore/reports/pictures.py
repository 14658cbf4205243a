"""Figures of a report, numbered in the order in which they are drawn."""

from matplotlib.figure import Figure as Drawing

from ecgstore.reports.figures import inline_svg
from ecgstore.reports.page import Figure


class Pictures:
    """Turns drawings into figures of a report."""

    def __init__(self) -> None:
        self._n_drawn = 0

    def add(
        self, drawing: Drawing, title: str, caption: str, *, on_paper: bool = False
    ) -> Figure:
        """Return a drawing as the next figure.

        Parameters
        ----------
        drawing : matplotlib.figure.Figure
            The drawing.
        title : str
            What it is.
        caption : str
            What it shows, and where its numbers are: for everyone below the figure,
            and as its text alternative.
        on_paper : bool
            Whether it needs a white ground on dark screens too.
        """
        self._n_drawn += 1
        svg = inline_svg(drawing, title, caption, self._n_drawn)
        return Figure(svg, f"Figure {self._n_drawn}: {caption}", on_paper)
