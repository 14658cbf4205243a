"""Stores: the file format, and reading rows of signals, labels and features.

The public names are imported at their first use, so that modules which only need the
format do not import pandas.
"""

from ecgstore.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
