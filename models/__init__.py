"""Networks for ECGs: deep features, fusion with handcrafted ones, and a comparison.

>>> from ecgstore.models import create_model
>>> network = create_model("resnet18", n_leads=12, n_classes=7)  # doctest: +SKIP

Needs PyTorch, torchdata and scikit-learn: ``pip install "ecgstore[torch]"``. They are
imported when a name of this package is first used.
"""

from ecgstore.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__, __file__, extra=("torch", "torchdata", "sklearn", "threadpoolctl")
)
