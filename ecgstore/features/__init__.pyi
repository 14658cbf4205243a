from .feature import Feature as Feature
from .measured import (
    Measured as Measured,
    features_of as features_of,
    measure as measure,
)
from .page import markdown as markdown
from .table import (
    FEATURES as FEATURES,
    FEATURES_VERSION as FEATURES_VERSION,
    compute as compute,
    defined_columns as defined_columns,
    defined_features as defined_features,
)
from .waves.compute import q_s_peaks as q_s_peaks
