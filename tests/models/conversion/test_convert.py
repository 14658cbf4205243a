"""Converted networks: outputs as in PyTorch for any batch, and what their files say."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from ecgstore import __version__
from ecgstore.cli import main
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.conversion.convert import convert
from ecgstore.models.networks import own
from ecgstore.models.networks.create import create_model
from ecgstore.models.networks.names import MODELS, NormaliseBy
from ecgstore.models.networks.own import register
from ecgstore.models.networks.xresnet import XResNet
from ecgstore.models.settings import ModelSettings
from ecgstore.models.store_check import PREPROCESSING

pytestmark = pytest.mark.usefixtures("one_thread")

LEADS = ("I", "II", "V5")
# "every_layer" has the layers of the XResNets.
TRIED = [name for name in MODELS if not name.startswith("xresnet")]
LARGE = ("resnet18", "minirocket")
SLOW = (pytest.mark.slow, pytest.mark.timeout(1800))
every_model = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=SLOW if name in LARGE else ())
        for name in (*TRIED, "every_layer", "plain")
    ],
)
Run = Callable[[Tensor, Tensor], Sequence[Tensor]]


class Plain(nn.Module):
    """A network without a mask."""

    n_features = 4

    def __init__(self, n_leads: int) -> None:
        super().__init__()
        self.layer = nn.Conv1d(n_leads, 4, 7, stride=3)

    def forward(self, signals: Tensor) -> Tensor:
        return nn.functional.relu(self.layer(signals))


class Counting(Plain):
    """A network that depends on values."""

    def forward(self, signals: Tensor) -> Tensor:
        return super().forward(signals) * int(signals.sum())


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "_registered", {})
    # A block of each width and kind: all layers of the XResNets.
    register("every_layer", lambda n_leads: XResNet(n_leads, (1, 1, 1, 1)))
    register("plain", Plain)
    register("counting", Counting)


def checkpoint_of(name: str, normalise_by: NormaliseBy = "record") -> Checkpoint:
    """A checkpoint without weights or statistics of 0 or 1."""
    config = Config()
    generator = torch.Generator().manual_seed(5)
    with torch.random.fork_rng([]):
        torch.manual_seed(5)
        network = create_model(name, len(LEADS), 7, normalise_by)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d):
            assert module.running_mean is not None
            assert module.running_var is not None
            for values in (module.weight, module.running_var):
                values.detach().uniform_(0.5, 1.5, generator=generator)
            for values in (module.bias, module.running_mean):
                values.detach().uniform_(-0.5, 0.5, generator=generator)
    return Checkpoint(
        model=ModelSettings(
            model=name, fs=100.0, leads=LEADS, normalise_by=normalise_by
        ),
        weights=network.state_dict(),
        label_names=config.classes.names,
        config=replace(config, fs=500.0),
        fingerprint="a1",
    )


def loaded(path: Path) -> Run:
    """Return what a program without ecgstore runs."""
    if path.suffix == ".pt2":
        module = torch.export.load(path).module()
        return lambda signals, n_real: module(signals, n_real)
    session = onnxruntime.InferenceSession(path)

    def run(signals: Tensor, n_real: Tensor) -> list[Tensor]:
        inputs = {"signals": signals.numpy(), "n_real_samples": n_real.numpy()}
        outputs: Any = session.run(["logits", "features"], inputs)
        return [torch.from_numpy(output) for output in outputs]

    return run


def batch_of(n_records: int, n_samples: int) -> tuple[Tensor, Tensor]:
    """Noise in mV, most of it padded; and the numbers of real samples."""
    generator = torch.Generator().manual_seed(n_records * n_samples)
    signals = torch.randn(n_records, len(LEADS), n_samples, generator=generator)
    n_real = torch.randint(1, n_samples + 1, (n_records,), generator=generator)
    for record, n in zip(signals, n_real, strict=True):
        record[:, n:] = 0
    return signals, n_real


@torch.no_grad()
def check_outputs(checkpoint: Checkpoint, run: Run, lengths: Sequence[int]) -> None:
    """Compare with PyTorch for several batches, padded and not."""
    network = checkpoint.network()
    for n_samples in lengths:
        for n_records in (1, 2, 5):
            signals, n_real = batch_of(n_records, n_samples)
            for numbers in (n_real, torch.full_like(n_real, n_samples)):
                expected = network(signals, numbers)
                actual = run(signals, numbers)
                assert len(actual) == 2
                for output, wanted in zip(actual, expected, strict=True):
                    assert output.shape == wanted.shape
                    largest = max(1.0, float(wanted.abs().max()))
                    difference = float((output - wanted).abs().max())
                    assert difference <= 1e-4 * largest, (n_records, n_samples)


@every_model
def test_outputs_are_those_of_pytorch(name: str, tmp_path: Path) -> None:
    checkpoint = checkpoint_of(name)
    lengths = [33, 64, 317, 500, 1001]
    program = convert(checkpoint, tmp_path / "net.pt2")
    check_outputs(checkpoint, loaded(program), lengths)
    graph = convert(checkpoint, tmp_path / "net.onnx")
    onnx.checker.check_model(str(graph), full_check=True)
    # A kernel of a plain network has 7 samples; those with masks take any number.
    check_outputs(
        checkpoint, loaded(graph), [*lengths, 7, *([1, 2] * (name != "plain"))]
    )


def test_a_file_describes_its_network(tmp_path: Path) -> None:
    checkpoint = checkpoint_of("plain", "lead")
    graph = onnx.load(convert(checkpoint, tmp_path / "net.onnx"))
    program = {"ecgstore.json": ""}
    torch.export.load(convert(checkpoint, tmp_path / "net.pt2"), extra_files=program)
    (entry,) = graph.metadata_props
    assert entry.key == "ecgstore"
    assert entry.value == program["ecgstore.json"]
    description = json.loads(entry.value)
    preprocessing = {name: getattr(checkpoint.config, name) for name in PREPROCESSING}
    assert description == {
        "format": "ecgstore network",
        "version": 1,
        "software": f"ecgstore {__version__}",
        "model": "plain",
        "inputs": ["signals", "n_real_samples"],
        "outputs": ["logits", "features"],
        "label_names": list(checkpoint.label_names),
        "leads": list(LEADS),
        "fs": 100.0,
        "units": "mV",
        "preprocessing": preprocessing,
        "fingerprint": "a1",
        "weights_sha256": checkpoint.weights_sha256(),
    }
    shapes = {
        value.name: [axis.dim_param or axis.dim_value for axis in tensor.shape.dim]
        for value in (*graph.graph.input, *graph.graph.output)
        for tensor in [value.type.tensor_type]
    }
    assert shapes == {
        "signals": ["n_records", 3, "n_samples"],
        "n_real_samples": ["n_records"],
        "logits": ["n_records", len(checkpoint.label_names)],
        "features": ["n_records", 4],
    }


def test_a_file_names_no_folder_of_this_machine(tmp_path: Path) -> None:
    here = str(Path(__file__).parent.parent.parent.parent).encode()
    for name in ("net.onnx", "net.pt2"):
        assert here not in convert(checkpoint_of("plain"), tmp_path / name).read_bytes()


@pytest.mark.parametrize("name", ["net.pth", "net", "net.onnx/net.pt"])
def test_other_kinds_of_files_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(EcgStoreError, match=r"that ends in \.onnx or \.pt2"):
        convert(checkpoint_of("plain"), tmp_path / name)


def test_a_file_is_replaced_only_if_it_may_be(tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    path.write_text("mine")
    with pytest.raises(EcgStoreError, match="exists already"):
        convert(checkpoint_of("plain"), path)
    with pytest.raises(EcgStoreError, match="counting: cannot be converted"):
        convert(checkpoint_of("counting"), path, overwrite=True)
    assert path.read_text() == "mine"
    assert [*tmp_path.iterdir()] == [path]
    convert(checkpoint_of("plain"), path, overwrite=True)
    loaded(path)


@pytest.mark.parametrize("library", ["onnx", "onnxscript"])
def test_a_missing_library_is_named(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(EcgStoreError, match=r"pip install \"ecgstore\[onnx\]\"") as got:
        convert(checkpoint_of("plain"), tmp_path / "net.onnx")
    assert f"needs {library}," in str(got.value)
    assert "\n" not in str(got.value)


def test_the_command_converts_a_checkpoint(
    sample_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "net.pt2"
    with pytest.raises(SystemExit) as ended:
        main(["convert", str(sample_checkpoint), "-o", str(path)])
    assert not ended.value.code
    assert capsys.readouterr() == (f"{path}\n", "")
    program = torch.export.load(path).module()
    network = Checkpoint.load(sample_checkpoint).network()
    inputs = torch.randn(2, 12, 400), torch.tensor([400, 390])
    for actual, expected in zip(program(*inputs), network(*inputs), strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)
