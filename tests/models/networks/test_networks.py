"""Networks: padding, amplitudes and the order of a batch do not change the outputs."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import Tensor, nn

from ecgstore.models.networks.create import create_model
from ecgstore.models.networks.extractor import Extractor
from ecgstore.models.networks.masked import (
    MaskedBatchNorm1d,
    max_pool,
    mean_of_pairs,
    mean_over_time,
    sample_mask,
)
from ecgstore.models.networks.names import MODELS, NormaliseBy
from ecgstore.models.networks.normalise import Normalise
from ecgstore.pipes.batch import Batch

N_LEADS = 3
pytestmark = pytest.mark.usefixtures("one_thread")

every_model = pytest.mark.parametrize("name", MODELS)
# xresnet1d101, the largest, repeats the layers of xresnet1d50.
smaller_models = pytest.mark.parametrize(
    "name", [name for name in MODELS if name != "xresnet1d101"]
)
few_examples = settings(max_examples=4, deadline=None)
lengths = st.lists(st.integers(20, 70), min_size=1, max_size=3)


@lru_cache(maxsize=8)
def network_of(
    name: str, n_leads: int = N_LEADS, normalise_by: NormaliseBy = "record"
) -> Extractor:
    """A network in evaluation mode without weights or statistics of 0 or 1."""
    generator = torch.Generator().manual_seed(5)
    with torch.random.fork_rng([]):
        torch.manual_seed(5)
        network = create_model(name, n_leads, 4, normalise_by)

    def draw(values: Tensor, low: float, high: float) -> None:
        values.detach().uniform_(low, high, generator=generator)

    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            assert module.running_mean is not None
            assert module.running_var is not None
            draw(module.weight, 0.3, 1.0)
            draw(module.bias, -0.5, 0.5)
            draw(module.running_mean, -0.5, 0.5)
            draw(module.running_var, 0.5, 2.0)
    return network.eval()


def signals_of(
    seed: int, n_samples: Sequence[int], n_leads: int = N_LEADS, padding: int = 0
) -> tuple[Tensor, Tensor]:
    """Noise of the given lengths, padded with zeros; and the lengths."""
    generator = torch.Generator().manual_seed(seed)
    signals = torch.zeros(len(n_samples), n_leads, max(n_samples) + padding)
    for record, n_real in zip(signals, n_samples, strict=True):
        record[:, :n_real] = torch.randn(n_leads, n_real, generator=generator)
    return signals, torch.tensor(n_samples)


def assert_close(actual: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    """Compare relative to the largest value."""
    assert actual.shape == expected.shape
    assert torch.isfinite(actual).all()
    largest = float(expected.abs().max())
    assert float((actual - expected).abs().max()) <= tolerance * largest


@torch.no_grad()
def outputs_of(
    network: Extractor, signals: Tensor, n_real: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The logits and the features."""
    output = network(signals, n_real)
    return output.logits, output.features


# Padding.


@every_model
@few_examples
@given(n_samples=lengths, padding=st.integers(0, 40), seed=st.integers(0, 99))
def test_a_padded_record_equals_the_record_cut_to_its_real_samples(
    name: str, n_samples: list[int], padding: int, seed: int
) -> None:
    network = network_of(name)
    signals, n_real = signals_of(seed, n_samples, padding=padding)
    logits, features = outputs_of(network, signals, n_real)
    for number, length in enumerate(n_samples):
        cut = signals[number : number + 1, :, :length]
        cut_logits, cut_features = outputs_of(network, cut)
        assert_close(features[number : number + 1], cut_features)
        assert_close(logits[number : number + 1], cut_logits)


@smaller_models
@few_examples
@given(n_samples=lengths, seed=st.integers(0, 99), data=st.data())
def test_outputs_do_not_depend_on_the_order_of_a_batch(
    name: str, n_samples: list[int], seed: int, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(n_samples))))
    network = network_of(name)
    signals, n_real = signals_of(seed, n_samples)
    logits, features = outputs_of(network, signals, n_real)
    other_logits, other_features = outputs_of(network, signals[order], n_real[order])
    assert_close(other_logits, logits[order])
    assert_close(other_features, features[order])


