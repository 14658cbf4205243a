"""Pictures of ECGs, of what a store holds, and of what models make of it.

Those of arrays are pure functions; those of a store take their arrays from it.
"""

from ecgstore.plots.balance import class_balance
from ecgstore.plots.comparison import plot_difference_intervals, plot_score_intervals
from ecgstore.plots.contact_sheet import SheetPanel, contact_sheet
from ecgstore.plots.files import save
from ecgstore.plots.filtering import filter_effect
from ecgstore.plots.of_store import (
    plot_classes,
    plot_filter,
    plot_record,
    plot_worst,
)
from ecgstore.plots.paper import ecg_paper
from ecgstore.plots.predictions import plot_confusion, plot_reliability
from ecgstore.plots.training_curves import plot_training_curves

__all__ = [
    "SheetPanel",
    "class_balance",
    "contact_sheet",
    "ecg_paper",
    "filter_effect",
    "plot_classes",
    "plot_confusion",
    "plot_difference_intervals",
    "plot_filter",
    "plot_record",
    "plot_reliability",
    "plot_score_intervals",
    "plot_training_curves",
    "plot_worst",
    "save",
]
