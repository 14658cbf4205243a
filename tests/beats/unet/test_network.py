"""The delineation network: numba equals torch, kernels equal plain Python."""

import hashlib
import json
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
import torch

from ecgstore.arrays import Float32Array
from ecgstore.beats.unet import (
    _decoding_kernels as decoding,
    _layers_kernels as layers,
    _marks_kernels as marks_kernels,
    _mixing_kernels as mixing,
    _network_kernels as unet,
    _scaling_kernels as scaling,
)
from ecgstore.beats.unet._mixing_kernels import PAD, row_length
from ecgstore.beats.unet.engine import find_beats_with
from ecgstore.beats.unet.evidence import WEIGHTS, weights as bundled_weights
from ecgstore.errors import EcgStoreError
from ecgstore.models.delineator.network import DelineatorNetwork, flat_weights
from ecgstore.models.delineator.training import CLASS_WEIGHTS
from ecgstore.sample import sample_folder
from ecgstore.signals.preprocess import bandpass
from ecgstore.sources import read_record
from tests.beats.unet.kernels import assert_equals_python


def network_with_random_weights(seed: int = 0) -> DelineatorNetwork:
    """Return a network with random weights, also of its normalisations."""
    torch.manual_seed(seed)
    network = DelineatorNetwork()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.3)
            assert module.running_mean is not None
            assert module.running_var is not None
            torch.nn.init.normal_(module.running_mean, 0, 0.3)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval()


