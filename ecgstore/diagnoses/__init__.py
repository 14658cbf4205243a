"""Diagnoses as SNOMED CT codes, and class sets that turn them into labels."""

from ecgstore.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
