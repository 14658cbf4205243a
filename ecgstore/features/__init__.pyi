from .feature import Feature as Feature
from .page import markdown as markdown
from .table import FEATURES as FEATURES, compute as compute
from .waves.compute import q_s_peaks as q_s_peaks
