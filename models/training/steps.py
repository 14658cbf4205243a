"""The steps of a training: each changes the weights of a network by one batch."""

from typing import Any, Final, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ecgstore.models.networks.network import Network
from ecgstore.models.settings import TrainingSettings
from ecgstore.models.training.loss import weighted_loss
from ecgstore.pipes.batch import Batch

_MAX_GRADIENT_NORM: Final = 1.0


class Steps:
    """A network with all that changes its weights: optimiser, schedule, average.

    Parameters
    ----------
    network : Network
        The network to train, on `device`.
    settings : TrainingSettings
        Hyperparameters.
    n_steps : int
        Steps of the whole training.
    class_weights : Tensor of shape (n_classes,)
        Weight of the loss of each class.
    device : torch.device
        Device to train on.

    Attributes
    ----------
    evaluated : Network
        The network to evaluate: the moving average of the weights, if there is one.
    """

    def __init__(
        self,
        network: Network,
        settings: TrainingSettings,
        n_steps: int,
        class_weights: Tensor,
        device: torch.device,
    ) -> None:
        self._network = network
        self._class_weights = class_weights
        self._device = device
        self._in_bfloat16 = _uses_bfloat16(settings, device)
        self._optimiser = torch.optim.AdamW(
            network.parameters(),
            settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
        # One more than the steps: the schedule is advanced after the last one, too.
        self._schedule = OneCycleLR(
            self._optimiser, settings.learning_rate, n_steps + 1
        )
        self._averaged = _moving_average(network, settings.average_decay)
        self.evaluated = (
            network if self._averaged is None else cast(Network, self._averaged.module)
        )
        self._model = _synchronised(network, device)

    @property
    def parts(self) -> dict[str, Any]:
        """The parts that have a state, by name."""
        parts: dict[str, Any] = {
            "network": self._network,
            "optimiser": self._optimiser,
            "schedule": self._schedule,
        }
        return parts if self._averaged is None else parts | {"averaged": self._averaged}

    @property
    def n_steps(self) -> int:
        """Steps of the whole training, by the state that was loaded last."""
        return self._schedule.total_steps - 1

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next step."""
        return float(self._schedule.get_last_lr()[0])

    def stretch(self, n_steps: int, learning_rate: float) -> None:
        """Stretch the schedule to a number of steps, from the step that it is at."""
        self._schedule = OneCycleLR(
            self._optimiser,
            learning_rate,
            n_steps + 1,
            last_epoch=self._schedule.last_epoch - 1,
        )

    def begin_epoch(self) -> None:
        """Let the layers behave as in training; an evaluation may have changed that."""
        self._model.train()

    def take(self, batch: Batch) -> Tensor:
        """Change the weights by one batch; return the mean loss of its records."""
        with torch.autocast(
            self._device.type, torch.bfloat16, enabled=self._in_bfloat16
        ):
            logits = self._model(*self._network.inputs(batch)).logits
        assert batch.labels is not None  # a field of every network
        loss = weighted_loss(logits, batch.labels, self._class_weights)
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._network.parameters(), _MAX_GRADIENT_NORM)
        self._optimiser.step()
        self._schedule.step()
        if self._averaged is not None:
            self._averaged.update_parameters(self._network)
        return loss


def _uses_bfloat16(settings: TrainingSettings, device: torch.device) -> bool:
    """Return whether to train in mixed precision."""
    if settings.precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    return settings.precision == "bfloat16"


def _moving_average(network: Network, decay: float) -> AveragedModel | None:
    """Return a moving average of weights and running statistics; None if decay is 0."""
    if not decay:
        return None
    multi_avg_fn = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(network, multi_avg_fn=multi_avg_fn, use_buffers=True)


def _synchronised(network: Network, device: torch.device) -> nn.Module:
    """Return the network; with several processes, one that averages gradients."""
    if not dist.is_initialized():
        return network
    return DistributedDataParallel(
        network, [device.index] if device.type == "cuda" else None
    )
