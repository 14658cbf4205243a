"""Scores of predictions, with confidence intervals, and the Challenge 2020's."""

from ecgstore.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
