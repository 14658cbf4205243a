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
from ecgstore.models.training.objectives import Objective
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
    objective : Objective
        The loss, on `device`; its own layers are trained, too.
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
        objective: Objective,
        device: torch.device,
    ) -> None:
        self._network = network
        self._objective = objective
        autocast = torch.autocast(
            device.type, torch.bfloat16, enabled=_uses_bfloat16(settings, device)
        )
        with_loss = _WithLoss(network, objective, autocast)
        self._parameters = [*with_loss.parameters()]
        self._optimiser = torch.optim.AdamW(
            self._parameters,
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
        self._model = _synchronised(with_loss, device)

    @property
    def parts(self) -> dict[str, Any]:
        """The parts that have a state, by name."""
        parts: dict[str, Any] = {
            "network": self._network,
            "optimiser": self._optimiser,
            "schedule": self._schedule,
        }
        if self._objective.state_dict():
            parts["objective"] = self._objective
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
        loss: Tensor = self._model(batch)
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._parameters, _MAX_GRADIENT_NORM)
        self._optimiser.step()
        self._schedule.step()
        if self._averaged is not None:
            self._averaged.update_parameters(self._network)
        return loss


class _WithLoss(nn.Module):
    """A network and its objective as one module, from a batch to its loss."""

    def __init__(
        self, network: Network, objective: Objective, autocast: torch.autocast
    ) -> None:
        super().__init__()
        self.network = network
        self.objective = objective
        self._autocast = autocast

    def forward(self, batch: Batch) -> Tensor:
        """Return the mean loss of the records of a batch."""
        with self._autocast:
            output = self.network(*self.network.inputs(batch))
        return self.objective(output, batch)


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


def _synchronised(model: _WithLoss, device: torch.device) -> nn.Module:
    """Return the model; with several processes, one that averages gradients."""
    if not dist.is_initialized():
        return model
    return DistributedDataParallel(
        model,
        [device.index] if device.type == "cuda" else None,
        # Without classes to learn, the layer of the logits is not trained.
        find_unused_parameters="labels" not in model.objective.fields,
    )
