"""Records per class and source."""

import numpy as np
import pytest
from matplotlib.patches import Patch, Rectangle

from ecgstore.arrays import FloatArray
from ecgstore.plots import class_balance


def balance(n_classes: int, n_sources: int) -> tuple[list[str], dict[str, list[int]]]:
    """Return class names and counts of very different size, zeros among them."""
    rng = np.random.default_rng(0)
    names = [f"some class of diagnosis {number}" for number in range(n_classes)]
    counts = {
        f"st_petersburg_incart_{source}": [
            int(10 ** rng.uniform(0, 4.5)) if rng.random() > 0.3 else 0 for _ in names
        ]
        for source in range(n_sources)
    }
    return names, counts


@pytest.mark.parametrize(("n_classes", "n_sources"), [(1, 1), (7, 5), (24, 6), (24, 9)])
def test_class_balance_draws_and_writes_every_number(
    n_classes: int, n_sources: int
) -> None:
    names, counts = balance(n_classes, n_sources)
    figure = class_balance(names, counts, title="costs $_$")
    figure.draw_without_rendering()
    bars, table = figure.axes
    widths = [[bar.get_width() for bar in group] for group in bars.containers]
    assert widths == list(counts.values())
    lefts = [[bar.get_x() for bar in group] for group in bars.containers]
    expected = np.cumsum([[0] * n_classes, *list(counts.values())[:-1]], axis=0)
    np.testing.assert_array_equal(lefts, expected)
    assert [label.get_text() for label in bars.get_yticklabels()] == names
    written = [text.get_text() for text in table.texts]
    for number in (n for numbers in counts.values() for n in numbers if n):
        assert f"{number:,}" in written
    for total in np.sum(list(counts.values()), axis=0):
        assert (f"{total:,}" if total else "\N{EN DASH}") in written
    assert [*counts, "total"] == written[: n_sources + 1]


@pytest.mark.parametrize(("n_classes", "n_sources"), [(1, 1), (7, 5), (24, 6)])
def test_class_balance_is_legible(n_classes: int, n_sources: int) -> None:
    names, counts = balance(n_classes, n_sources)
    counts["a source with a long name and a $_$"] = [123_456] * n_classes
    figure = class_balance(names, counts, title="classes")
    figure.draw_without_rendering()
    bars, table = figure.axes
    labels = [*figure.texts, *bars.get_yticklabels(), *table.texts]
    boxes = np.array([text.get_window_extent().extents for text in labels])
    assert boxes[:, :2].min() >= 0.0
    assert np.all(boxes[:, 2:] <= figure.bbox.size)
    level = boxes[[not text.get_rotation() for text in labels]]
    assert_apart(level)


def test_class_balance_sources_look_different() -> None:
    _, counts = balance(3, 9)
    figure = class_balance(["a", "b", "c"], counts)
    swatches = [p for p in figure.axes[1].patches if isinstance(p, Rectangle)]
    looks = [look(bar) for bar in (group[0] for group in figure.axes[0].containers)]
    assert len(set(looks)) == 9
    assert [look(p) for p in swatches if p.get_height() < 0.5] == looks


def look(patch: Patch) -> tuple[object, ...]:
    return (patch.get_facecolor(), patch.get_hatch())


def test_class_balance_refuses_holes() -> None:
    with pytest.raises(ValueError, match="0 classes"):
        class_balance([], {"ptb": []})
    with pytest.raises(ValueError, match="0 sources"):
        class_balance(["AF"], {})
    with pytest.raises(ValueError, match="source 'ptb' has 1 numbers, expected one"):
        class_balance(["AF", "MI"], {"ptb": [1]})


def assert_apart(boxes: FloatArray) -> None:
    """Fail if two boxes overlap; `boxes` is (n, 4): x0, y0, x1, y1."""
    before = np.any(boxes[:, None, 2:] <= boxes[None, :, :2], axis=-1)  # (n, n)
    assert np.all(before | before.T | np.eye(len(boxes), dtype=bool))
