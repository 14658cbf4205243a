"""Pictures of ECGs and of what a store holds.

Those of arrays are pure functions; those of a store take their arrays from it.
"""

from ecgstore.plots.balance import class_balance
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

__all__ = [
    "SheetPanel",
    "class_balance",
    "contact_sheet",
    "ecg_paper",
    "filter_effect",
    "plot_classes",
    "plot_filter",
    "plot_record",
    "plot_worst",
    "save",
]
