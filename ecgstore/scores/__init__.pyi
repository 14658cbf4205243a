from .bootstrap import paired_bootstrap as paired_bootstrap
from .challenge2020 import (
    challenge_metric as challenge_metric,
    challenge_scores as challenge_scores,
)
from .multilabel import auroc as auroc, score as score
from .regression import regression_bootstrap as regression_bootstrap
from .thresholds import f1_thresholds as f1_thresholds
