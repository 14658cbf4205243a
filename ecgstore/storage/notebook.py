"""Records, stores and selections as HTML, for the output of a notebook."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

import numpy as np

from ecgstore.arrays import Float32Array, FloatArray
from ecgstore.record import LEADS, print_columns

_SHOWN_S: Final = 10.0
_WIDTH: Final = 760.0
"""Of the picture, in pixels."""

_HEIGHT: Final = 80.0
"""Of a panel, in pixels."""

_LARGEST_PX_PER_MV: Final = 30.0
_MOST_NAMES: Final = 12
_TEXT: Final = 'font-family="sans-serif" font-size="10" fill="#444"'


def table(rows: Mapping[str, Any], title: str) -> str:
    """Return a table of two columns; all texts are escaped."""
    cells = "".join(
        f'<tr><th style="text-align:left">{escape(str(name))}</th>'
        f'<td style="text-align:left">{escape(str(value))}</td></tr>'
        for name, value in rows.items()
    )
    return f"<table><caption><b>{escape(title)}</b></caption>{cells}</table>"


def counts(names: Sequence[str], numbers: Iterable[int]) -> str:
    """Return counts by name, the largest first, as one line.

    Examples
    --------
    >>> counts(["NSR", "AF"], [3, 20])
    'AF 20, NSR 3'
    """
    pairs = sorted(zip(names, numbers, strict=True), key=lambda pair: -pair[1])
    shown = [f"{name} {number:,}" for name, number in pairs[:_MOST_NAMES]]
    if len(pairs) > _MOST_NAMES:
        shown.append(f"and {len(pairs) - _MOST_NAMES} more")
    return ", ".join(shown)


def picture(
    signal: Float32Array | FloatArray,
    fs: float,
    leads: Sequence[str] = LEADS,
    derived_leads: Iterable[str] = (),
) -> str:
    """Return a small picture of the leads as SVG: of twelve, four columns of 2.5 s.

    The columns follow one another in time, and all leads have one scale. A panel is
    empty where the signal has ended, and says so where the lead was not recorded.

    Parameters
    ----------
    signal : ndarray of shape (n_leads, n_samples)
        Voltages in mV; NaN where a sample is missing.
    fs : float
        Sampling rate in Hz.
    leads : sequence of str
        Names of the rows of `signal`.
    derived_leads : iterable of str
        Leads that are marked as computed from others.
    """
    derived = set(derived_leads)
    columns = print_columns(leads)
    n_shown, panel_width = round(_SHOWN_S * fs / len(columns)), _WIDTH / len(columns)
    panels = [
        (row, column, name, _centred(signal[leads.index(name)], column, n_shown))
        for column, names in enumerate(columns)
        for row, name in enumerate(names)
    ]
    highest = max((np.abs(mv).max() for *_, mv in panels if mv.size), default=0.0)
    scale = min(_LARGEST_PX_PER_MV, 0.48 * _HEIGHT / max(highest, 1e-9))
    width, height = _WIDTH, len(columns[0]) * _HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" '
        f'height="{height:g}" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{len(leads)}-lead ECG">'
        '<rect width="100%" height="100%" fill="#fff8f6"/>'
    ]
    for row, column, name, mv in panels:
        left, zero = column * panel_width, (row + 0.5) * _HEIGHT
        parts.append(
            f'<line x1="{left:g}" x2="{left:g}" y1="{zero - _HEIGHT / 2:g}" '
            f'y2="{zero + _HEIGHT / 2:g}" stroke="#eba49b"/>'
            f'<text x="{left + 4:g}" y="{zero - 28:g}" {_TEXT}>{name}'
            f"{' (derived)' if name in derived else ''}</text>"
        )
        if not mv.size and np.isnan(signal[leads.index(name)]).all():
            parts.append(
                f'<text x="{left + 4:g}" y="{zero:g}" {_TEXT}>not recorded</text>'
            )
        if mv.size:
            x = left + np.arange(mv.size) * (panel_width / n_shown)
            points = " ".join(
                f"{at:.1f},{zero - scale * value:.1f}"
                for at, value in zip(x.tolist(), mv.tolist(), strict=True)
            )
            parts.append(
                f'<polyline points="{points}" fill="none" stroke="#222" '
                'stroke-width="0.8"/>'
            )
    return "".join([*parts, "</svg>"])


def _centred(lead: Any, column: int, n_shown: int) -> FloatArray:
    """Return the part of a lead in its column, minus its median; 0 where missing."""
    mv: FloatArray = np.asarray(
        lead[column * n_shown : (column + 1) * n_shown], np.float64
    )
    known = mv[~np.isnan(mv)]
    return np.nan_to_num(mv - np.median(known)) if known.size else mv[:0]
