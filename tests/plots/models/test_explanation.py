"""What a model used is highlighted where it is, and its features are listed."""

import math

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ecgstore.arrays import FloatArray
from ecgstore.plots import ecg_paper, plot_explanation
from ecgstore.plots.ecg.highlight import AGAINST, FOR, strengths
from tests.plots.ecg.drawn import FS, N_SAMPLES, slopes

SIGNAL = slopes()
PAPER = to_rgb("#FFF8F6")
NOTHING = np.zeros((12, N_SAMPLES))


def highlighted(figure: Figure, lead: str) -> list[tuple[FloatArray, FloatArray]]:
    """Return ends in mm and colours of the pieces of a lead, panel by panel."""
    return [
        (np.array(found.get_segments()), np.array(found.get_colors())[:, :3])
        for found in figure.axes[0].collections
        if isinstance(found, LineCollection) and found.get_gid() == f"highlight-{lead}"
    ]


def warmth(colours: FloatArray) -> FloatArray:
    """Return how much more orange than paper colours are; below 0, more blue."""
    red, _, blue = colours.T
    difference: FloatArray = red - blue - (PAPER[0] - PAPER[2])
    return difference


def test_curves_are_highlighted_where_samples_add_something() -> None:
    saliency = NOTHING.copy()
    saliency[1, 500:700] = 2.0
    saliency[1, 1000:1200] = -1.0
    saliency[6, 3000:3200] = -2.0
    figure = plot_explanation(SIGNAL, FS, saliency)
    column, strip = highlighted(figure, "II")
    for ends, colours in (column, strip):
        x = ends[:, :, 0]
        at_s = (x - 28.5) / 25
        first = at_s.mean(axis=1) < 1.7
        assert at_s[first].min() == pytest.approx(1.0, abs=0.1)
        assert at_s[first].max() == pytest.approx(1.4, abs=0.1)
        assert at_s[~first].min() == pytest.approx(2.0, abs=0.1)
        assert (warmth(colours[first]) > 0).all()
        assert (warmth(colours[~first]) < 0).all()
        strongest = [
            np.linalg.norm(colours[part] - PAPER, axis=1).max()
            for part in (first, ~first)
        ]
        assert strongest[0] > 1.5 * strongest[1]
    ((_, colours),) = highlighted(figure, "V1")
    assert (warmth(colours) < 0).all()
    ((ends, _),) = highlighted(figure, "V2")
    assert not len(ends)


def test_strengths_are_of_the_strongest_samples_of_all_leads() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=(12, 1000)) * np.arange(1, 13)[:, None]
    found = strengths(values, 100.0)
    assert np.abs(found).max() == 1
    assert 0.0025 < (np.abs(found) == 1).mean() < 0.01
    assert np.abs(found[0]).max() < 0.3
    np.testing.assert_allclose(strengths(-3 * values, 100.0), -found, atol=1e-12)
    assert not strengths(NOTHING, FS).any()
    assert strengths(NOTHING[:, :0], FS).shape == (12, 0)
    one_sample = NOTHING.copy()
    one_sample[3, 77] = 1e-9
    assert np.argmax(strengths(one_sample, FS)[3]) == pytest.approx(77, abs=25)


def test_a_highlight_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"highlight has shape \(12, 10\), expected"):
        ecg_paper(SIGNAL, FS, highlight=NOTHING[:, :10])


FEATURES = [
    ("qrs_duration_ms", 162.0, 1.5),
    ("V1_r_amplitude_mv", 0.7654, -0.5),
    ("qrs_axis_deg", -45.0, 0.25),
    ("pr_interval_ms", math.nan, 0.125),
    ("age", 70.0, 0.1),
    *((f"more_{number}", 1.0, 0.01) for number in range(8)),
]


def test_the_ten_largest_features_are_listed_with_unit_and_range() -> None:
    figure = plot_explanation(SIGNAL, FS, NOTHING, FEATURES)
    _, table = figure.axes
    rows: dict[float, list[str]] = {}
    for text in table.texts:
        rows.setdefault(round(text.get_position()[1], 3), []).append(text.get_text())
    head, *listed, rest = (rows[y] for y in sorted(rows, reverse=True))
    assert head == ["feature", "value", "normal", "adds to the log-odds"]
    assert listed[:5] == [
        ["qrs_duration_ms", "↑ 162 ms", "to 110 ms", "+1.50"],
        ["V1_r_amplitude_mv", "0.765 mV", "no range", "-0.50"],
        ["qrs_axis_deg", "↓ -45°", "-30 to 90°", "+0.25"],
        ["pr_interval_ms", "undefined", "120-200 ms", "+0.12"],
        ["age", "70 years", "no range", "+0.10"],
    ]
    assert len(listed) == 10
    assert rest == ["the other 3 features add +0.03"]


def test_parts_are_above_the_features_on_one_scale() -> None:
    parts = [("signal", 3.0), ("all features", -1.5)]
    figure = plot_explanation(SIGNAL, FS, NOTHING, FEATURES, parts=parts)
    texts = [text.get_text() for text in figure.axes[1].texts]
    heights = {text.get_text(): text.get_position()[1] for text in figure.axes[1].texts}
    assert heights["signal"] > heights["all features"] > heights["qrs_duration_ms"]
    assert texts[texts.index("signal") + 1] == "+3.00"
    bars = [bar for bar in figure.axes[1].patches if isinstance(bar, Rectangle)]
    widths = [bar.get_width() for bar in bars[:3]]
    assert widths == pytest.approx([widths[0], widths[0] / 2, widths[0] / 2])


def test_bars_are_as_long_as_the_contributions() -> None:
    figure = plot_explanation(SIGNAL, FS, NOTHING, FEATURES)
    bars = [bar for bar in figure.axes[1].patches if isinstance(bar, Rectangle)]
    widths = np.array([bar.get_width() for bar in bars])
    added = np.array([added for _, _, added in FEATURES[:10]])
    np.testing.assert_allclose(widths / widths[0], np.abs(added) / added[0])
    zero = bars[0].get_x()
    for bar, one in zip(bars, added, strict=True):
        start = bar.get_x() if one > 0 else bar.get_x() + bar.get_width()
        assert start == pytest.approx(zero)
    assert {bar.get_facecolor()[:3] for bar in bars} == {to_rgb(FOR), to_rgb(AGAINST)}
    ends = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars]
    assert np.min(ends) > 148.0
    assert np.max(ends) < 289.0


@pytest.mark.parametrize("n_features", [0, 1, 13])
def test_the_ecg_stays_true_to_scale(n_features: int) -> None:
    plain = ecg_paper(SIGNAL, FS)
    figure = plot_explanation(SIGNAL, FS, NOTHING, FEATURES[:n_features])
    for axes in figure.axes:
        window = axes.get_window_extent()
        x, y = axes.get_xlim()[1], axes.get_ylim()[1]
        per_mm = figure.dpi / 25.4
        assert (window.width / x, window.height / y) == pytest.approx((per_mm, per_mm))
    assert len(figure.axes) == 1 + (n_features > 0)
    assert figure.axes[0].get_ylim() == plain.axes[0].get_ylim()
    assert figure.get_figwidth() == plain.get_figwidth()
