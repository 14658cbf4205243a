"""Encoders of others: their weights, leads, rate and normalisation, and training."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import ecgstore
from ecgstore.errors import ConfigError, EcgStoreError, SchemaError
from ecgstore.models import Checkpoint, ModelSettings, TrainingSettings, train
from ecgstore.models.conversion.convert import convert
from ecgstore.models.networks import own
from ecgstore.models.networks.create import create_model
from ecgstore.models.networks.foreign import ForeignEncoder
from ecgstore.models.networks.masked import mean_over_time, sample_mask
from ecgstore.models.networks.own import register
from ecgstore.models.networks.resample import Resample

pytestmark = pytest.mark.usefixtures("one_thread")

LEADS = ("V5", "II", "I")
SIGNAL_LEADS = ("I", "II", "V1", "V5")

SOURCE = '''
"""A residual network of the shape of published ones."""

from pathlib import Path

from torch import nn

from ecgstore.models import ForeignEncoder


class Block(nn.Module):
    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.conv1 = nn.Conv1d(n_in, n_out, 7, stride, padding=3, bias=False)
        self.bn1 = nn.BatchNorm1d(n_out)
        self.conv2 = nn.Conv1d(n_out, n_out, 7, padding=3, bias=False)
        self.bn2 = nn.BatchNorm1d(n_out)
        self.shortcut = nn.Conv1d(n_in, n_out, 1, stride, bias=False)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        y = self.dropout(nn.functional.relu(self.bn1(self.conv1(x))))
        return nn.functional.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(3, 8, 15, 2, padding=7, bias=False)
        self.bn1 = nn.BatchNorm1d(8)
        self.layer1 = nn.Sequential(Block(8, 8, 1))
        self.layer2 = nn.Sequential(Block(8, 16, 4))

    def forward(self, x):
        return self.layer2(self.layer1(self.bn1(self.conv1(x)).relu()))


encoder = ForeignEncoder(
    network=ResNet,
    n_features=16,
    weights=Path({weights!r}),
    fs=240.0,
    leads=("V5", "II", "I"),
    prefix="module.encoder.",
    frozen={frozen},
)
'''


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "_registered", {})


class Layer(nn.Module):
    """One convolution, and a layer that is not used."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 5, 9, stride=4)
        self.norm = nn.BatchNorm1d(5)

    def forward(self, signals: Tensor) -> Tensor:
        result: Tensor = self.norm(self.conv(signals)).relu()
        return result


