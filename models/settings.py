"""What a training is told, validated once."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ecgstore.errors import ConfigError
from ecgstore.models.networks.names import MODELS
from ecgstore.models.networks.normalise import NormaliseBy
from ecgstore.record import LEADS


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How a network is trained.

    Attributes
    ----------
    epochs : int
        How often the records are gone through, unless training stops early.
    batch_size : int
        Records of a step, in each process.
    learning_rate : float
        The highest rate of the one-cycle schedule.
    weight_decay : float
        Of AdamW.
    patience : int
        Epochs without a better validation score after which training stops.
    average_decay : float
        Decay per step of the moving average of the weights that is judged and kept; 0
        for none.
    augment : bool
        Change signals at random: see `extractor_training.AUGMENTATIONS`.
    precision : {"auto", "float32", "bfloat16"}
        Mixed precision with bfloat16, or none; "auto" is bfloat16 on a GPU that has it.
    seed : int
        For weights, order, augmentation and dropout.
    save_every : int
        Steps between two savings within an epoch; 0 for none but at its end.

    Raises
    ------
    ConfigError
        If a value is outside its range.
    """

    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    patience: int = 8
    average_decay: float = 0.0
    augment: bool = True
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: int = 0
    save_every: int = 0

    def __post_init__(self) -> None:
        for name, holds, expected in (
            ("epochs", self.epochs >= 1, "1 or more"),
            ("batch_size", self.batch_size >= 1, "1 or more"),
            ("learning_rate", 0 < self.learning_rate <= 1, "above 0, up to 1"),
            ("weight_decay", 0 <= self.weight_decay <= 10, "0 to 10"),
            ("patience", self.patience >= 1, "1 or more"),
            ("average_decay", 0 <= self.average_decay < 1, "0 or more, below 1"),
            ("seed", 0 <= self.seed < 2**63, "0 or more, below 2**63"),
            ("save_every", self.save_every >= 0, "0 or more"),
            (
                "precision",
                self.precision in ("auto", "float32", "bfloat16"),
                "auto, float32 or bfloat16",
            ),
        ):
            if not holds:
                raise ConfigError(
                    f"{name} is {getattr(self, name)!r}; expected {expected}"
                )

    def to_dict(self) -> dict[str, Any]:
        """Return every setting, for JSON."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """Which network, and what it is given.

    Attributes
    ----------
    model : str
        A name of `create.MODELS`.
    normalise_by : {"record", "lead"}
        What signals are normalised by; see `Normalise`.
    fs : float or None
        Sampling rate in Hz that signals are brought to; the store's if None.
    leads : tuple of str
        Names of the leads, in their order.

    Raises
    ------
    ConfigError
        If the model or a lead is not known.
    """

    model: str = "resnet18"
    normalise_by: NormaliseBy = "record"
    fs: float | None = None
    leads: tuple[str, ...] = LEADS

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise ConfigError(
                f"no model {self.model!r}; expected one of {', '.join(MODELS)}"
            )
        if self.normalise_by not in ("record", "lead"):
            raise ConfigError(
                f"normalise_by is {self.normalise_by!r}; expected record or lead"
            )
        unknown = [name for name in self.leads if name not in LEADS]
        if unknown or not self.leads or len(set(self.leads)) != len(self.leads):
            raise ConfigError(
                f"leads are {', '.join(self.leads)}; expected some of "
                f"{', '.join(LEADS)}, each once"
            )
        if self.fs is not None and not self.fs > 0:
            raise ConfigError(f"fs is {self.fs}; expected a sampling rate in Hz")

    def to_dict(self) -> dict[str, Any]:
        """Return every setting, for JSON."""
        return {**asdict(self), "leads": list(self.leads)}


DeepInputs = Literal["logits", "features"]


@dataclass(frozen=True, kw_only=True)
class ComparisonSettings:
    """What a comparison is told.

    Attributes
    ----------
    protocols : tuple of str
        How records to judge are chosen: of `outer_folds.PROTOCOLS`.
    n_folds : int
        Outer folds of patients.
    n_inner_folds : int
        Inner folds, each with an extractor of its own.
    n_seeds : int
        How often all is trained, with seeds from 0 on.
    deep_inputs : {"logits", "features"}
        What of the extractors a fusion is given; see docs/models.md.
    age_sex : bool
        Give age and sex to every mode.
    n_resamples : int
        Resamples of the bootstrap over patients.
    model : ModelSettings
        The extractor.
    training : TrainingSettings
        How extractors are trained; the seed is replaced.
    fusion : TrainingSettings
        How the small networks are trained; the seed is replaced.

    Raises
    ------
    ConfigError
        If a value is outside its range.
    """

    protocols: tuple[str, ...] = ("patients", "sources")
    n_folds: int = 5
    n_inner_folds: int = 3
    n_seeds: int = 5
    deep_inputs: DeepInputs = "logits"
    age_sex: bool = False
    n_resamples: int = 2000
    model: ModelSettings = field(default_factory=ModelSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    fusion: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            epochs=40, batch_size=64, augment=False
        )
    )

    def __post_init__(self) -> None:
        for name, holds, expected in (
            (
                "protocols",
                self.protocols and set(self.protocols) <= {"patients", "sources"},
                "patients, sources or both",
            ),
            ("n_folds", 2 <= self.n_folds <= 100, "2 to 100"),
            ("n_inner_folds", 2 <= self.n_inner_folds <= 100, "2 to 100"),
            ("n_seeds", self.n_seeds >= 1, "1 or more"),
            ("n_resamples", self.n_resamples >= 100, "100 or more"),
            (
                "deep_inputs",
                self.deep_inputs in ("logits", "features"),
                "logits or features",
            ),
        ):
            if not holds:
                raise ConfigError(
                    f"{name} is {getattr(self, name)!r}; expected {expected}"
                )

    def to_dict(self) -> dict[str, Any]:
        """Return every setting, for JSON."""
        return {
            **asdict(self),
            "protocols": list(self.protocols),
            "model": self.model.to_dict(),
        }