@every_model
def test_outputs_do_not_depend_on_padding_of_all_records(name: str) -> None:
    network = network_of(name)
    signals, _ = signals_of(1, [64, 64])
    expected = outputs_of(network, signals)
    for padding in (1, 2, 3, 31, 64):
        padded = nn.functional.pad(signals, (0, padding))
        outputs = outputs_of(network, padded, torch.tensor([64, 64]))
        for actual, output in zip(outputs, expected, strict=True):
            assert_close(actual, output)


@smaller_models
@pytest.mark.parametrize("n_samples", [(40, 40), (40, 17, 34)])
def test_padding_does_not_change_gradients(
    name: str, n_samples: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    # In double precision: in single precision, rounding errors reach a few percent.
    monkeypatch.setattr(Tensor, "float", Tensor.double)
    networks = []
    for padding in (0, 23):
        network = network_of.__wrapped__(name).double().train()
        signals, n_real = signals_of(2, n_samples, padding=padding)
        loss = network(signals.double(), n_real).logits.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        networks.append(network)
    plain, padded = networks
    gradients = [
        weight.grad for weight in plain.parameters() if weight.grad is not None
    ]
    assert len(gradients) == len(list(plain.parameters()))
    largest = max(float(gradient.abs().max()) for gradient in gradients)
    for (weight_name, weight), expected in zip(
        padded.named_parameters(), gradients, strict=True
    ):
        assert weight.grad is not None
        difference = float((weight.grad - expected).abs().max())
        assert difference <= 1e-6 * largest, weight_name
    for padded_buffer, buffer in zip(padded.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(padded_buffer, buffer)


@settings(max_examples=20, deadline=None)
@given(
    n_samples=st.lists(st.integers(1, 9), min_size=2, max_size=4),
    padding=st.integers(1, 5),
    seed=st.integers(0, 999),
)
def test_masked_normalisation_equals_that_of_the_real_samples(
    n_samples: list[int], padding: int, seed: int
) -> None:
    signals, n_real = signals_of(seed, n_samples, padding=padding)
    signals = 3 * signals + 1  # also in the padding, which must be masked
    mask = sample_mask(n_real, signals)
    assert mask is not None
    is_real = mask[:, 0].bool()
    masked, plain = MaskedBatchNorm1d(N_LEADS), nn.BatchNorm1d(N_LEADS)
    for layer in (masked, plain):
        with torch.no_grad():
            layer.weight.copy_(torch.tensor([0.5, 1.0, 2.0]))
            layer.bias.copy_(torch.tensor([-1.0, 0.0, 1.0]))
    padded = signals.clone().requires_grad_()
    # The real samples of all records, concatenated: (n_real, n_leads, 1).
    real = signals.transpose(1, 2)[is_real][..., None].clone().requires_grad_()
    weight = torch.randn(real.shape, generator=torch.Generator().manual_seed(seed))
    for _ in range(2):  # the running statistics are updated twice
        actual = masked(padded, mask).transpose(1, 2)[is_real][..., None]
        expected = plain(real)
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)
    (actual * weight).sum().backward()
    (expected * weight).sum().backward()
    assert padded.grad is not None
    assert real.grad is not None
    gradient = padded.grad.transpose(1, 2)
    tolerances: Any = {"rtol": 1e-3, "atol": 1e-3}
    torch.testing.assert_close(gradient[is_real][..., None], real.grad, **tolerances)
    assert not gradient[~is_real].any()
    torch.testing.assert_close(masked.weight.grad, plain.weight.grad, **tolerances)
    torch.testing.assert_close(masked.bias.grad, plain.bias.grad, **tolerances)
    for masked_buffer, buffer in zip(masked.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(masked_buffer, buffer)


def test_mean_of_pairs_leaves_out_padding() -> None:
    values = torch.tensor([[[1.0, 3.0, 5.0, 0.0, 0.0]], [[1.0, 3.0, 5.0, 7.0, 9.0]]])
    mask = sample_mask(torch.tensor([3, 5]), values)
    means, halved_mask = mean_of_pairs(values, mask)
    assert means.tolist() == [[[2.0, 5.0, 0.0]], [[2.0, 6.0, 9.0]]]
    assert halved_mask is not None
    assert halved_mask.tolist() == [[[1.0, 1.0, 0.0]], [[1.0, 1.0, 1.0]]]
    assert mean_over_time(means, halved_mask).flatten().tolist() == pytest.approx(
        [3.5, 17 / 3]
    )


@pytest.mark.parametrize("kernel", [2, 3])
@pytest.mark.parametrize("n_real", range(1, 8))
def test_max_pooling_leaves_padding_zero(kernel: int, n_real: int) -> None:
    values = torch.zeros(1, 1, 8)
    values[..., :n_real] = torch.arange(1, n_real + 1)
    pooled, mask = max_pool(values, sample_mask(torch.tensor([n_real]), values), kernel)
    expected, _ = max_pool(values[..., :n_real], None, kernel)
    n_pooled = expected.shape[-1]
    assert torch.equal(pooled[..., :n_pooled], expected)
    assert not pooled[..., n_pooled:].any()
    assert mask is not None
    assert int(mask.sum()) == n_pooled


@pytest.mark.parametrize("kernel", [2, 3])
@pytest.mark.parametrize("n_samples", range(1, 8))
def test_masks_have_the_length_of_the_activations(kernel: int, n_samples: int) -> None:
    values, mask = max_pool(
        torch.ones(1, 1, n_samples), torch.ones(1, 1, n_samples), kernel
    )
    assert mask is not None
    assert values.shape == mask.shape == (1, 1, -(-n_samples // 2))


# Amplitudes, leads and lengths.


@smaller_models
@pytest.mark.parametrize("normalise_by", ["record", "lead"])
def test_outputs_do_not_depend_on_amplitude_and_offset(
    name: str, normalise_by: NormaliseBy
) -> None:
    network = network_of(name, normalise_by=normalise_by)
    signals, _ = signals_of(3, [60, 60])
    expected, _ = outputs_of(network, signals)
    generator = torch.Generator().manual_seed(4)
    for factor in (1e-2, 0.3, 7.0, 1e2):
        offset = factor * torch.randn(2, N_LEADS, 1, generator=generator)
        logits, _ = outputs_of(network, factor * signals + offset)
        assert_close(logits, expected, 1e-4)


def test_normalising_by_record_keeps_the_ratios_between_leads() -> None:
    signals, _ = signals_of(3, [50])
    larger = signals * torch.tensor([1.0, 2.0, 3.0])[:, None]
    by_lead = Normalise("lead")
    torch.testing.assert_close(by_lead(larger, None), by_lead(signals, None))
    ratios = Normalise("record")(larger, None).std(-1) / signals.std(-1)
    torch.testing.assert_close(ratios / ratios[:, :1], torch.tensor([[1.0, 2.0, 3.0]]))


def test_normalised_signals_have_mean_0_and_variance_1() -> None:
    signals, n_real = signals_of(3, [50, 31])
    normalised = Normalise()(signals * 4 + 2, sample_mask(n_real, signals))
    for record, n in zip(normalised, n_real.tolist(), strict=True):
        real = record[:, :n]
        assert not record[:, n:].any()
        assert float(real.mean(-1).abs().max()) < 1e-6
        assert float(real.square().mean()) == pytest.approx(1)


@pytest.mark.parametrize("normalise_by", ["record", "lead"])
def test_leads_that_a_record_lacks_do_not_count(normalise_by: NormaliseBy) -> None:
    """The others are as in a record that has only these."""
    signals, n_real = signals_of(4, [50, 31, 40], n_leads=4)
    missing = torch.tensor([[0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]]).bool()
    signals.masked_fill_(missing[:, :, None], 0)
    mask = sample_mask(n_real, signals)
    assert mask is not None
    normalised = Normalise(normalise_by)(signals, mask, missing)
    assert not normalised[missing].any()
    for row in range(2):
        alone = signals[row : row + 1, ~missing[row]]
        torch.testing.assert_close(
            normalised[row, ~missing[row]],
            Normalise(normalise_by)(alone, mask[row : row + 1])[0],
        )


@smaller_models
@pytest.mark.parametrize("normalise_by", ["record", "lead"])
def test_flat_leads_and_empty_records_are_finite(
    name: str, normalise_by: NormaliseBy
) -> None:
    network = network_of(name, normalise_by=normalise_by)
    signals, _ = signals_of(3, [60, 60, 60])
    signals[0, 1] = 2.5
    signals[1] = 0
    logits, features = outputs_of(network, signals, torch.tensor([60, 60, 0]))
    assert torch.isfinite(logits).all()
    assert torch.isfinite(features).all()


@pytest.mark.parametrize("normalise_by", ["record", "lead"])
def test_gradients_of_flat_leads_are_finite(
    normalise_by: NormaliseBy,
) -> None:
    signals, _ = signals_of(3, [20, 20])
    signals[0, 1] = 2.5
    signals[1] = 0
    signals.requires_grad_()
    Normalise(normalise_by)(signals, None).square().sum().backward()
    assert signals.grad is not None
    assert torch.isfinite(signals.grad).all()


@smaller_models
@pytest.mark.parametrize("n_leads", [1, 2, 12])
def test_networks_take_any_number_of_leads(name: str, n_leads: int) -> None:
    network = network_of.__wrapped__(name, n_leads)
    signals, n_real = signals_of(3, [33, 40], n_leads)
    logits, features = outputs_of(network, signals, n_real)
    assert logits.shape == (2, 4)
    assert features.shape == (2, network.n_features)
    assert torch.isfinite(logits).all()


@smaller_models
@few_examples
@given(n_samples=st.integers(1, 70))
def test_networks_take_records_of_any_length(name: str, n_samples: int) -> None:
    signals, n_real = signals_of(3, [n_samples, max(n_samples - 3, 1)])
    logits, _ = outputs_of(network_of(name), signals, n_real)
    assert torch.isfinite(logits).all()


@smaller_models
def test_mixed_precision_is_close_to_full_precision_with_padding(
    name: str,
) -> None:
    network = network_of(name)
    signals, n_real = signals_of(3, [60, 41])
    expected, _ = outputs_of(network, signals, n_real)
    with torch.autocast("cpu", torch.bfloat16):
        logits, _ = outputs_of(network, signals, n_real)
    assert logits.dtype == torch.float32
    assert_close(logits, expected, 0.3)


# Architectures.


@every_model
def test_networks_have_the_expected_numbers_of_features_and_samples(name: str) -> None:
    network = network_of(name)
    assert network.head.in_features == network.n_features
    with torch.no_grad():
        values, mask = network.trunk(torch.zeros(1, N_LEADS, 320), None)
    n_samples = values.shape[2]
    assert values.shape == (1, network.n_features, n_samples)
    assert mask is None
    published = {
        "cnn": (256, 20),
        "convnext": (192, 40),
        "resnet18": (512, 10),
        "xresnet1d50": (2048, 10),
        "xresnet1d101": (2048, 10),
    }
    if name in published:
        assert (network.n_features, n_samples) == published[name]


def n_weights(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def n_convolutions(module: nn.Module) -> int:
    return sum(isinstance(layer, nn.Conv1d) for layer in module.modules())


def test_resnet18_is_table_1_of_its_paper() -> None:
    network = create_model("resnet18", 12, 7)
    trunk: Any = network.trunk
    assert n_weights(trunk.stem) == 12 * 64 * 7 + 2 * 64
    n_in, expected = 64, n_weights(trunk.stem) + 512 * 7 + 7
    for n_out in (64, 128, 256, 512):
        expected += 3 * n_in * n_out + 3 * 3 * n_out * n_out + 8 * n_out
        if n_out != n_in:
            expected += n_in * n_out + 2 * n_out
        n_in = n_out
    assert n_weights(network) == expected
    # A stem, eight blocks of two convolutions, and a linear layer; 3 shortcuts.
    assert n_convolutions(network) + 1 - 3 == 18


@pytest.mark.parametrize(("name", "n_layers"), [("50", 50), ("101", 101)])
def test_xresnets_have_the_number_of_layers_in_their_names(
    name: str, n_layers: int
) -> None:
    trunk: Any = network_of(f"xresnet1d{name}").trunk
    n_shortcuts = sum(block.shortcut is not None for block in trunk.blocks)
    assert n_shortcuts == 4
    # The three convolutions of the stem count as the one that they replace.
    assert n_convolutions(trunk) - n_shortcuts - 2 + 1 == n_layers
    assert trunk.stem[0].convolution.weight.shape == (32, N_LEADS, 5)
    assert trunk.blocks[0].middle.convolution.weight.shape == (64, 64, 5)


def test_convnext_has_the_layers_of_its_description() -> None:
    n_in, expected = 12, 192 * 7 + 7 + 2 * 192
    for width in (48, 96, 192):
        taps = 7 if n_in == 12 else 3
        norm = 0 if n_in == 12 else 2 * n_in
        expected += norm + n_in * width * taps + width
        pointwise = 4 * width * width + 4 * width, 4 * width * width + width
        expected += 2 * (15 * width + width + 2 * width + sum(pointwise) + width)
        n_in = width
    assert n_weights(create_model("convnext", 12, 7)) == expected


def test_blocks_of_xresnets_start_as_the_identity() -> None:
    trunk: Any = create_model("xresnet1d50", 2, 1).trunk
    block = trunk.blocks[1]
    values = torch.rand(2, 256, 9)
    with torch.no_grad():
        assert torch.equal(block(values, None)[0], values)


def test_the_cnn_is_eight_convolutions() -> None:
    network = create_model("cnn", 12, 7)
    shapes = [
        layer.weight.shape
        for layer in network.modules()
        if isinstance(layer, nn.Conv1d)
    ]
    widths = {(12, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128)}
    widths |= {(128, 256), (256, 256)}
    assert {(n_in, n_out) for n_out, n_in, _ in shapes} == widths
    assert {kernel for _, _, kernel in shapes} == {3}
    assert len(shapes) == 8


@every_model
def test_weights_are_a_function_of_the_seed(name: str) -> None:
    with torch.random.fork_rng([]):
        torch.manual_seed(1)
        first = create_model(name, 2, 3).state_dict()
        other = create_model(name, 2, 3).state_dict()
        torch.manual_seed(1)
        again = create_model(name, 2, 3).state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


# Inputs.


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=f"'vgg'; expected one of {', '.join(MODELS)}"):
        create_model("vgg")


@pytest.mark.parametrize(("n_leads", "n_classes"), [(0, 7), (12, 0)])
def test_numbers_of_leads_and_classes_are_positive(
    n_leads: int, n_classes: int
) -> None:
    with pytest.raises(ValueError, match="expected 1 or more of each"):
        create_model("cnn", n_leads, n_classes)


def test_another_number_of_leads_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"\(1, 2, 40\); expected .* 3 leads"):
        network_of("cnn")(torch.zeros(1, 2, 40))
    with pytest.raises(ValueError, match=r"\(3, 40\); expected"):
        network_of("cnn")(torch.zeros(3, 40))


def test_inputs_may_be_named() -> None:
    network = network_of("cnn")
    signals, n_real = signals_of(6, [40, 25])
    with torch.no_grad():
        by_position = network(signals, n_real)
        by_name = network(signals=signals, n_real_samples=n_real)
    assert torch.equal(by_name.logits, by_position.logits)
    assert torch.equal(by_name.features, by_position.features)
    assert not torch.equal(by_name.logits, outputs_of(network, signals)[0])


def test_an_unknown_normalisation_is_an_error() -> None:
    with pytest.raises(ValueError, match="'batch'; expected 'record' or 'lead'"):
        Normalise("batch")  # type: ignore[arg-type]


def test_inputs_are_voltages_and_numbers_of_real_samples() -> None:
    batch = Batch(
        rows=torch.arange(2),
        seeds=np.zeros(2, np.uint64),
        names=np.array([b"a", b"b"]),
        n_real_samples=torch.tensor([4, 2]),
        signals=torch.full((2, N_LEADS, 4), 500, dtype=torch.int16),
        mv_per_count=1e-3,
    )
    signals, n_real = network_of("cnn").inputs(batch)
    assert torch.equal(signals, torch.full((2, N_LEADS, 4), 0.5))
    assert n_real.tolist() == [4, 2]
    without = Batch(batch.rows, batch.seeds, batch.names, batch.n_real_samples)
    with pytest.raises(ValueError, match="read 'signals'"):
        network_of("cnn").inputs(without)
