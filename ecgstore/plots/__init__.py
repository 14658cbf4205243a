"""Plots of ECGs, of stores, and of the evaluation of models.

Plots of arrays are pure functions; plots of a store read their arrays from it.
"""

from ecgstore.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
