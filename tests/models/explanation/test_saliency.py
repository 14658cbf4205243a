"""Integrated gradients are complete, exact where known, and follow the weights."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from ecgstore.models.explanation.saliency import integrated_gradients
from ecgstore.models.networks.create import create_model
from ecgstore.models.networks.extractor import Extractor, FitsDirectly
from ecgstore.models.networks.masked import Masked
from ecgstore.models.networks.own_trunk import OwnTrunk
from ecgstore.pipes.batch import Batch
from tests.models.networks.test_networks import network_of, smaller_models

N_LEADS, N_REAL, N_SAMPLES = 3, 400, 480
pytestmark = pytest.mark.usefixtures("one_thread")


def one_record(seed: int = 0, **changes: Any) -> Batch:
    """Return a batch of one record of noise, with padding."""
    generator = torch.Generator().manual_seed(seed)
    signals = torch.randn(1, N_LEADS, N_SAMPLES, generator=generator) * 0.3 + 0.1
    signals[..., N_REAL:] = 0
    batch = Batch(
        rows=torch.arange(1),
        seeds=np.zeros(1, np.uint64),
        names=np.array([b"A"]),
        n_real_samples=torch.tensor([N_REAL]),
        signals=signals,
        leads=("I", "II", "V1"),
    )
    return batch.replace(**changes)


def fitted(name: str, seed: int = 0) -> Extractor:
    """Return a network whose trunk is fitted, if it has something to fit."""
    network = deepcopy(network_of(name))
    if isinstance(network.trunk, FitsDirectly):
        generator = torch.Generator().manual_seed(seed)
        network.trunk.fit(torch.randn(8, N_LEADS, N_REAL, generator=generator), seed)
    return network


@smaller_models
def test_values_and_the_baseline_sum_to_the_logit(name: str) -> None:
    network, batch = fitted(name), one_record()
    with torch.no_grad():
        logits = network(*network.inputs(batch)).logits[0]
        no_signal = one_record(signals=torch.zeros(1, N_LEADS, N_SAMPLES))
        at_zero = network(*network.inputs(no_signal)).logits[0]
    saliency = integrated_gradients(network, batch, 2)
    assert saliency.values.shape == (N_LEADS, N_SAMPLES)
    assert saliency.logit == pytest.approx(logits[2].item(), abs=1e-5)
    assert saliency.baseline_logit == pytest.approx(at_zero[2].item(), abs=1e-5)
    total = saliency.values.sum() + saliency.baseline_logit
    assert total == pytest.approx(saliency.logit, abs=0.01)
    assert saliency.error == pytest.approx(total - saliency.logit)
    assert np.abs(saliency.values).max() > 0


def test_padding_and_missing_leads_add_nothing() -> None:
    batch = one_record()
    assert batch.signals is not None
    batch.signals[:, 1] = 0
    missing = torch.tensor([[False, True, False]])
    network = network_of("cnn")
    for one in (batch, batch.replace(missing_leads=missing)):
        values = integrated_gradients(network, one, 0).values
        assert not values[:, N_REAL:].any()
        assert not values[1].any()
        assert np.count_nonzero(values[0, :N_REAL]) > N_REAL / 2


class Unchanged(nn.Module):
    """Passes the normalised signals on: the mean of each lead is a feature."""

    n_features = N_LEADS

    def forward(self, values: Tensor) -> Tensor:
        return values


def test_a_linear_network_is_explained_exactly() -> None:
    torch.manual_seed(0)
    network = Extractor(OwnTrunk(Unchanged(), N_LEADS), N_LEADS, 4).eval()
    batch = one_record()
    values, _ = network.normalised(*network.inputs(batch))
    weights = network.head.weight[1].detach()
    expected = weights[:, None] * values[0] / N_REAL
    saliency = integrated_gradients(network, batch, 1)
    np.testing.assert_allclose(saliency.values, expected.numpy(), atol=1e-9)


def test_amplifiers_and_offsets_change_nothing() -> None:
    """The network does not see them, so they must not decide what matters."""
    network, batch = network_of("cnn"), one_record()
    expected = integrated_gradients(network, batch, 1).values
    assert batch.signals is not None
    changed = batch.signals * 4
    changed[..., :N_REAL] += 0.5
    found = integrated_gradients(network, batch.replace(signals=changed), 1).values
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


class FindsSpikes(nn.Module):
    """Counts spikes of a shape in one lead, with every sample as one feature."""

    n_features = 1
    shape = (1.0, -2.0, 1.0)

    def __init__(self, n_leads: int) -> None:
        super().__init__()
        self.layer = nn.Conv1d(n_leads, 1, len(self.shape), padding=1, bias=False)
        with torch.no_grad():
            self.layer.weight.zero_()
            self.layer.weight[0, 2] = torch.tensor(self.shape)

    def forward(self, values: Tensor, mask: Tensor | None) -> Masked:
        found = torch.relu(self.layer(values) - 20.0)
        return found, mask


def finds_spikes() -> Extractor:
    network = Extractor(FindsSpikes(N_LEADS), N_LEADS, 1).eval()
    with torch.no_grad():
        network.head.weight.fill_(100.0)
    return network


def with_spike(place: int = 123) -> Batch:
    batch = one_record()
    assert batch.signals is not None
    batch.signals[0, 2, place - 1 : place + 2] = 5 * torch.tensor(FindsSpikes.shape)
    return batch


def test_the_artefact_that_decides_is_found() -> None:
    saliency = integrated_gradients(finds_spikes(), with_spike(), 0)
    assert divmod(int(saliency.values.argmax()), N_SAMPLES) == (2, 123)
    near = np.abs(saliency.values[2, 121:126]).sum()
    assert near > 0.999 * np.abs(saliency.values).sum()
    assert abs(saliency.error) < 0.01 * (saliency.logit - saliency.baseline_logit)


@pytest.mark.parametrize("seed", range(3))
def test_other_weights_give_another_explanation(seed: int) -> None:
    """Adebayo et al. 2018: an explanation that ignores the weights explains nothing."""
    torch.manual_seed(seed)
    one, other = (create_model("cnn", N_LEADS, 1).eval() for _ in range(2))
    for batch in (one_record(seed), with_spike()):
        found, others = (
            integrated_gradients(network, batch, 0).values[:, :N_REAL].ravel()
            for network in (one, other)
        )
        assert abs(spearmanr(found, others).statistic) < 0.3


def counts_convolutions(seed: int) -> Extractor:
    """Return a ``minirocket`` that looks at the shortest kernels only."""
    network = fitted("minirocket", seed)
    n_short = network.n_features // 12
    with torch.no_grad():
        network.head.weight[:, n_short:] = 0
        network.head.weight[:, :n_short].normal_(
            generator=torch.Generator().manual_seed(seed)
        )
    return network


def with_burst(amplitude: float) -> Batch:
    """Return a quiet record with a burst in lead V1, samples 100 to 199."""
    batch = one_record()
    assert batch.signals is not None
    sizes = torch.full_like(batch.signals, 0.01)
    sizes[0, 2, 100:200] = amplitude
    return batch.replace(signals=batch.signals * sizes)


def test_random_convolutions_find_the_artefact_that_decides() -> None:
    """Their features have a gradient on short ramps only, and yet it is found."""
    network = counts_convolutions(0)
    with torch.no_grad():
        loud, quiet = (
            network(*network.inputs(batch)).features[0]
            for batch in (with_burst(1.0), with_burst(0.01))
        )
        network.head.weight[0] *= 0
        n_short = network.n_features // 12
        network.head.weight[0, :n_short] = (loud - quiet)[:n_short]
    saliency = integrated_gradients(network, with_burst(1.0), 0)
    change = abs(saliency.logit - saliency.baseline_logit)
    assert abs(saliency.error) <= 0.01 * max(1.0, change)
    sizes = np.abs(saliency.values)
    # A twelfth of the samples; the others cross some thresholds near 0.
    assert sizes[2, 100:200].sum() > 0.6 * sizes.sum()


def test_other_random_convolutions_give_another_explanation() -> None:
    found, others = (
        integrated_gradients(counts_convolutions(seed), one_record(), 0)
        .values[:, :N_REAL]
        .ravel()
        for seed in (0, 1)
    )
    assert abs(spearmanr(found, others).statistic) < 0.3


def test_the_mode_of_the_network_is_restored() -> None:
    network = create_model("cnn", N_LEADS, 2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.inference_mode():
        integrated_gradients(network, one_record(), 0)
    assert network.training
    assert all(weight.grad is None for weight in network.parameters())
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_batches_of_several_records_are_refused() -> None:
    batch = one_record(
        rows=torch.arange(2),
        n_real_samples=torch.full((2,), N_REAL),
        signals=torch.zeros(2, N_LEADS, N_SAMPLES),
    )
    with pytest.raises(ValueError, match="the batch has 2 records; expected one"):
        integrated_gradients(network_of("cnn"), batch, 0)
