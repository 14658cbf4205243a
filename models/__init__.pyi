from .checkpoint import Checkpoint as Checkpoint
from .comparison.run import compare as compare
from .comparison.settings import ComparisonSettings as ComparisonSettings
from .conversion.convert import convert as convert
from .devices import chosen_device as chosen_device
from .evaluation.evaluate import evaluate as evaluate
from .hybrid.folder import train_hybrid_into as train_hybrid_into
from .hybrid.model import Hybrid as Hybrid
from .hybrid.settings import HybridSettings as HybridSettings
from .hybrid.training import train_hybrid as train_hybrid
from .inference.extraction import extract as extract
from .inference.prediction import predict as predict, predict_signal as predict_signal
from .loading import load as load
from .networks.create import create_model as create_model
from .networks.extractor import Extractor as Extractor
from .networks.foreign import ForeignEncoder as ForeignEncoder
from .networks.names import MODELS as MODELS
from .networks.own import register as register
from .running import run_network as run_network
from .settings import (
    ModelSettings as ModelSettings,
    TrainingSettings as TrainingSettings,
)
from .tabular.fusion import FusionNetwork as FusionNetwork
from .tabular.fusion_training import train_fusion as train_fusion
from .training.callbacks import (
    EpochCallback as EpochCallback,
    HistoryCurves as HistoryCurves,
    HistoryTable as HistoryTable,
    TensorBoard as TensorBoard,
)
from .training.extractor import train_extractor as train_extractor
from .training.fit import fit as fit
from .training.history import Epoch as Epoch, History as History
from .training.run import train as train
