"""Names that no font or SVG file can hold are drawn with escapes."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from ecgstore.plots import (
    class_balance,
    ecg_paper,
    plot_by_source,
    plot_confusion,
    plot_reliability,
    plot_score_intervals,
    save,
)

NAME = "A\x1b[2J\u202eb\x85"
LABELS = np.eye(2, dtype=np.bool_)[np.arange(20) % 2]


def _balance() -> Figure:
    return class_balance([NAME, "B"], {NAME: [3, 4]}, title=NAME)


def _reliability() -> Figure:
    return plot_reliability(
        LABELS, {NAME: LABELS * np.float64(0.5)}, [NAME, "B"], title=NAME
    )


def _confusion() -> Figure:
    return plot_confusion(LABELS, LABELS, [NAME, "B"], title=NAME)


def _paper() -> Figure:
    return ecg_paper(np.zeros((12, 5000)), 500.0, title=NAME, subtitle=NAME)


def _scores() -> Figure:
    return plot_score_intervals({NAME: {NAME: (0.5, 0.4, 0.6)}}, title=NAME)


def _by_source() -> Figure:
    return plot_by_source({NAME: {NAME: 0.7}}, title=NAME)


@pytest.mark.parametrize(
    "draw", [_balance, _reliability, _confusion, _paper, _scores, _by_source]
)
def test_names_are_drawn_with_escapes(draw: object, tmp_path: Path) -> None:
    assert callable(draw)
    path = tmp_path / "a.svg"
    save(draw(), path)
    text = path.read_text(encoding="utf-8")
    ElementTree.fromstring(text)
    assert text.replace("\n", "").isprintable()
    assert "A\\x1b[2J\\u202eb\\x85" in text
