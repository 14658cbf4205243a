"""The steps of a training are those of a plain loop."""

from pathlib import Path

import pytest
import torch
from torch.optim.lr_scheduler import OneCycleLR

from ecgstore import pipes
from ecgstore.models.training.fit import fit
from ecgstore.models.training.loss import weighted_loss
from ecgstore.models.training.objectives import ClassObjective
from ecgstore.models.training.steps import Steps
from ecgstore.pipes import Batch
from ecgstore.storage import Selection
from tests.models.training.small_trainings import (
    N_CLASSES,
    StoppedError,
    TinyNetwork,
    fast_settings,
    result_of,
    stopping,
)

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
CLASS_WEIGHTS = torch.linspace(1, 4, N_CLASSES)
SETTINGS = fast_settings()


def batches_of(training: Selection) -> list[Batch]:
    with pipes.loader(training, 5, device="cpu", prefetch=0) as loader:
        return [batch for batch in loader if len(batch) > 1]


def test_steps_are_those_of_a_plain_loop(training: Selection) -> None:
    batches = batches_of(training)
    network, plain = TinyNetwork(), TinyNetwork()
    objective = ClassObjective(CLASS_WEIGHTS)
    steps = Steps(network, SETTINGS, len(batches), objective, CPU)
    optimiser = torch.optim.AdamW(
        plain.parameters(), SETTINGS.learning_rate, weight_decay=SETTINGS.weight_decay
    )
    schedule = OneCycleLR(optimiser, SETTINGS.learning_rate, len(batches) + 1)
    for number, batch in enumerate(batches):
        assert batch.labels is not None
        network.eval()  # as after the validation of an epoch
        with torch.random.fork_rng([]):
            torch.manual_seed(number)
            steps.begin_epoch()
            loss = steps.take(batch)
            torch.manual_seed(number)
            logits = plain.train()(*plain.inputs(batch)).logits
        expected = weighted_loss(logits, batch.labels, CLASS_WEIGHTS)
        optimiser.zero_grad()
        expected.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        assert loss.item() == expected.item()
        assert steps.learning_rate == schedule.get_last_lr()[0]
    for name, value in plain.state_dict().items():
        assert torch.equal(network.state_dict()[name], value), name


def test_a_longer_training_that_is_stopped_again_is_resumed_exactly(
    training: Selection, tmp_path: Path
) -> None:
    more = fast_settings(epochs=4)
    results = []
    for stops in (False, True):
        state_file = tmp_path / f"{stops}.pt"
        fit(TinyNetwork(), training, None, fast_settings(), state_file=state_file)
        if stops:  # in the third epoch, whose steps are saved
            with pytest.raises(StoppedError):
                fit(
                    stopping(TinyNetwork(), 3),
                    training,
                    None,
                    more,
                    state_file=state_file,
                )
        network = TinyNetwork()
        history = fit(network, training, None, more, state_file=state_file)
        results.append(result_of(network, history, state_file))
    assert results[0] == results[1]
