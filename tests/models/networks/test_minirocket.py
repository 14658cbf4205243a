"""MiniRocket equals its definition, ignores padding, and follows its seed."""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from ecgstore.arrays import FloatArray
from ecgstore.models.networks.architectures.minirocket import RandomConvolutions, trunk
from ecgstore.models.networks.create import create_model
from ecgstore.models.networks.masked import mask_of_samples

DILATIONS = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)
pytestmark = pytest.mark.usefixtures("one_thread")


def signals(n_records: int = 4, n_leads: int = 5, n_samples: int = 300) -> Tensor:
    random = np.random.default_rng(3)
    return torch.from_numpy(
        random.normal(size=(n_records, n_leads, n_samples)).astype(np.float32)
    )


def fitted(values: Tensor, seed: int = 0) -> RandomConvolutions:
    layers = trunk(values.shape[1])
    assert isinstance(layers, RandomConvolutions)
    layers.fit(values, seed)
    return layers


def convolved(layers: RandomConvolutions, values: Tensor, number: int) -> FloatArray:
    """Return outputs (n_records, 84, n_samples / 2) by the definition."""
    dilation, kernels = DILATIONS[number], layers.kernels[number].double().numpy()
    reach = 4 * dilation
    padded = np.pad(values.double().numpy(), ((0, 0), (0, 0), (reach, reach)))
    n_samples = values.shape[-1]
    outputs = np.zeros((len(values), 84, n_samples))
    for tap in range(9):
        shifted = padded[:, :, tap * dilation : tap * dilation + n_samples]
        outputs += np.einsum("kl,nls->nks", kernels[:, :, tap], shifted)
    return outputs[:, :, ::2]


def test_kernels_are_those_of_the_publication() -> None:
    layers = fitted(signals())
    kernels = layers.kernels.numpy()
    assert kernels.shape == (12, 84, 5, 9)
    chosen = {*itertools.combinations(range(9), 3)}
    counts = set()
    for of_dilation in kernels:
        found = set()
        for kernel in of_dilation:
            used = kernel[kernel.any(axis=1)]
            counts.add(len(used))
            assert (used == used[0]).all()
            assert set(used[0].tolist()) == {-1.0, 2.0}
            assert used[0].sum() == 0
            found.add(tuple(np.flatnonzero(used[0] == 2).tolist()))
        assert found == chosen
    assert counts == {1, 2, 3}
    assert layers.n_features == 12 * 84 * 4 == 4032


@pytest.mark.parametrize("by", ["kernels", "PyTorch"])
def test_features_equal_the_definition(by: str) -> None:
    values = signals()
    layers = fitted(values)
    values.requires_grad_(by == "PyTorch")
    features = layers(values, None)[0][..., 0].detach().numpy()
    values = values.detach()
    expected = []
    for number in range(12):
        outputs = convolved(layers, values, number)
        sd = layers.sd[number].double().numpy()[:, None]
        for k in range(4):
            threshold = layers.thresholds[number, :, k].double().numpy()[:, None]
            ramp = np.clip((outputs - threshold) / (0.1 * sd) + 0.5, 0, 1)
            expected.append(ramp.mean(axis=-1))
    assert features.shape == (4, 4032)
    np.testing.assert_allclose(features, np.concatenate(expected, axis=1), atol=2e-4)
    assert ((features >= 0) & (features <= 1)).all()


