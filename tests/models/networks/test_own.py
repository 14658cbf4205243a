"""Networks of one's own: what they must return, and which code may run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ecgstore.config import Config
from ecgstore.errors import ConfigError, EcgStoreError
from ecgstore.models.array_files import read_arrays, write_arrays
from ecgstore.models.checkpoint import FORMAT, Checkpoint
from ecgstore.models.networks import own
from ecgstore.models.networks.create import create_model
from ecgstore.models.networks.masked import MaskedConvolution, sample_mask
from ecgstore.models.networks.own import register, source_of
from ecgstore.models.settings import ModelSettings

SOURCE = """
from torch import nn

with open({log!r}, "a") as log:
    log.write("ran ")

class Mine(nn.Module):
    n_features = 4

    def __init__(self, n_leads):
        super().__init__()
        self.layer = nn.Conv1d(n_leads, self.n_features, 5, stride=4)

    def forward(self, signals):
        return self.layer(signals)
"""


@pytest.fixture(autouse=True)
def nothing_registered() -> Iterator[None]:
    before = dict(own._registered)
    yield
    own._registered.clear()
    own._registered.update(before)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the file of a network, which writes "ran" to log.txt beside it."""
    path = tmp_path / "my_file.py"
    path.write_text(SOURCE.format(log=str(tmp_path / "log.txt")))
    return path


def runs(file: Path) -> int:
    """Return how many times the file was run."""
    log = file.with_name("log.txt")
    return log.read_text().count("ran") if log.exists() else 0


def saved(model: str, path: Path) -> Path:
    """Write a checkpoint of random weights of an own network."""
    config = Config()
    network = create_model(model, 12, len(config.classes.names))
    Checkpoint(
        model=ModelSettings(model=model, fs=100.0),
        weights=network.state_dict(),
        label_names=config.classes.names,
        config=config,
        fingerprint="",
        source=source_of(model),
    ).save(path)
    return path


# -- the contract -----------------------------------------------------------


class Frames(nn.Module):
    """One activation per 4 samples: their mean over leads."""

    n_features = 1

    def __init__(self, n_leads: int) -> None:
        super().__init__()

    def forward(self, signals: Tensor) -> Tensor:
        return nn.functional.avg_pool1d(signals.mean(1, keepdim=True), 4)


class Pooled(Frames):
    def forward(self, signals: Tensor) -> Tensor:
        return super().forward(signals).sum(-1)


class WithMask(nn.Module):
    n_features = 3

    def __init__(self, n_leads: int) -> None:
        super().__init__()
        self.layer = MaskedConvolution(n_leads, 3, kernel=5, stride=2)

    def forward(self, values: Tensor, mask: Tensor | None) -> Any:
        return self.layer(values, mask)


def test_frames_that_begin_in_padding_are_left_out() -> None:
    register("frames", Frames)
    network = create_model("frames", 2, 5).eval()
    signals = torch.randn(2, 2, 40, generator=torch.Generator().manual_seed(0))
    signals[1, :, 22:] = 0
    n_real = torch.tensor([40, 22])
    logits, features = network(signals, n_real)
    assert (logits.shape, features.shape) == ((2, 5), (2, 1))
    normalised = network.normalise(signals, sample_mask(n_real, signals))
    frames = Frames(2)(normalised)[1, 0]
    assert not frames[6:].any()
    torch.testing.assert_close(features[1, 0], frames[:6].mean())


def test_features_that_are_pooled_already_are_used_as_they_are() -> None:
    register("pooled")(Pooled)
    network = create_model("pooled", 2, 5).eval()
    signals = torch.randn(2, 2, 40, generator=torch.Generator().manual_seed(0))
    n_real = torch.tensor([40, 22])
    normalised = network.normalise(signals, sample_mask(n_real, signals))
    torch.testing.assert_close(network(signals, n_real).features, Pooled(2)(normalised))


def test_padding_does_not_matter_to_a_network_with_a_mask() -> None:
    register("masked", WithMask)
    network = create_model("masked", 2, 5).eval()
    signals = torch.randn(1, 2, 40, generator=torch.Generator().manual_seed(0))
    padded = nn.functional.pad(signals, (0, 13))
    torch.testing.assert_close(
        network(padded, torch.tensor([40])).logits, network(signals).logits
    )


class AsksForMore(Frames):
    """Signals in mV, and what it was given."""

    takes_mv = True

    def __init__(self, n_leads: int, *, leads: Any, fs: float) -> None:
        super().__init__(n_leads)
        self.given = (n_leads, leads, fs)
        self.is_loaded = False

    def load_pretrained(self) -> None:
        self.is_loaded = True


@pytest.mark.parametrize("pretrained", [True, False])
def test_a_network_gets_what_it_asks_for(pretrained: bool) -> None:
    register("asks", AsksForMore)
    network = create_model(
        "asks", 2, 5, leads=("II", "V1"), fs=100.0, pretrained=pretrained
    ).eval()
    own_layers: Any = network.trunk.network
    assert own_layers.given == (2, ("II", "V1"), 100.0)
    assert own_layers.is_loaded is pretrained
    signals = 7 + torch.randn(2, 2, 40, generator=torch.Generator().manual_seed(0))
    features = network(signals, torch.tensor([40, 40])).features
    torch.testing.assert_close(features, signals.mean((1, 2))[:, None])


