"""The same arguments give the same weights, bit for bit."""

from typing import Any

import pytest
import torch
from torch import Tensor

from ecgstore.models.networks.create import create_model
from ecgstore.models.settings import ModelSettings
from ecgstore.models.training.extractor import train_extractor
from ecgstore.models.training.fit import fit
from ecgstore.pipes.testing import digest
from ecgstore.storage import Selection
from tests.models.training.small_trainings import (
    AUGMENTATION,
    StoppedError,
    TinyNetwork,
    call_before_batches,
    fast_settings,
    stopping,
)

pytestmark = pytest.mark.usefixtures("one_thread")
MODEL = ModelSettings(model="cnn", fs=100.0)


def trained(
    training: Selection, validation: Selection, **changes: Any
) -> dict[str, Tensor]:
    """Return the weights of a tiny network after training."""
    network = TinyNetwork()
    settings = fast_settings(**changes)
    fit(network, training, validation, settings, augmentation=AUGMENTATION)
    return network.state_dict()


def test_weights_are_a_function_of_the_seed(
    training: Selection, validation: Selection
) -> None:
    first = trained(training, validation)
    torch.rand(3)  # the state of PyTorch's generator does not matter
    assert digest(trained(training, validation)) == digest(first)
    assert digest(trained(training, validation, seed=4)) != digest(first)


def test_the_order_of_the_records_depends_on_the_seed(training: Selection) -> None:
    def first_rows(seed: int) -> list[int]:
        rows: list[list[int]] = []
        network = call_before_batches(
            TinyNetwork(), lambda batch: rows.append(batch.rows.tolist())
        )
        fit(network, training, None, fast_settings(seed=seed))
        return rows[0]

    assert first_rows(3) == first_rows(3) != first_rows(4)


@pytest.mark.parametrize("seed", [3, 4])
def test_initial_weights_depend_on_the_seed(training: Selection, seed: int) -> None:
    # The steps are too small to change a weight that is not 0.
    settings = fast_settings(seed=seed, epochs=1, learning_rate=1e-30)
    checkpoint, _ = train_extractor(training, None, MODEL, settings)
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        initial = create_model("cnn", 12, len(training.store.label_names))
    for name, weight in initial.named_parameters():
        torch.testing.assert_close(
            checkpoint.weights[name], weight.detach(), rtol=0, atol=1e-20
        )


def test_random_generators_of_the_caller_are_restored(
    training: Selection, validation: Selection
) -> None:
    before = torch.get_rng_state()
    trained(training, validation)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(StoppedError):
        fit(stopping(TinyNetwork(), 1), training, validation, fast_settings())
    assert torch.equal(torch.get_rng_state(), before)
    train_extractor(training, None, MODEL, fast_settings(epochs=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_mixed_precision_on_a_cpu_is_reproducible(
    training: Selection, validation: Selection
) -> None:
    full = trained(training, validation)
    mixed = trained(training, validation, precision="bfloat16")
    assert digest(mixed) != digest(full)
    for name, weight in mixed.items():
        assert torch.isfinite(weight).all()
        assert weight.dtype == full[name].dtype
    again = trained(training, validation, precision="bfloat16")
    assert digest(again) == digest(mixed)
