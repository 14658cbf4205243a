"""Beats of a record, and the P, QRS and T waves of every beat in every lead."""

from ecgstore.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