def returning(result: Any) -> Any:
    class Wrong(Frames):
        def forward(self, signals: Tensor) -> Any:
            return result(signals)

    return Wrong


@pytest.mark.parametrize(
    ("trunk", "message"),
    [
        (lambda n_leads: nn.Flatten(), "Flatten with n_features None; expected"),
        (lambda n_leads: None, "returns NoneType"),
        (returning(lambda signals: signals), r"returns shape \(2, 3, 40\); expected"),
        (returning(lambda signals: signals[:1, :1]), r"shape \(1, 1, 40\); expected"),
        (returning(lambda signals: signals.mean()), r"shape \(\); expected a tensor"),
        (returning(lambda signals: [signals]), "returns list; expected a tensor"),
    ],
)
def test_what_is_no_network_is_refused(trunk: Any, message: str) -> None:
    register("wrong", trunk)
    with pytest.raises(EcgStoreError, match=message):
        create_model("wrong", 3, 5)(torch.zeros(2, 3, 40))


@pytest.mark.parametrize("name", ["cnn", "a b", "my.py:Mine"])
def test_names_that_cannot_be_registered(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be registered"):
        register(name, Frames)


# -- which code runs --------------------------------------------------------


def test_a_checkpoint_is_loaded_with_the_file_that_the_user_names(file: Path) -> None:
    model = f"{file}:Mine"
    path = saved(model, file.with_name("model.safetensors"))
    checkpoint = Checkpoint.load(path, model=model)
    assert checkpoint.network().n_features == 4
    assert runs(file) == 1
    copy = file.with_name("copy.py")
    copy.write_bytes(file.read_bytes())
    Checkpoint.load(path, model=f"{copy}:Mine").network()


def test_a_checkpoint_chooses_no_code(file: Path) -> None:
    model = f"{file}:Mine"
    path = saved(model, file.with_name("model.safetensors"))
    arrays, content = read_arrays(path, FORMAT)
    assert content["model"]["model"] == "Mine"
    own._modules.clear()
    for stored in ("Mine", model, str(file), "my_file:Mine"):
        values = {**content, "model": {**content["model"], "model": stored}}
        without_source = {k: v for k, v in values.items() if k != "source"}
        for hostile in (values, without_source):
            write_arrays(path, FORMAT, arrays, hostile)
            with pytest.raises(EcgStoreError):
                Checkpoint.load(path)
    write_arrays(path, FORMAT, arrays, content)
    with pytest.raises(EcgStoreError, match=r"name it: --model my_file\.py:Mine"):
        Checkpoint.load(path)
    with pytest.raises(EcgStoreError, match="its network 'Mine' is code"):
        Checkpoint.load(path, model=f"{file}:Other")
    assert runs(file) == 1


def test_a_file_that_has_changed_is_not_run(file: Path) -> None:
    model = f"{file}:Mine"
    path = saved(model, file.with_name("model.safetensors"))
    checkpoint = Checkpoint.load(path, model=model)
    file.write_text(file.read_text() + "# changed\n")
    for load in (lambda: Checkpoint.load(path, model=model), checkpoint.network):
        with pytest.raises(EcgStoreError, match="source has changed since"):
            load()
    assert runs(file) == 1
    file.unlink()
    with pytest.raises(EcgStoreError, match=r"my_file\.py: cannot be read"):
        Checkpoint.load(path, model=model)


def test_a_registered_network_is_compared_too(tmp_path: Path) -> None:
    register("frames", Frames)
    path = saved("frames", tmp_path / "model.safetensors")
    assert Checkpoint.load(path).network().n_features == 1
    register("frames", Pooled)
    with pytest.raises(EcgStoreError, match="'frames': its source has changed"):
        Checkpoint.load(path)
    del own._registered["frames"]
    with pytest.raises(EcgStoreError, match=r"or models\.register"):
        Checkpoint.load(path)


def test_code_for_a_built_in_network_is_refused(
    file: Path, sample_checkpoint: Path
) -> None:
    with pytest.raises(EcgStoreError, match="its network is 'cnn', not one of your"):
        Checkpoint.load(sample_checkpoint, model=f"{file}:Mine")
    assert runs(file) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = (", "line 1: SyntaxError"),
        ("x = 1\ny = x / 0", "line 2: ZeroDivisionError: division by zero"),
        ("import a_library_that_is_missing", "line 1: ModuleNotFoundError"),
        ("x = 1", "has no class or function 'Mine'"),
        ("Mine = 1", "has no class or function 'Mine'"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(
    file: Path, text: str, message: str
) -> None:
    file.write_text(text)
    with pytest.raises(EcgStoreError, match=message) as raised:
        create_model(f"{file}:Mine")
    assert "\n" not in str(raised.value)


def test_a_file_must_not_use_the_name_of_a_built_in_network() -> None:
    with pytest.raises(ConfigError, match="rename the class or function"):
        ModelSettings(model="my_file.py:cnn")
