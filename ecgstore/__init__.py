"""12-lead ECG datasets in one HDF5 file.

>>> import ecgstore
>>> store = ecgstore.open("challenge.h5")  # doctest: +SKIP
>>> store.signals(store.select(folds=[9]).rows)  # doctest: +SKIP

Everything heavier than this file is imported when it is first used.
"""

from ecgstore.lazy_names import lazy_names

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)