@pytest.mark.parametrize("n_leads", [1, 12])
@pytest.mark.parametrize("n_samples", [1, 2, 7, 254, 255, 256, 257, 1000])
def test_kernels_compute_what_pytorch_does(n_leads: int, n_samples: int) -> None:
    layers = fitted(signals(n_leads=n_leads))
    values = signals(3, n_leads, n_samples)
    n_real = torch.tensor([n_samples, n_samples // 2, 0])
    mask = mask_of_samples(n_real, values)
    values *= mask
    by_pytorch = values.clone().requires_grad_()
    for one in (mask, None):
        features, expected = (
            layers(these, one)[0].detach().numpy() for these in (values, by_pytorch)
        )
        np.testing.assert_allclose(features, expected, atol=1e-5)


def test_a_record_has_the_same_bits_in_any_company() -> None:
    values = signals(7)
    layers = fitted(values)
    together = layers(values, None)[0]
    for n, alone in enumerate(values):
        assert torch.equal(layers(alone[None], None)[0][0], together[n])


def test_values_that_are_not_finite_are_not_hidden() -> None:
    values = signals()
    layers = fitted(values)
    values[1] = torch.nan
    features = layers(values, None)[0]
    assert features[1].isnan().all()
    assert features[[0, 2, 3]].isfinite().all()


def test_thresholds_are_quantiles_of_the_outputs() -> None:
    values = signals()
    layers = fitted(values)
    shares = []
    for number in range(12):
        outputs = convolved(layers, values, number).transpose(1, 0, 2).reshape(84, -1)
        np.testing.assert_allclose(
            layers.sd[number], outputs.std(axis=1, ddof=1), rtol=1e-4
        )
        for k in range(4):
            threshold = layers.thresholds[number, :, k, None].numpy()
            distance = np.abs(outputs - threshold).min(axis=1)
            np.testing.assert_allclose(distance, 0, atol=1e-4)
            shares.append((outputs < threshold).mean(axis=1))
    # Evenly spread between none and all, over all kernels of a dilation.
    spread = np.sort(np.array(shares).reshape(12, -1), axis=1)
    even = (np.arange(336) + 0.5) / 336
    np.testing.assert_allclose(spread, np.broadcast_to(even, spread.shape), atol=0.02)


@pytest.mark.parametrize("n_real", [120, 201, 299, 300])
def test_padding_changes_no_feature(n_real: int) -> None:
    values = signals()
    layers = fitted(values)
    padded = values.clone()
    padded[..., n_real:] = 0
    mask = mask_of_samples(torch.full((4,), n_real), padded)
    alone = layers(padded[..., :n_real], None)[0]
    np.testing.assert_allclose(layers(padded, mask)[0], alone, atol=1e-5)


def test_a_whole_record_has_the_same_bits_with_a_mask() -> None:
    values = signals()
    layers = fitted(values)
    mask = mask_of_samples(torch.full((4,), 300), values)
    assert torch.equal(layers(values, mask)[0], layers(values, None)[0])
    network = create_model("cnn", 5, 2).eval()
    with torch.inference_mode():
        whole, beside = (
            network(values, torch.tensor([300, 300, 300, n])) for n in (300, 200)
        )
    assert torch.equal(whole.logits[:3], beside.logits[:3])


@pytest.mark.parametrize("by", ["record", "lead"])
def test_normalisation_has_the_same_bits_beside_records_that_lack_leads(
    by: str,
) -> None:
    values = signals()
    network = create_model("cnn", 5, 2, by).eval()  # type: ignore[arg-type]
    lacks = torch.zeros(4, 5, dtype=torch.bool)
    lacks[3, 1] = True
    values[3, 1] = 0
    plain = network.normalise(values, None)
    beside = network.normalise(
        values, mask_of_samples(torch.full((4,), 300), values), lacks
    )
    assert torch.equal(plain[:3], beside[:3])


def test_a_fit_follows_its_seed_alone() -> None:
    values = signals()
    states = [fitted(values, seed).state_dict() for seed in (0, 0, 1)]
    torch.manual_seed(99)
    states.append(fitted(values).state_dict())
    for name, first in states[0].items():
        assert torch.equal(first, states[1][name])
        assert torch.equal(first, states[3][name])
        assert not torch.equal(first, states[2][name])


def test_quantiles_follow_the_seed_where_kernels_cannot() -> None:
    values = signals(n_leads=1)
    first, other = (fitted(values, seed) for seed in (0, 1))
    assert torch.equal(first.kernels, other.kernels)
    assert not torch.isclose(first.thresholds, other.thresholds).any(dim=1).all()


def test_kernels_whose_leads_cancel_out_keep_one_lead() -> None:
    two = signals(n_leads=2)
    values = torch.cat([two, -two.sum(1, keepdim=True)], 1)
    layers = fitted(values)
    for number in range(12):
        outputs = convolved(layers, values, number).transpose(1, 0, 2).reshape(84, -1)
        sd = outputs.std(axis=1, ddof=1)
        assert sd.min() > 0.05 * np.median(sd)
        np.testing.assert_allclose(layers.sd[number], sd, rtol=1e-4)
        for k in range(4):
            threshold = layers.thresholds[number, :, k, None].numpy()
            distance = np.abs(outputs - threshold).min(axis=1)
            np.testing.assert_allclose(distance, 0, atol=1e-4)


def test_a_record_that_lacks_leads_is_normalised_by_the_others() -> None:
    values = signals()
    values[:, [1, 3]] = 0
    lacks = torch.zeros(4, 5, dtype=torch.bool)
    lacks[:, [1, 3]] = True
    normalise = create_model("cnn", 5, 2, "record").normalise
    present = [0, 2, 4]
    alone = normalise(values[:, present], None)
    assert torch.allclose(normalise(values, None, lacks)[:, present], alone, atol=1e-6)


def test_features_have_a_gradient() -> None:
    values = signals()
    layers = fitted(values)
    values.requires_grad_(True)
    layers(values, None)[0].sum().backward()
    assert values.grad is not None
    assert values.grad.abs().sum() > 0


def test_a_constant_signal_gives_finite_features() -> None:
    layers = fitted(torch.zeros(2, 5, 300))
    assert torch.isfinite(layers(torch.zeros(2, 5, 300), None)[0]).all()


def test_other_weights_than_those_of_a_fit_count_too() -> None:
    """A file from elsewhere may have any; the fast kernels know those of a fit only."""
    values = signals()
    layers = fitted(values)
    with torch.no_grad():
        layers.kernels[3, 7] *= 1.5
    plain = layers(values, None)[0]
    by_torch = layers(values.clone().requires_grad_(True), None)[0]
    assert torch.allclose(plain, by_torch, atol=1e-5)
    assert not torch.allclose(plain, fitted(values)(values, None)[0], atol=1e-3)
