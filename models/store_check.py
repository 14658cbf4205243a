"""Whether a model and a store have the same preprocessing and classes."""

from typing import TYPE_CHECKING, Final, Protocol

from ecgstore.config import Config
from ecgstore.errors import EcgStoreError

if TYPE_CHECKING:
    from ecgstore.storage import Store

PREPROCESSING: Final = (
    "fs",
    "low_hz",
    "high_hz",
    "filter_order",
    "margin_s",
    "max_gap_s",
)
"""Options that must be those of the training of any model; networks on signals accept
any duration."""

OF_FEATURES: Final = ("duration_s", "beats", "rr_convention")
"""Options on which the values of features depend, beside those of preprocessing."""


def check_store(
    model: "_Trained", store: "Store", *, with_features: bool = False
) -> None:
    """Raise an error if the preprocessing or the classes of a store differ.

    Parameters
    ----------
    model : Checkpoint or Hybrid
        What was trained.
    store : Store
        The store.
    with_features : bool
        Whether the options of handcrafted features must be the same, too.

    Raises
    ------
    EcgStoreError
        As `Checkpoint.check`.
    """
    missing = [lead for lead in model.leads if lead not in store.leads]
    if missing:
        raise EcgStoreError(
            f"{store.place}: its leads are {', '.join(store.leads)}; the model was "
            f"trained on {', '.join(model.leads)}: build the store with these --leads"
        )
    if with_features and store.leads != model.leads:
        # Beats are found in all leads, so features of the same leads differ, too.
        raise EcgStoreError(
            f"{store.place}: its leads are {', '.join(store.leads)}; features of the "
            f"model are of {', '.join(model.leads)} alone: build the store with these "
            "--leads"
        )
    if store.label_names != model.label_names:
        raise EcgStoreError(
            f"{store.place}: its classes are {', '.join(store.label_names)}; the model "
            f"was trained on {', '.join(model.label_names)}: build the store with the "
            "same --classes"
        )
    for name in (*PREPROCESSING, *(OF_FEATURES if with_features else ())):
        trained_on, value = getattr(model.config, name), getattr(store.config, name)
        if value != trained_on:
            raise EcgStoreError(
                f"{store.place}: its {name} is {value}; the model was trained on "
                f"{name} {trained_on}: build the store with the same options"
            )


def check_has_features(store: "Store") -> None:
    """Raise an error if a store was built without handcrafted features.

    Raises
    ------
    EcgStoreError
        If it was.
    """
    if store.config.beats == "none":
        raise EcgStoreError(
            f"{store.place}: was built without beats, so it has no handcrafted "
            "features; build it again, or train a network on signals alone (ecgstore "
            "train --inputs deep)"
        )


class _Trained(Protocol):
    """What `check_store` asks of a model."""

    @property
    def leads(self) -> tuple[str, ...]: ...
    @property
    def label_names(self) -> tuple[str, ...]: ...
    @property
    def config(self) -> Config: ...