def layer_of(seed: int = 3) -> Layer:
    """Return a layer of random weights and statistics, in evaluation mode."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        layer = Layer()
        assert layer.norm.running_var is not None
        layer.norm.running_var.uniform_(0.5, 2)
    return layer.eval()


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "encoder.safetensors"
    save_file(layer_of().state_dict(), path)
    return path


def encoder_of(weights: Path, **options: Any) -> ForeignEncoder:
    values: dict[str, Any] = {
        "network": Layer,
        "n_features": 5,
        "weights": weights,
        "fs": 250.0,
        "leads": LEADS,
        **options,
    }
    return ForeignEncoder(**values)


def signals_of(n_real: list[int]) -> tuple[Tensor, Tensor]:
    """Noise in mV, with zero padding; and the numbers of real samples."""
    generator = torch.Generator().manual_seed(1)
    signals = torch.randn(len(n_real), 4, max(n_real), generator=generator)
    signals = signals.cumsum(-1) / 10 + torch.arange(4.0)[:, None]
    for record, n in zip(signals, n_real, strict=True):
        record[:, n:] = 0
    return signals, torch.tensor(n_real)


# -- what the encoder gets --------------------------------------------------


@pytest.mark.parametrize("normalise", ["record", "lead", 1000.0])
@pytest.mark.parametrize("fs", [250.0, 500.0, 100.0])
@pytest.mark.parametrize("frozen", [False, True])
def test_features_are_those_of_the_encoder_on_signals_as_it_knows_them(
    weights: Path, normalise: Any, fs: float, frozen: bool
) -> None:
    register("theirs", encoder_of(weights, normalise=normalise, frozen=frozen))
    network = create_model("theirs", 4, 2, leads=SIGNAL_LEADS, fs=fs).eval()
    signals, n_real = signals_of([400, 400])
    theirs, _ = Resample(fs, 250.0)(signals[:, [3, 1, 0]], None)
    if isinstance(normalise, str):
        axes = -1 if normalise == "lead" else (1, 2)
        centred = theirs - theirs.mean(-1, keepdim=True)
        theirs = centred / centred.std(axes, correction=0, keepdim=True)
    else:
        theirs = theirs * 1000
    expected = layer_of()(theirs).mean(-1)
    features = network(signals, n_real).features
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-4)


def test_frames_of_padding_are_left_out(weights: Path) -> None:
    register("theirs", encoder_of(weights))
    network = create_model("theirs", 4, 2, leads=SIGNAL_LEADS, fs=500.0).eval()
    signals, n_real = signals_of([400, 260])
    features = network(signals, n_real).features
    values, mask = network.trunk(signals, sample_mask(n_real, signals))
    assert values.shape[-1] == 48  # 200 samples of 250 Hz, a frame for every fourth
    assert mask is not None
    assert mask.sum(-1).flatten().tolist() == [48, 32]
    torch.testing.assert_close(features, mean_over_time(values, mask))


@pytest.mark.parametrize("leads", [("I", "II", "V1"), ("I", "II", "V5", "V6")])
def test_leads_that_are_not_there_are_named(
    weights: Path, leads: tuple[str, ...]
) -> None:
    register("theirs", encoder_of(weights))
    with pytest.raises(ConfigError, match="takes the leads V5, II, I; the signals"):
        create_model("theirs", 3, 2, leads=leads)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalise": "median"}, "normalise is 'median'; expected 'record'"),
        ({"fs": 0.0}, "fs is 0.0; expected the encoder's sampling rate"),
        ({"leads": ("I", "X")}, "leads are"),
        ({"network": lambda: None}, "returns NoneType; expected a torch.nn.Module"),
    ],
)
def test_arguments_that_cannot_be_used(
    weights: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        encoder_of(weights, **options)(3)


# -- weights ----------------------------------------------------------------


def save_torch(content: Any) -> Callable[[Path], Any]:
    return lambda path: torch.save(content, path)


def test_weights_of_other_files_and_names(tmp_path: Path) -> None:
    state = {f"net.{name}": w for name, w in layer_of().state_dict().items()}
    state["net.fc.weight"] = state["head"] = torch.zeros(2)
    path = tmp_path / "encoder.pt"
    torch.save({"state_dict": state, "epoch": 4}, path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    adapted = encoder_of(
        path, entry="state_dict", prefix="net.", without=["fc."], sha256=sha256.upper()
    )(3)
    adapted.load_pretrained()
    for name, weight in layer_of().state_dict().items():
        assert torch.equal(adapted.trunk.network.state_dict()[name], weight), name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("conv.bias"), "weight conv.bias is missing; expected"),
        (lambda s: s.update(extra=torch.ones(1)), "expected no such weight"),
        (lambda s: s.update({"conv.bias": torch.ones(4)}), r"shape \(4,\); expected"),
        (lambda s: s["conv.bias"].fill_(torch.nan), "conv.bias has values that are no"),
    ],
)
def test_weights_that_are_not_those_of_the_module(
    tmp_path: Path, change: Callable[[dict[str, Tensor]], Any], message: str
) -> None:
    state = layer_of().state_dict()
    change(state)
    path = tmp_path / "encoder.safetensors"
    save_file(state, path)
    register("theirs", encoder_of(path))
    with pytest.raises(SchemaError, match=message) as raised:
        create_model("theirs", 3, 2)
    assert str(raised.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("a.pt", save_torch({"model": {}, "epoch": 1}), "has .*: name the entry"),
        ("a.pt", save_torch([1]), "no state dict"),
        ("a.pt", save_torch({"a": Layer()}), "no weights can be loaded"),
        ("a.pt", lambda path: path.write_bytes(b"PK"), "weights can be loaded from"),
        ("a.safetensors", lambda path: path.write_bytes(b"x"), "no weights can be"),
        ("a.pt", lambda path: None, "cannot be read"),
        ("a.pt", lambda path: path.mkdir(), "a.pt"),
    ],
)
def test_files_without_weights(
    tmp_path: Path, name: str, write: Callable[[Path], Any], message: str
) -> None:
    path = tmp_path / name
    write(path)
    with pytest.raises(EcgStoreError, match=message) as raised:
        encoder_of(path)(3).load_pretrained()
    assert "\n" not in str(raised.value)


def test_weights_with_another_sha256_are_not_loaded(weights: Path) -> None:
    with pytest.raises(SchemaError, match=f"SHA-256 is .*; expected {'0' * 64}"):
        encoder_of(weights, sha256="0" * 64)(3).load_pretrained()


# -- training ---------------------------------------------------------------


@pytest.mark.parametrize("frozen", [True, False])
def test_an_encoder_is_trained_and_applied_without_its_file(
    frozen: bool, sample_store: Path, tmp_path: Path
) -> None:
    weights = tmp_path / "their.safetensors"
    file = tmp_path / "my_encoder.py"
    file.write_text(SOURCE.format(weights=str(weights), frozen=frozen))
    names: dict[str, Any] = {}
    exec(SOURCE.format(weights="", frozen=frozen), names)
    state = names["ResNet"]().state_dict()
    save_file({f"module.encoder.{name}": w for name, w in state.items()}, weights)
    model = f"{file}:encoder"
    with ecgstore.open(sample_store) as store:
        train(
            tmp_path / "run",
            store,
            model=ModelSettings(model=model, fs=100.0),
            settings=TrainingSettings(epochs=1, batch_size=16, precision="float32"),
        )
        weights.unlink()
        checkpoint = Checkpoint.load(tmp_path / "run", model=model)
        checkpoint.check(store)
    beginning = "trunk.network.trunk.network."
    trained = {
        name.removeprefix(beginning): weight
        for name, weight in checkpoint.weights.items()
        if name.startswith(beginning)
    }
    assert trained.keys() == state.keys()
    same = [name for name in state if torch.equal(trained[name], state[name])]
    assert same == (list(state) if frozen else [])
    assert checkpoint.weights["head.weight"].any()


def test_an_adapted_encoder_is_converted(weights: Path, tmp_path: Path) -> None:
    register("theirs", encoder_of(weights))
    config = ecgstore.Config()
    model = ModelSettings(model="theirs", leads=SIGNAL_LEADS)
    network = create_model("theirs", 4, 7, leads=SIGNAL_LEADS, fs=config.fs).eval()
    checkpoint = Checkpoint(
        model=model,
        weights=network.state_dict(),
        label_names=config.classes.names,
        config=config,
        fingerprint="",
    )
    path = convert(checkpoint, tmp_path / "net.pt2")
    program = torch.export.load(path).module()
    for n_real in ([400, 260], [523], [900, 900, 511]):
        inputs = signals_of(n_real)
        for actual, expected in zip(program(*inputs), network(*inputs), strict=True):
            torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)
