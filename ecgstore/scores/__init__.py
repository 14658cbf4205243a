"""Scores of predictions, with confidence intervals, and those of the Challenge 2020."""

from ecgstore.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
