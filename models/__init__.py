"""Networks on ECGs: deep features, fusion with handcrafted ones, a fair comparison.

>>> from ecgstore.models import create_model
>>> network = create_model("resnet18", n_leads=12, n_classes=7)  # doctest: +SKIP

Needs PyTorch, torchdata and scikit-learn: ``pip install "ecgstore[torch]"``. They are
imported when a name of this package is first used.
"""

from typing import TYPE_CHECKING

from ecgstore.lazy_names import lazy_names

if TYPE_CHECKING:
    from ecgstore.models.checkpoint import Checkpoint
    from ecgstore.models.comparison import compare
    from ecgstore.models.create import MODELS, create_model
    from ecgstore.models.devices import chosen_device
    from ecgstore.models.evaluation import evaluate
    from ecgstore.models.extraction import extract
    from ecgstore.models.extractor import Extractor
    from ecgstore.models.extractor_training import train_extractor
    from ecgstore.models.fusion import FusionNetwork, train_fusion
    from ecgstore.models.inference import find
    from ecgstore.models.metrics import challenge_metric, challenge_scores
    from ecgstore.models.prediction import predict
    from ecgstore.models.scores import score
    from ecgstore.models.settings import (
        ComparisonSettings,
        ModelSettings,
        TrainingSettings,
    )
    from ecgstore.models.training import fit

_HOMES = {
    "MODELS": "create",
    "Checkpoint": "checkpoint",
    "ComparisonSettings": "settings",
    "Extractor": "extractor",
    "FusionNetwork": "fusion",
    "ModelSettings": "settings",
    "TrainingSettings": "settings",
    "challenge_metric": "metrics",
    "challenge_scores": "metrics",
    "chosen_device": "devices",
    "compare": "comparison",
    "create_model": "create",
    "extract": "extraction",
    "evaluate": "evaluation",
    "find": "inference",
    "fit": "training",
    "predict": "prediction",
    "score": "scores",
    "train_extractor": "extractor_training",
    "train_fusion": "fusion",
}

__all__ = [
    "MODELS",
    "Checkpoint",
    "ComparisonSettings",
    "Extractor",
    "FusionNetwork",
    "ModelSettings",
    "TrainingSettings",
    "challenge_metric",
    "challenge_scores",
    "chosen_device",
    "compare",
    "create_model",
    "evaluate",
    "extract",
    "find",
    "fit",
    "predict",
    "score",
    "train_extractor",
    "train_fusion",
]

__getattr__, __dir__ = lazy_names(
    __name__, _HOMES, extra=("torch", "torchdata", "sklearn", "threadpoolctl")
)
