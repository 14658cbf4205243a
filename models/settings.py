"""Settings of a network and of its training, without loading PyTorch."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from ecgstore.chosen_leads import lead_names
from ecgstore.models.networks.names import MODELS, NormaliseBy
from ecgstore.models.networks.own import model_name, short_name
from ecgstore.options import check, option, to_dict

if TYPE_CHECKING:
    from ecgstore.storage import Store

WITHOUT_SIGNALS: Final = (
    "seed",
    "save_every",
    "patience",
    "crop_s",
    "augment",
    "mixup",
    "targets",
    "target_weight",
    "auxiliary_weight",
    "pretrain_epochs",
)
"""Settings that are not offered for a network on handcrafted features, in the training
of another model: it has no signals as inputs, and those are what an extractor would
learn to predict. Without validation records there is no early stopping."""


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How a network is trained; see docs/options.md for every setting.

    Raises
    ------
    ConfigError
        If a value has the wrong type or is outside its range.
    """

    epochs: int = option(30, "Maximum number of epochs.", minimum=1, maximum=1_000_000)
    batch_size: int = option(
        32,
        "Number of records in a training batch, in each process.",
        minimum=1,
        maximum=1_000_000,
    )
    learning_rate: float = option(
        2e-3,
        "Maximum learning rate of the one-cycle schedule.",
        above=0,
        maximum=1,
    )
    weight_decay: float = option(0.01, "Weight decay of AdamW.", minimum=0, maximum=10)
    patience: int = option(
        8,
        "Early stopping: number of epochs without a better validation AUROC.",
        minimum=1,
        maximum=1_000_000,
    )
    average_decay: float = option(
        0.0,
        "Decay per step of an exponential moving average of the weights, which is "
        "evaluated and kept in their place; 0 for none.",
        minimum=0,
        below=1,
    )
    crop_s: float | None = option(
        None,
        "Duration of the window that is cut out of a training record, at random in "
        "every epoch; validation records are never cut.",
        minimum=1,
        maximum=3600,
        unit="seconds",
        none="whole records",
    )
    augment: bool = option(True, "Augment the training signals at random.")
    mixup: float = option(
        0.0,
        "Mix training records and their labels in pairs, with weights from the "
        "distribution Beta(mixup, mixup); 0 for none.",
        minimum=0,
        maximum=100,
    )
    targets: tuple[str, ...] = option(
        (),
        "Targets of the store, such as age, that the network learns to predict beside "
        "the classes.",
        metavar="TARGET,...",
    )
    target_weight: float = option(
        1.0,
        "Weight of the loss of the targets; that of the classes is 1.",
        above=0,
        maximum=1000,
    )
    auxiliary_weight: float = option(
        0.0,
        "Weight of the loss of an additional layer that predicts the handcrafted "
        "features during training; 0 for no such layer.",
        minimum=0,
        maximum=1000,
    )
    pretrain_epochs: int = option(
        0,
        "Number of epochs in which the network first learns to predict the handcrafted "
        "features, without labels.",
        minimum=0,
        maximum=1_000_000,
    )
    precision: Literal["auto", "float32", "bfloat16"] = option(
        "auto",
        "Floating-point precision: float32, or mixed precision with bfloat16; auto is "
        "bfloat16 on a GPU that supports it.",
    )
    seed: int = option(
        0,
        "Random seed of weights, order, augmentation and dropout.",
        minimum=0,
        maximum=2**63 - 1,
    )
    save_every: int = option(
        0,
        "Number of steps between two saves of the training state within an epoch; 0 "
        "saves at the end of each epoch only.",
        minimum=0,
        maximum=1_000_000_000,
    )

    def __post_init__(self) -> None:
        check(self)

    def to_dict(self) -> dict[str, Any]:
        """Return every setting, for JSON."""
        return to_dict(self)


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """Architecture and inputs of a network; see docs/options.md for every setting.

    Raises
    ------
    ConfigError
        If a value has the wrong type, or the model or a lead is not known.
    """

    model: str = option(
        "resnet18",
        f"Architecture of the network: {', '.join(MODELS)}, or the class or function "
        "NAME in a Python file of your own.",
        metavar="NAME|FILE.py:NAME",
        convert=model_name,
    )
    normalise_by: NormaliseBy = option(
        "record",
        "Normalise a record by the standard deviation of all its leads together, or "
        "each lead by its own.",
    )
    fs: float | None = option(
        None,
        "Sampling rate that signals are decimated to; the store's must be a multiple "
        "of it. Training is faster at a lower rate.",
        above=0,
        unit="Hz",
        none="the store's",
    )
    leads: tuple[str, ...] | None = option(
        None,
        "Leads to use, in this order.",
        none="all of the store",
        convert=lead_names,
    )

    def __post_init__(self) -> None:
        check(self)

    def for_store(self, store: "Store") -> Self:
        """Return the settings with the names of the leads, also if none are given.

        Raises
        ------
        ConfigError
            If the store lacks one of the leads.
        """
        numbers = store.lead_numbers(self.leads or store.leads)
        return replace(self, leads=tuple(store.leads[number] for number in numbers))

    def to_dict(self) -> dict[str, Any]:
        """Return every setting, for JSON and files.

        A network of one's own has its short name: the file that a name comes from must
        not choose a file that runs.
        """
        return {**to_dict(self), "model": short_name(self.model)}
