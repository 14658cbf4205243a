"""Pictures of ECGs, of what a store holds, and of what models make of it.

Those of arrays are pure functions; those of a store take their arrays from it.
"""

from ecgstore.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
