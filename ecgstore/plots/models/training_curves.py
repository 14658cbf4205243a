"""Plots of the losses and the validation score of a training."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ecgstore.plots.style.colours import BLUE, GREY, INK, ORANGE
from ecgstore.scores.texts import UNDEFINED, number_text
from ecgstore.system.visible import visible_lines


def plot_training_curves(
    epochs: Sequence[int],
    training_loss: Sequence[float],
    validation_loss: Sequence[float],
    validation_auroc: Sequence[float],
    best_epoch: int,
    *,
    title: str = "",
) -> Figure:
    """Plot losses and AUROC of every epoch, and mark the epoch whose weights were kept.

    Training and validation loss share an axis to show how each changes; their values
    are not comparable, since the training loss has class weights and augmented signals.

    Parameters
    ----------
    epochs : sequence of int, of length n_epochs
        Numbers of the epochs.
    training_loss, validation_loss : sequence of float, of length n_epochs
        Mean losses on the training and on the validation records; NaN leaves a gap.
    validation_auroc : sequence of float, of length n_epochs
        Macro AUROC on the validation records.
    best_epoch : int
        The epoch whose weights were kept.
    title : str
        Title of the figure.

    Returns
    -------
    Figure
        Two Axes, the losses and the AUROC.

    Raises
    ------
    ValueError
        If there is no epoch, the lengths differ, or `best_epoch` is not in `epochs`.
    """
    _check(epochs, training_loss, validation_loss, validation_auroc, best_epoch)
    figure = Figure(figsize=(10.0, 3.8), dpi=150, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.1, h_pad=0.08)
    figure.suptitle(
        visible_lines(title), fontsize=13, fontweight="bold", parse_math=False
    )
    losses, auroc = figure.subplots(1, 2)
    marker = "o" if len(epochs) == 1 else None  # a line of one point is invisible
    for values, colour, name in (
        (training_loss, ORANGE, "training (weighted, augmented)"),
        (validation_loss, BLUE, "validation"),
    ):
        losses.plot(epochs, values, color=colour, label=name, marker=marker)
    auroc.plot(epochs, validation_auroc, color=BLUE, marker=marker)
    losses.set_title("loss", loc="left", fontsize=10)
    auroc.set_title("macro AUROC, validation", loc="left", fontsize=10)
    best = list(epochs).index(best_epoch)
    for axes, values in ((losses, validation_loss), (auroc, validation_auroc)):
        _mark(axes, best_epoch, values[best])
    if np.isnan(validation_auroc).all():
        auroc.set_yticks([])
        auroc.text(
            0.5,
            0.5,
            f"{UNDEFINED}: no class is in some, but not in all validation records",
            transform=auroc.transAxes,
            ha="center",
            fontsize=9,
            color=GREY,
            style="italic",
        )
    losses.legend(frameon=False, fontsize=9)
    return figure


def _check(
    epochs: Sequence[int],
    training_loss: Sequence[float],
    validation_loss: Sequence[float],
    validation_auroc: Sequence[float],
    best_epoch: int,
) -> None:
    """Refuse curves of different lengths, and a best epoch that is not in `epochs`."""
    for name, values in (
        ("training_loss", training_loss),
        ("validation_loss", validation_loss),
        ("validation_auroc", validation_auroc),
    ):
        if len(values) != len(epochs):
            raise ValueError(
                f"{name} has {len(values)} values, expected one for each of the "
                f"{len(epochs)} epochs"
            )
    if best_epoch not in epochs:
        raise ValueError(f"best_epoch is {best_epoch}, expected one of epochs")


def _mark(axes: Axes, epoch: int, value: float) -> None:
    """Mark the epoch whose weights were kept, and write its value above the plot."""
    axes.axvline(epoch, color=GREY, linewidth=1.0, linestyle="--", gid="best-epoch")
    axes.plot(epoch, value, "o", color=INK, markersize=5, zorder=5, gid="best")
    axes.set_title(
        f"kept: epoch {epoch}, {number_text(value)}", loc="right", fontsize=9
    )
    axes.set_xlabel("epoch", fontsize=9)
    axes.tick_params(labelsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(y=0.12)
    axes.grid(color=GREY, alpha=0.25, linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
