from .dataset.balance import class_balance as class_balance
from .dataset.store import (
    plot_classes as plot_classes,
    plot_filter as plot_filter,
    plot_record as plot_record,
    plot_worst as plot_worst,
)
from .ecg.contact_sheet import SheetPanel as SheetPanel, contact_sheet as contact_sheet
from .ecg.filtering import filter_effect as filter_effect
from .ecg.paper import ecg_paper as ecg_paper
from .models.by_source import plot_by_source as plot_by_source
from .models.comparison import (
    plot_difference_intervals as plot_difference_intervals,
    plot_score_intervals as plot_score_intervals,
)
from .models.explanation import plot_explanation as plot_explanation
from .models.learning_curve import plot_learning_curve as plot_learning_curve
from .models.predictions import (
    plot_confusion as plot_confusion,
    plot_reliability as plot_reliability,
)
from .models.training_curves import plot_training_curves as plot_training_curves
from .style.files import save as save
