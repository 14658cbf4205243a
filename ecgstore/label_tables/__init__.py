"""Labels, patients, folds, targets and other columns from tables and headers."""

from ecgstore.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
