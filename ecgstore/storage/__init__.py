"""The file: its layout, and how its rows are read.

The public names are imported when they are first used: what only writes a file safely
(`ecgstore.system.atomic_files`) should not wait for pandas.
"""

from ecgstore.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