def real_leads(n_samples: int) -> Float32Array:
    """Return scaled leads of a real record at 250 Hz."""
    header = sorted(sample_folder().rglob("HR*.hea"))[0]
    signal = bandpass(read_record(header).signal[:, :5000], 500.0, 0.5, 40.0, 3)
    x = np.empty((12, n_samples), np.float32)
    marks_kernels.resample(signal, 2.0, x)
    usable = np.ones(-(-n_samples // 16), np.bool_)
    for row in x:
        scaling.scale(row, usable, 16, 4.0, 8.0)
    return x


def memory(x: Float32Array) -> Float32Array:
    return np.zeros(unet.memory_size(*x.shape), np.float32)


@pytest.mark.parametrize("n_leads", [1, 2, 7, 12])
@pytest.mark.parametrize("n_samples", [16, 480, 2304])
def test_numba_equals_torch(n_leads: int, n_samples: int) -> None:
    network = network_with_random_weights()
    x = real_leads(2304)[:, :n_samples].copy()
    usable = np.zeros((1, 12, 1), np.float32)
    usable[0, np.random.default_rng(0).permutation(12)[:n_leads]] = 1
    with torch.no_grad():
        shown = torch.from_numpy(x[None] * usable)
        expected = network(shown, torch.from_numpy(usable))[0].numpy()
    leads = np.flatnonzero(usable[0])
    logits = np.zeros((n_leads, 7, row_length(n_samples // 2)), np.float32)
    weights = flat_weights(network)
    always = np.ones((n_leads, n_samples // 16), np.bool_)
    assert unet.forward(x[leads], always, weights, memory(x[leads]), logits) == len(
        weights
    )
    got = logits[:, :, PAD : PAD + n_samples // 2]
    np.testing.assert_allclose(got, expected[leads], atol=1e-4, rtol=1e-4)


def test_weights_of_another_network_are_refused() -> None:
    assert len(flat_weights(DelineatorNetwork())) == unet.N_WEIGHTS
    for n_weights in (0, unet.N_WEIGHTS - 1, unet.N_WEIGHTS + 1):
        weights = np.zeros(n_weights, np.float32)
        with pytest.raises(EcgStoreError, match="train them again"):
            find_beats_with(weights, np.zeros((1, 5000)), 500.0)


@pytest.mark.parametrize("n_leads", [1, 3, 12])
def test_numba_equals_torch_where_leads_are_silent(n_leads: int) -> None:
    """Also in spans without any usable lead."""
    network = network_with_random_weights()
    x = real_leads(2304)[:n_leads].copy()
    usable = np.random.default_rng(n_leads).random((n_leads, 144)) < 0.6
    usable[:, 20:30] = False
    with torch.no_grad():
        mask = torch.from_numpy(usable.astype(np.float32))[None]
        expected = network(torch.from_numpy(x)[None], mask)[0].numpy()
    logits = np.zeros((n_leads, 7, 1152 + 2 * PAD), np.float32)
    unet.forward(x, usable, flat_weights(network), memory(x), logits)
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(logits[..., PAD:-PAD], expected, atol=1e-4, rtol=1e-4)


def test_pooling_leaves_out_silent_leads() -> None:
    """The usable leads alone give the same features, to the last bit."""
    x = zero_padded(np.random.default_rng(0), 5, 8, 24 + 2 * PAD)
    usable = np.ones((5, 3), np.bool_)
    usable[[1, 4], 1] = False
    got, all_leads, some = (np.zeros((16, 24 + 2 * PAD), np.float32) for _ in range(3))
    layers.pool(x, usable, got, 24)
    layers.pool(x, np.ones((5, 3), np.bool_), all_leads, 24)
    layers.pool(x[[0, 2, 3]], np.ones((3, 3), np.bool_), some, 24)
    expected = all_leads.copy()
    expected[:, PAD + 8 : PAD + 16] = some[:, PAD + 8 : PAD + 16]
    np.testing.assert_array_equal(got, expected)


def test_probabilities_equal_softmax() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 8, (3, 7, 100 + 2 * PAD)).astype(np.float32)
    logits[0, 0] = 300
    logits[1, 1] = -300
    got = np.empty((3, 7, 100), np.float32)
    decoding.to_probabilities(logits, PAD, got)
    inner = torch.from_numpy(logits[:, :, PAD:-PAD].astype(np.float64))
    np.testing.assert_allclose(got, torch.softmax(inner, 1).numpy(), atol=1e-6)


def test_evidence_is_within_0_and_1() -> None:
    """Although two rounded probabilities may sum to a little more."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (5, 7, 4000 + 2 * PAD)).astype(np.float32)
    probabilities = np.empty((5, 7, 4000), np.float32)
    decoding.to_probabilities(logits, PAD, probabilities)
    assert probabilities.min() >= 0
    assert probabilities.max() <= 1
    probabilities[:, decoding.QRS], probabilities[:, decoding.QRS + 1] = 0.5, 0.5000002
    out = np.empty((6, 4000), np.float32)
    always = np.ones((5, 4000), np.bool_)
    for wave in (decoding.P, decoding.QRS, decoding.T):
        decoding.wave_evidence(probabilities, always, wave, out)
        assert out.min() >= 0
        assert out.max() <= 1


def normal(rng: np.random.Generator, *shape: int) -> Float32Array:
    return rng.normal(0, 1, shape).astype(np.float32)


def zero_padded(rng: np.random.Generator, *shape: int) -> Float32Array:
    """Return random features with zeros before and behind."""
    x = normal(rng, *shape)
    x[..., :PAD] = 0
    x[..., -PAD:] = 0
    return x


def test_layers_equal_plain_python() -> None:
    rng = np.random.default_rng(0)
    n = 21
    x, w = zero_padded(rng, 8, n + 2 * PAD), normal(rng, 400)
    wide = zero_padded(rng, 8, 2 * n + 2 * PAD)
    assert_equals_python(layers.fill_rows, x.copy(), w, 7, n)
    assert_equals_python(layers.add_rectified, x, zero_padded(rng, 8, n + 2 * PAD), n)
    same = zero_padded(rng, 8, n + 2 * PAD)
    assert_equals_python(layers.depthwise_seven, x, w, 3, same, n)
    assert_equals_python(layers.depthwise_half, wide, w, 3, same, n)
    assert_equals_python(layers.stem, x[0].copy(), x[1].copy(), w, 2, same, n)
    assert_equals_python(layers.add_doubled, wide, x, n)
    leads = zero_padded(rng, 4, 5, n + 2 * PAD)
    pooled = zero_padded(rng, 10, n + 2 * PAD)
    usable = rng.random((4, 7)) < 0.4
    usable[:, 2] = False
    for _ in range(2):
        assert_equals_python(layers.pool, leads, usable, pooled, n)
        assert_equals_python(layers._pool_usable, leads, usable, pooled, n)
        assert_equals_python(layers._pool_all, leads, pooled, n)
        usable[:] = True


@pytest.mark.parametrize("n", [16, 21, 48])
@pytest.mark.parametrize("n_in", [8, 5])
def test_mixtures_equal_matrix_products(n: int, n_in: int) -> None:
    rng = np.random.default_rng(n)
    x, out, initial = (normal(rng, rows, row_length(n)) for rows in (n_in, 8, 8))
    for rows in (x, out, initial):
        rows[:, :PAD] = 0
        rows[:, PAD + n :] = 0
    w = normal(rng, 600)
    inner = slice(PAD, PAD + n)

    def check(got: Float32Array, expected: Float32Array) -> None:
        np.testing.assert_allclose(got[:, inner], expected, rtol=1e-4, atol=1e-4)
        assert not got[:, :PAD].any()
        assert not got[:, PAD + n :].any()

    product = w[3 : 3 + 8 * n_in].reshape(8, n_in) @ x[:, inner]
    biases = w[3 + 8 * n_in :][:8, None]
    expected = product + biases
    before = out.copy()
    mixing.mix(out, x, w, 3, n)
    check(out, expected)
    mixing.mix_rectified(out, x, w, 3, n)
    check(out, np.maximum(expected, 0))
    out[:] = before
    mixing.add_mixed_rectified(out, initial, x, w, 3, n)
    expected = before[:, inner] + np.maximum(initial[:, inner] + product, 0)
    check(out, expected)
    for n_out, spacing in ((8, 16), (7, 1), (7, 4)):
        taps = w[: 3 * n_out * n_in].reshape(3, n_out, n_in)
        expected = w[3 * n_out * n_in :][:n_out, None] + sum(
            taps[tap] @ x[:, PAD + (tap - 1) * spacing :][:, :n] for tap in range(3)
        )
        some = out[:n_out].copy()
        mixing.convolve_three(some, x, w, 0, spacing, n)
        check(some, expected)


def test_multiplications_and_additions_are_fused_in_a_fixed_order() -> None:
    """So the same bits come out on every machine."""
    rng = np.random.default_rng(0)
    x, w = zero_padded(rng, 3, 16 + 2 * PAD), normal(rng, 32)
    out = np.zeros((8, 16 + 2 * PAD), np.float32)
    mixing.mix(out, x, w, 0, 16)
    for row in range(8):
        total = np.full(16, w[24 + row])
        for j in range(3):
            # Exact in double precision, but for the rounding of the fused operation.
            exact = np.float64(w[3 * row + j]) * x[j, PAD : PAD + 16] + total
            total = exact.astype(np.float32)
        np.testing.assert_array_equal(out[row, PAD : PAD + 16], total)


def test_forward_equals_plain_python() -> None:
    """The layers that it calls are compiled here; they have a test of their own."""
    weights = flat_weights(network_with_random_weights())
    x = real_leads(2304)[:2, :48].copy()
    logits = np.zeros((2, 7, row_length(24)), np.float32)
    usable = np.ones((2, 3), np.bool_)
    assert_equals_python(unet.forward, x, usable, weights, memory(x), logits)


def evidence(seed: int) -> Float32Array:
    """Return smooth probabilities of two leads and 120 cells, with three complexes."""
    rng = np.random.default_rng(seed)
    logits = normal(rng, 2, 7, 120)
    kernel = np.ones(9) / 3
    smooth = np.apply_along_axis(np.convolve, 2, logits, kernel, "same")
    for begin in (10, 60, 95):
        smooth[:, 3, begin : begin + 4] += 6
        smooth[:, 4, begin + 4 : begin + 9] += 6
    powers = np.exp(smooth)
    return np.asarray(powers / powers.sum(1, keepdims=True), np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_decoding_equals_plain_python(seed: int) -> None:
    probabilities = evidence(seed)
    usable = np.ones((2, 120), np.bool_)
    usable[0, 12 * seed : 12 * seed + 9] = seed == 0  # with seed 0, all are usable
    logits = np.log(probabilities)
    assert_equals_python(
        decoding.to_probabilities,
        np.pad(logits, ((0, 0), (0, 0), (8, 8))),
        8,
        probabilities,
    )
    waves = np.empty((3, 3, 120), np.float32)
    for wave, name in zip(waves, (1, 3, 5), strict=True):
        assert_equals_python(decoding.wave_evidence, probabilities, usable, name, wave)
        decoding.wave_evidence(probabilities, usable, name, wave)
    begins, ends = np.zeros(9, np.int64), np.zeros(9, np.int64)
    search = (waves[1, 2], 0.5, 0.25, 3.0, 25.0, begins, ends)
    assert_equals_python(decoding.find_complexes, *search)
    n_beats = decoding.find_complexes(*search)
    assert n_beats >= 2
    assert_equals_python(decoding.strongest_run, waves[0, 0], 3, 110, 0.3)
    assert_equals_python(
        decoding.place_wave,
        waves[1, 0],
        probabilities[0, 3],
        14,
        0,
        60,
        2.0,
        np.zeros(3),
    )
    marks, strength = np.zeros((2, n_beats, 9)), np.zeros((2, n_beats))
    rest = (begins[:n_beats], ends[:n_beats], 0.1, 0.3, strength, marks)
    assert_equals_python(decoding.place_marks, probabilities, usable, *waves, *rest)
    decoding.place_marks(probabilities, usable, waves[0], waves[1], waves[2], *rest)
    signal = np.random.default_rng(seed).normal(0, 1, (2, 480)).cumsum(axis=1)
    settings = (np.array([4, 3, 5]), np.array([4, 3, 6]))
    out = np.empty(marks.shape, np.int64)
    assert_equals_python(marks_kernels.settle, marks, signal, 4.0, *settings, out)


def test_resampling_equals_plain_python() -> None:
    signal = np.random.default_rng(0).normal(0, 1, (2, 90))
    for step in (0.4, 1.0, 2.0, 4.1):
        n = int(89 / step) + 1
        x = np.empty((2, n), np.float32)
        for some in (x, x[:, :3].copy(), x[:, :1].copy()):
            assert_equals_python(marks_kernels.resample, signal, step, some)
        marks_kernels.resample(signal, step, x)
        if step == 1.0:
            np.testing.assert_allclose(x, signal, rtol=1e-6)


def test_peaks_stay_inside_their_wave() -> None:
    row = np.array([0, 1, 3, 9, 3, 1, 0, 0, -1, -4, -1, 0], float)
    assert marks_kernels.highest_near(row, 2, 2, 0, 6) == 3
    assert marks_kernels.highest_near(row, 1, 2, 0, 6) == 1  # a slope at the border
    assert marks_kernels.nearest_peak(row, 5, 2, 0, 11) == 6
    assert marks_kernels.nearest_peak(row, 9, 2, 0, 11) == 9


def test_of_two_positive_waves_the_clearly_higher_one_is_r() -> None:
    row = np.array([0, 2, 3, 2, -4, -5, 1, 6, 5, 2, 0], float)
    assert marks_kernels.r_peak(row, 2, 1, 0, 10) == 7  # rsR'
    row[7:9] = 3.5, 3
    assert marks_kernels.r_peak(row, 2, 1, 0, 10) == 2  # as high: the network decides
    deep = np.array([0, -1, -4, -9, -4, -1, 0, 1, 0, 0], float)
    assert marks_kernels.r_peak(deep, 3, 1, 0, 9) == 3  # a QS complex


def test_r_is_no_dip_of_a_positive_wave() -> None:
    row = np.array([0, 2, 5, 4, 6, 3, 0, -1, -2, 0, 0], float)
    assert marks_kernels.r_peak(row, 3, 1, 0, 10) == 4  # the higher side
    row[4] = 4.5
    assert marks_kernels.r_peak(row, 3, 1, 0, 10) == 2
    flat_top = np.array([0, 2, 5, 5, 5, 5, 2, 0, -2, 0], float)
    assert marks_kernels.r_peak(flat_top, 3, 1, 0, 9) == 3
    notched = np.array([0, -2, -5, -4, -6, -3, 0, 0], float)
    assert marks_kernels.r_peak(notched, 4, 1, 0, 7) == 4  # a QS complex


def test_edges_do_not_depend_on_the_class_weights_of_training() -> None:
    """A certain wave in cells 10 to 19, and an uncertain cell on either side."""
    before, after = np.zeros((2, 40), np.float32)
    before[10:15] = after[15:20] = 1
    before[9] = after[20] = 2 / 3
    evidence = before + after
    marks = np.zeros(3)
    decoding.place_wave(evidence, before, 12, 0, 40, decoding.QRS_ODDS, marks)
    np.testing.assert_allclose(marks, [9, 14.5, 20], atol=1e-6)
    decoding.place_wave(evidence, before, 12, 0, 40, 1.0, marks)
    np.testing.assert_allclose(marks, [9.5 - 2 / 3, 14.5, 19.5 + 2 / 3], atol=1e-6)


@pytest.mark.parametrize("certainty", [1.0, 0.45])
def test_edges_are_placed_given_that_there_is_a_wave(certainty: float) -> None:
    """An uncertain wave is as long as a certain one."""
    before, after = np.zeros((2, 40), np.float32)
    before[10:15] = after[15:20] = certainty
    marks = np.zeros(3)
    decoding.place_wave(before + after, before, 12, 0, 40, 1.0, marks)
    np.testing.assert_allclose(marks, [9.5, 14.5, 19.5], atol=1e-6)


@pytest.mark.parametrize(("evidence_of_p", "is_found"), [(0.5, True), (0.2, False)])
def test_a_t_wave_ends_where_a_p_wave_has_more_evidence(
    evidence_of_p: float, is_found: bool
) -> None:
    """Else its descending limb, of little evidence, would hide the P wave on it."""
    probabilities = np.zeros((1, 7, 130), np.float32)
    for begin in (20, 100):
        probabilities[0, decoding.QRS, begin : begin + 4] = 1
        probabilities[0, decoding.QRS + 1, begin + 4 : begin + 8] = 1
    probabilities[0, decoding.T, 40:50] = 0.9
    probabilities[0, decoding.T + 1, 50:60] = 0.9
    probabilities[0, decoding.T + 1, 60:95] = 0.1
    probabilities[0, decoding.P, 70:75] = evidence_of_p
    probabilities[0, decoding.P + 1, 75:80] = evidence_of_p
    usable = np.ones((1, 130), np.bool_)
    waves = np.empty((3, 2, 130), np.float32)
    for wave, name in zip(waves, (1, 3, 5), strict=True):
        decoding.wave_evidence(probabilities, usable, name, wave)
    strength, marks = np.empty((1, 2)), np.empty((1, 2, 9))
    begins, ends = np.array([20, 100]), np.array([28, 108])
    decoding.place_marks(
        probabilities,
        usable,
        waves[0],
        waves[1],
        waves[2],
        begins,
        ends,
        0.1,
        0.5,
        strength,
        marks,
    )
    assert (strength[0, 1] > 0) == is_found
    if is_found:
        np.testing.assert_allclose(marks[0, 1, :3], [69.5, 74.5, 79.5], atol=0.5)
        assert marks[0, 0, 8] <= 70


def test_odds_of_qrs_are_those_of_training() -> None:
    weights = CLASS_WEIGHTS
    assert weights[decoding.QRS] == weights[decoding.QRS + 1] == decoding.QRS_ODDS
    assert weights[0] == 1


def test_bundled_weights_describe_their_training() -> None:
    path = files("ecgstore.beats.unet").joinpath(WEIGHTS)
    with path.open("rb") as file, np.load(file) as data:
        about = json.loads(str(data["about"]))
        weights = data["weights"]
        size = weights.nbytes
    assert size < 1_000_000
    assert weights.dtype == np.float32
    assert np.isfinite(weights).all()
    assert weights.shape == flat_weights(DelineatorNetwork()).shape
    assert {*about["data"]} == {"ludb", "qtdb", "cpsc2019"}
    assert len(about["records"]) == 100 + 53 + 93
    digest = hashlib.sha256(weights.tobytes()).hexdigest()
    assert about["sha256"] == digest
    np.testing.assert_array_equal(bundled_weights(), weights)


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    """Small networks are slower in several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
