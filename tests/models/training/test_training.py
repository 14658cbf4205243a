"""Trainings: stopped or not, in one process or two, the same bits."""

import copy
import csv
import json
import math
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import Tensor, nn

import ecgstore
from ecgstore import pipes
from ecgstore.errors import ConfigError, EcgStoreError, SchemaError
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.inference.run import run_network
from ecgstore.models.networks.network import Network, NetworkOutput
from ecgstore.models.settings import ModelSettings, TrainingSettings
from ecgstore.models.tabular.fusion import FusionNetwork
from ecgstore.models.tabular.table import read_table
from ecgstore.models.torch_files import read_torch_file, write_torch_file
from ecgstore.models.training import (
    extractor as extractor_training,
    fit as training_module,
)
from ecgstore.models.training.extractor import train_extractor
from ecgstore.models.training.fit import fit
from ecgstore.models.training.history import History
from ecgstore.models.training.loss import class_weights, weighted_loss
from ecgstore.models.training.run import train_into
from ecgstore.pipes import Batch
from ecgstore.pipes.testing import digest
from ecgstore.storage import Selection, Store

N_CLASSES = 7
pytestmark = pytest.mark.usefixtures("one_thread")
HERE = Path(__file__).parent

FAST: dict[str, Any] = {
    "epochs": 2,
    "batch_size": 5,
    "learning_rate": 0.03,
    "augment": False,
    "seed": 3,
    "save_every": 1,
}


class Tiny(Network):
    """Two layers on the size of each lead; with all that has a state, if wished."""

    fields = ("signals", "labels")
    n_features = 8

    def __init__(self, is_rich: bool = True, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            self.first = nn.Linear(12, self.n_features)
            self.head = nn.Linear(self.n_features, N_CLASSES)
        self.norm = nn.BatchNorm1d(12) if is_rich else nn.Identity()
        self.dropout = nn.Dropout(0.3 if is_rich else 0.0)

    def inputs(self, batch: Batch) -> tuple[Tensor]:
        signals = batch.in_mv().signals
        assert signals is not None
        return (signals[..., ::10].std(-1),)

    def forward(self, sizes: Tensor) -> NetworkOutput:
        features = self.dropout(self.first(self.norm(sizes)).tanh())
        return NetworkOutput(self.head(features), features)


class Stopped(Exception):
    """What ends a training in the middle."""


def watched(network: Network, before: Callable[[int], None]) -> Network:
    """Let a function be called with the number of each batch that is looked at."""
    original, seen = network.inputs, [0]

    def inputs(batch: Batch) -> tuple[Tensor, ...]:
        before(seen[0])
        seen[0] += 1
        return original(batch)

    network.inputs = inputs  # type: ignore[method-assign]
    return network


def stopping(network: Network, at: int) -> Network:
    """Let a network stop its training at a batch, of training or validation."""

    def before(number: int) -> None:
        if number == at:
            raise Stopped

    return watched(network, before)


def noting(network: Network, weights: list[str]) -> Callable[[History], None]:
    """Return what notes a network's weights, to be called after each epoch."""
    return lambda _: weights.append(digest(network.state_dict()))


@pytest.fixture(scope="module")
def store(sample_store: Path) -> Iterator[Store]:
    with ecgstore.open(sample_store) as opened:
        yield opened


@pytest.fixture(scope="module")
def training(store: Store) -> Selection:
    return store.select(rows=range(0, 32, 2))


@pytest.fixture(scope="module")
def validation(store: Store) -> Selection:
    return store.select(rows=range(33, 43, 2))


def values_of(history: History) -> list[dict[str, Any]]:
    """A history without times; its NaN are equal to themselves."""
    epochs = history.to_dict()["epochs"]
    for each in epochs:
        del each["seconds"], each["waiting"]
    return [{name: repr(value) for name, value in each.items()} for each in epochs]


def result_of(network: nn.Module, history: History, state_file: Path) -> list[Any]:
    """All that two trainings which are the same have in common, bit for bit."""
    state = torch.load(state_file, weights_only=True)
    rest = state["rest"]
    times = ("seconds", "waiting")
    for each in rest["history"]["epochs"]:
        for name in times:
            del each[name]
    assert rest["sums"] == [0, 0.0, 0, 0.0, 0.0]
    return [
        digest(network.state_dict()),
        values_of(history),
        history.best,
        {name: digest(part) for name, part in state["parts"].items()},
        digest(state["random"]),
        digest([rest["best"], rest["history"]]),
    ]


AUGMENT = pipes.Augment(pipes.Gain(), pipes.WhiteNoise())

Case = tuple[Callable[[Selection], Network], dict[str, Any], dict[str, Any]]


def fusion_network(training: Selection) -> Network:
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        network = FusionNetwork(("handcrafted",), 610, N_CLASSES)
    network.table_input.fit(read_table(training, ("handcrafted",), None))
    return network


CASES: dict[str, Case] = {
    "plain": (lambda _: Tiny(False), {}, {}),
    "rich": (lambda _: Tiny(), {"save_every": 2}, {"augmentation": AUGMENT}),
    "average": (lambda _: Tiny(), {"average_decay": 0.8}, {}),
    "patience": (lambda _: Tiny(), {"patience": 1, "epochs": 4}, {}),
    "fusion": (fusion_network, {"average_decay": 0.5}, {}),
}


# (a) A training that was stopped goes on as if it had not been.


@pytest.mark.parametrize("case", CASES)
def test_a_stopped_training_goes_on_exactly(
    training: Selection,
    validation: Selection,
    tmp_path: Path,
    case: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make, changes, options = CASES[case]
    told = TrainingSettings(**{**FAST, **changes})
    state_file = tmp_path / "whole.pt"
    if case == "patience":  # so that training ends early, whatever was learnt
        worse = [(0.5, 0.1 * n) for n in range(9, 0, -1)]
        monkeypatch.setattr(
            training_module, "judgement", lambda *_: worse[_n_epochs(state_file)]
        )
    seen: list[int] = []
    network = watched(make(training), seen.append)
    history = fit(network, training, validation, told, state_file=state_file, **options)
    expected = result_of(network, history, state_file)
    if case == "patience":
        assert len(history.epochs) == 2
    for at in range(1, len(seen)):
        state_file = tmp_path / f"stopped_{at}.pt"
        with pytest.raises(Stopped):
            fit(
                stopping(make(training), at),
                training,
                validation,
                told,
                state_file=state_file,
                **options,
            )
        network = make(training)
        history = fit(
            network, training, validation, told, state_file=state_file, **options
        )
        assert result_of(network, history, state_file) == expected, at


def _n_epochs(state_file: Path) -> int:
    """How many epochs a training has finished."""
    if not state_file.exists():
        return 0
    state = torch.load(state_file, weights_only=True)
    return len(state["rest"]["history"]["epochs"])


def test_a_training_that_is_stopped_at_every_step(
    training: Selection, validation: Selection, tmp_path: Path
) -> None:
    told = TrainingSettings(**FAST, average_decay=0.8)
    files = tmp_path / "whole.pt", tmp_path / "pieces.pt"
    network = Tiny()
    history = fit(network, training, validation, told, state_file=files[0])
    n_pieces = 0
    while True:
        piece = stopping(Tiny(), 2)  # one step, or the last one and its validation
        try:
            rest = fit(piece, training, validation, told, state_file=files[1])
            break
        except Stopped:
            n_pieces += 1
            assert n_pieces < 12
    assert n_pieces >= 3
    assert result_of(piece, rest, files[1]) == result_of(network, history, files[0])


PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_training import train_in_program
train_in_program(Path(sys.argv[2]), Path(sys.argv[3]))
"""


def train_in_program(store_path: Path, state_file: Path) -> None:
    """Train; print a line at each batch, and the result."""
    torch.set_num_threads(1)

    def say(number: int) -> None:
        print(number, flush=True)

    with ecgstore.open(store_path) as store:
        network = watched(Tiny(), say)
        history = fit(
            network,
            store.select(rows=range(0, 32, 2)),
            store.select(rows=range(33, 43, 2)),
            TrainingSettings(**{**FAST, "epochs": 4, "average_decay": 0.5}),
            augmentation=AUGMENT,
            state_file=state_file,
        )
        print(json.dumps(result_of(network, history, state_file)), flush=True)


@pytest.mark.skipif(os.name != "posix", reason="kills processes")
def test_a_killed_training_goes_on_in_another_process(
    sample_store: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", PROGRAM, str(HERE), str(sample_store)]
    choice = random.Random()
    n_lines, pause_s = choice.randrange(3, 14), choice.uniform(0, 0.02)
    killed = subprocess.Popen(
        [*command, str(tmp_path / "killed.pt")], stdout=subprocess.PIPE, text=True
    )
    assert killed.stdout is not None
    for _ in range(n_lines):
        assert killed.stdout.readline().strip().isdigit()
    time.sleep(pause_s)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    killed.stdout.close()
    assert (tmp_path / "killed.pt").exists()
    results = []
    for name in ("killed.pt", "whole.pt"):
        done = subprocess.run(
            [*command, str(tmp_path / name)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=200,
        )
        results.append(json.loads(done.stdout.splitlines()[-1]))
    assert results[0] == results[1], (n_lines, pause_s)


def test_a_finished_training_is_only_read(
    training: Selection, validation: Selection, tmp_path: Path
) -> None:
    told, state_file = TrainingSettings(**FAST), tmp_path / "last.pt"
    network = Tiny()
    history = fit(network, training, validation, told, state_file=state_file)
    content = state_file.read_bytes()
    again = stopping(Tiny(seed=1), 0)
    assert fit(again, training, validation, told, state_file=state_file) == history
    assert state_file.read_bytes() == content
    assert digest(again.state_dict()) == digest(network.state_dict())


@pytest.fixture(scope="module")
def state_file(
    training: Selection,
    validation: Selection,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    path = tmp_path_factory.mktemp("state") / "last.pt"
    told = TrainingSettings(**{**FAST, "epochs": 1})
    fit(Tiny(), training, validation, told, state_file=path, origin={"model": "tiny"})
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"settings": {"learning_rate": 0.01}},
            "its setting learning_rate is 0.03, now it is 0.01",
        ),
        ({"settings": {"epochs": 5}}, "its setting epochs is 1, now it is 5"),
        ({"training": range(8)}, "its training is "),
        ({"validation": range(9, 12)}, "its validation is "),
        ({"validation": None}, "its validation is .*now it is None"),
        ({"origin": {"model": "other"}}, "its model is tiny, now it is other"),
        ({"origin": None}, "its model is tiny, now it is None"),
        ({"origin": {"model": "tiny", "by": 1}}, "its by is None, now it is 1"),
    ],
)
def test_another_training_is_refused(
    store: Store,
    training: Selection,
    validation: Selection,
    state_file: Path,
    change: dict[str, Any],
    message: str,
) -> None:
    rows = {"training": training.rows, "validation": validation.rows, **change}
    told = {**FAST, "epochs": 1, **change.get("settings", {})}
    content = state_file.read_bytes()
    with pytest.raises(EcgStoreError, match=message) as caught:
        fit(
            Tiny(),
            store.select(rows=rows["training"]),
            None
            if rows["validation"] is None
            else store.select(rows=rows["validation"]),
            TrainingSettings(**told),
            state_file=state_file,
            origin=change.get("origin", {"model": "tiny"}),
        )
    assert str(caught.value).endswith("or remove the file to begin anew")
    assert "\n" not in str(caught.value)
    assert state_file.read_bytes() == content


@pytest.mark.parametrize("save_every", [0, 2])
def test_how_often_it_is_saved_may_change(
    training: Selection, validation: Selection, tmp_path: Path, save_every: int
) -> None:
    told = TrainingSettings(**FAST)
    whole, path = Tiny(), tmp_path / "last.pt"
    fit(whole, training, validation, told)
    with pytest.raises(Stopped):
        fit(stopping(Tiny(), 2), training, validation, told, state_file=path)
    rest, other = Tiny(), replace(told, save_every=save_every)
    fit(rest, training, validation, other, state_file=path)
    assert digest(rest.state_dict()) == digest(whole.state_dict())


def test_another_store_is_refused(
    sample_store: Path, state_file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.h5"
    shutil.copy(sample_store, other)
    with h5py.File(other, "r+") as file:
        file.attrs["fingerprint"] = "0" * 64
    with ecgstore.open(other) as store, pytest.raises(EcgStoreError, match="fingerpr"):
        fit(
            Tiny(),
            store.select(rows=range(0, 32, 2)),
            store.select(rows=range(33, 43, 2)),
            TrainingSettings(**{**FAST, "epochs": 1}),
            state_file=state_file,
            origin={"model": "tiny"},
        )


def test_a_network_of_another_shape_is_refused(
    training: Selection, validation: Selection, state_file: Path
) -> None:
    with pytest.raises(SchemaError, match="of another network"):
        fit(
            Tiny(is_rich=False),
            training,
            validation,
            TrainingSettings(**{**FAST, "epochs": 1}),
            state_file=state_file,
            origin={"model": "tiny"},
        )


def resume_from(path: Path, training: Selection, validation: Selection) -> None:
    told = TrainingSettings(**{**FAST, "epochs": 1})
    origin = {"model": "tiny"}
    fit(Tiny(), training, validation, told, state_file=path, origin=origin)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.7, 0.99])
def test_a_truncated_state_is_refused(
    training: Selection,
    validation: Selection,
    state_file: Path,
    tmp_path: Path,
    share: float,
) -> None:
    content = state_file.read_bytes()
    path = tmp_path / "last.pt"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(SchemaError, match=r"last\.pt: no ecgstore training state"):
        resume_from(path, training, validation)


@pytest.mark.parametrize(
    "content",
    [
        {"format": "ecgstore model", "version": 1},
        {"format": "ecgstore training state"},
        {"format": "ecgstore training state", "version": 2},
        {"format": "ecgstore training state", "version": 1},
        {"weight": torch.zeros(3)},
        [1, 2],
    ],
)
def test_a_foreign_state_is_refused(
    training: Selection, validation: Selection, tmp_path: Path, content: Any
) -> None:
    path = tmp_path / "last.pt"
    torch.save(content, path)
    with pytest.raises(SchemaError, match=r"last\.pt: "):
        resume_from(path, training, validation)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_broken_files_are_schema_errors(state_file: Path, data: st.DataObject) -> None:
    content = bytearray(state_file.read_bytes())
    kind = data.draw(st.sampled_from(["noise", "pickle", "changed"]))
    if kind == "changed":
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] ^= 0x5A
    else:
        content = bytearray(data.draw(st.binary(max_size=60)))
        if kind == "pickle":
            content = bytearray(b"\x80\x02") + content
    path = state_file.with_name("broken.pt")
    path.write_bytes(content)
    try:
        read = read_torch_file(path, "ecgstore training state", 1)
    except SchemaError as error:
        message = str(error)
    else:
        message = f"{path}: {read['format']}"
    assert message.startswith(f"{path}: ")


# (b) The same arguments, the same bits.


def trained(
    training: Selection, validation: Selection | None, **changes: Any
) -> dict[str, Tensor]:
    network = Tiny()
    told = TrainingSettings(**{**FAST, **changes})
    fit(network, training, validation, told, augmentation=AUGMENT)
    return network.state_dict()


def test_weights_are_a_function_of_the_seed(
    training: Selection, validation: Selection
) -> None:
    first = trained(training, validation)
    torch.rand(3)  # whatever was drawn before
    assert digest(trained(training, validation)) == digest(first)
    assert digest(trained(training, validation, seed=4)) != digest(first)


def test_the_order_of_the_records_depends_on_the_seed(training: Selection) -> None:
    def first_rows(seed: int) -> list[int]:
        seen: list[list[int]] = []
        network = Tiny()
        original = network.inputs

        def inputs(batch: Batch) -> tuple[Tensor]:
            seen.append(batch.rows.tolist())
            return original(batch)

        network.inputs = inputs  # type: ignore[method-assign]
        fit(network, training, None, TrainingSettings(**{**FAST, "seed": seed}))
        return seen[0]

    assert first_rows(3) == first_rows(3) != first_rows(4)


def test_first_weights_depend_on_the_seed(
    training: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []

    def note(network: Network, *_: object, **__: object) -> History:
        begun.append(digest(network.state_dict()))
        return History()

    monkeypatch.setattr(extractor_training, "fit", note)
    for seed in (3, 3, 4):
        train_extractor(
            training,
            None,
            ModelSettings(model="cnn", fs=100.0),
            TrainingSettings(**{**FAST, "seed": seed}),
        )
    assert begun[0] == begun[1] != begun[2]


def test_long_gradients_are_cut(
    training: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    norms: list[float] = []

    class Noting(torch.optim.AdamW):
        def step(self, closure: Any = None) -> Any:
            gradients = [
                each.grad.flatten()
                for group in self.param_groups
                for each in group["params"]
            ]
            norms.append(float(torch.cat(gradients).norm()))
            return super().step(closure)

    network = Tiny(is_rich=False)
    with torch.no_grad():
        network.head.weight.mul_(1e4)  # whose gradients reach the first layer
    monkeypatch.setattr(torch.optim, "AdamW", Noting)
    fit(network, training, None, TrainingSettings(**FAST))
    assert max(norms) == pytest.approx(1.0, abs=1e-4)


def test_random_numbers_of_the_caller_stay(
    training: Selection, validation: Selection
) -> None:
    before = torch.get_rng_state()
    trained(training, validation)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(Stopped):
        fit(stopping(Tiny(), 1), training, validation, TrainingSettings(**FAST))
    assert torch.equal(torch.get_rng_state(), before)
    model = ModelSettings(model="cnn", fs=100.0)
    train_extractor(training, None, model, TrainingSettings(**{**FAST, "epochs": 1}))
    assert torch.equal(torch.get_rng_state(), before)


def test_saving_changes_nothing(
    training: Selection, validation: Selection, tmp_path: Path
) -> None:
    network = Tiny()
    told = TrainingSettings(**{**FAST, "save_every": 0})
    fit(network, training, validation, told, augmentation=AUGMENT)
    assert digest(network.state_dict()) == digest(trained(training, validation))


# (c) The loss.


@settings(max_examples=12)
@given(st.lists(st.integers(1, 39), min_size=1, max_size=4))
def test_the_least_loss_is_at_plain_log_odds(positives: list[int]) -> None:
    labels = np.zeros((40, len(positives)), np.uint8)
    for column, n in zip(labels.T, positives, strict=True):
        column[:n] = 1
    weights = class_weights(labels)
    bias = torch.zeros(len(positives), requires_grad=True)
    optimiser = torch.optim.LBFGS([bias], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimiser.zero_grad()
        loss = weighted_loss(
            bias.expand(labels.shape), torch.from_numpy(labels), weights
        )
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    rates = torch.tensor(positives) / 40
    torch.testing.assert_close(bias.detach().sigmoid(), rates, atol=2e-3, rtol=0)


def test_positives_of_rare_classes_weigh_more() -> None:
    labels = np.zeros((1000, 5), np.uint8)
    for column, n in zip(labels.T, (1000, 500, 100, 1, 0), strict=True):
        column[:n] = 1
    assert class_weights(labels).tolist() == [1.0, 1.0, 3.0, 10.0, 1.0]


def test_weights_of_1_are_the_plain_cross_entropy() -> None:
    logits, labels = torch.randn(5, 3), torch.randint(2, (5, 3), dtype=torch.uint8)
    plain = nn.functional.binary_cross_entropy_with_logits(logits, labels.float())
    torch.testing.assert_close(weighted_loss(logits, labels, torch.ones(3)), plain)


# (d) Which weights are kept.


def scripted(monkeypatch: pytest.MonkeyPatch, found: list[tuple[float, float]]) -> None:
    """Let the epochs of a training be judged so, one after the other."""
    left = iter(found)
    monkeypatch.setattr(training_module, "judgement", lambda *_: next(left))


@pytest.mark.parametrize(
    ("found", "patience", "n_epochs", "best"),
    [
        ([(0.5, 0.6), (0.5, 0.8), (0.5, 0.7), (0.5, 0.7), (0.4, 0.9)], 2, 4, 2),
        ([(0.5, 0.6), (0.5, 0.6), (0.4, 0.6), (0.6, 0.6), (0.5, 0.6)], 2, 5, 3),
        ([(0.5, math.nan), (0.3, math.nan), (0.4, math.nan)], 1, 3, 2),
        ([(0.5, 0.6), (0.4, 0.7), (0.3, 0.8)], 1, 3, 3),
        ([(0.5, 0.6), (0.4, 0.5), (0.3, 0.8)], 1, 2, 1),
        ([(0.5, 0.6), (0.5, 0.6), (0.7, 0.5)], 2, 3, 1),
    ],
)
@pytest.mark.parametrize("average_decay", [0.0, 0.7])
def test_the_best_epochs_weights_are_kept(
    training: Selection,
    validation: Selection,
    monkeypatch: pytest.MonkeyPatch,
    found: list[tuple[float, float]],
    patience: int,
    n_epochs: int,
    best: int,
    average_decay: float,
) -> None:
    scripted(monkeypatch, found)
    told = {**FAST, "epochs": len(found), "patience": patience}
    network = Tiny()
    after: list[str] = []
    judged: list[str] = []

    def seen(evaluated_network: Network, *arguments: Any, **options: Any) -> Any:
        judged.append(digest(evaluated_network.state_dict()))
        return run_network(evaluated_network, *arguments, **options)

    monkeypatch.setattr(training_module, "find", seen)
    history = fit(
        network,
        training,
        validation,
        TrainingSettings(**told, average_decay=average_decay),
        on_epoch=noting(network, after),
    )
    assert history.best == best
    assert [each.epoch for each in history.epochs] == list(range(1, n_epochs + 1))
    assert len(set(judged)) == n_epochs
    assert digest(network.state_dict()) == judged[best - 1]
    assert (judged == after) == (not average_decay)
    assert not network.training


def test_without_validation_the_last_epoch_is_kept(training: Selection) -> None:
    after: list[str] = []
    network = Tiny()
    history = fit(
        network,
        training,
        None,
        TrainingSettings(**{**FAST, "epochs": 3, "patience": 1}),
        on_epoch=noting(network, after),
    )
    assert len(after) == history.best == 3
    assert digest(network.state_dict()) == after[-1]
    assert all(math.isnan(each.validation_loss) for each in history.epochs)


def test_moving_average_of_weights(training: Selection) -> None:
    decay = 0.8
    network = Tiny()  # with running statistics, which are averaged too
    after: list[dict[str, Tensor]] = []

    def note(_: object) -> None:
        after.append(copy.deepcopy(network.state_dict()))

    told = TrainingSettings(**FAST, average_decay=decay)
    fit(watched(network, note), training, None, told, on_epoch=note)
    # The first was noted before any step; the last of an epoch was noted twice.
    steps = after[1:4] + after[5:]
    assert len(steps) == 6
    mean = steps[0]
    for weights in steps[1:]:
        mean = {
            name: decay * mean[name] + (1 - decay) * each
            for name, each in weights.items()
        }
    for name, each in network.state_dict().items():
        if each.is_floating_point():  # a count of batches is nothing to average
            torch.testing.assert_close(each, mean[name])


def test_what_a_history_says(training: Selection, validation: Selection) -> None:
    network = Tiny()
    history = fit(network, training, validation, TrainingSettings(**FAST))
    best = history.epochs[history.best - 1]
    found = run_network(network, validation)
    labels = validation.store.labels(rows=found.rows)
    loss = nn.functional.binary_cross_entropy_with_logits(
        torch.from_numpy(found.logits), torch.from_numpy(labels).float()
    )
    assert best.validation_loss == pytest.approx(float(loss), rel=1e-5)
    assert 0 <= best.validation_auroc <= 1
    assert 0 <= best.waiting <= 1
    assert History.from_dict(json.loads(json.dumps(history.to_dict()))) == history


def test_learning_lowers_the_loss(training: Selection) -> None:
    told = TrainingSettings(**{**FAST, "epochs": 25, "batch_size": 8})
    history = fit(Tiny(is_rich=False), training, None, told)
    assert history.epochs[-1].training_loss < 0.8 * history.epochs[0].training_loss


@pytest.mark.parametrize("is_judged", [True, False])
def test_a_training_that_diverges_says_so(
    training: Selection, validation: Selection, is_judged: bool
) -> None:
    def spoil(batch: Batch) -> Batch:
        assert batch.signals is not None
        return replace(batch, signals=batch.signals * math.inf)

    with pytest.raises(EcgStoreError, match=r"epoch 1: the loss .* 0\.03"):
        fit(
            Tiny(),
            training,
            validation if is_judged else None,
            TrainingSettings(**FAST),
            augmentation=spoil,
        )


# (e) Validation records choose an epoch, and nothing else.


def test_validation_records_are_not_learnt_from(
    sample_store: Path,
    training: Selection,
    validation: Selection,
    tmp_path: Path,
) -> None:
    other = tmp_path / "other.h5"
    shutil.copy(sample_store, other)
    rows = validation.rows
    with h5py.File(other, "r+") as file:
        for name in ("signals", "labels", "features"):
            values = file[name][:]
            values[rows] = values[rows[::-1]] if name != "labels" else 1 - values[rows]
            file[name][:] = values
    results: list[tuple[list[str], list[float]]] = []
    with ecgstore.open(other) as changed:
        assert not np.array_equal(changed.labels()[rows], training.store.labels()[rows])
        for store in (training.store, changed):
            weights: list[str] = []
            network = Tiny()
            history = fit(
                network,
                Selection(store, training.rows),
                Selection(store, rows),
                TrainingSettings(**FAST, average_decay=0.0),
                augmentation=AUGMENT,
                on_epoch=noting(network, weights),
            )
            results.append((weights, [each.validation_loss for each in history.epochs]))
    assert results[0][0] == results[1][0]
    assert results[0][1] != results[1][1]


# (f) Several processes.

RANK = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_training import train_as_rank
train_as_rank(Path(sys.argv[2]), Path(sys.argv[3]))
"""


def train_as_rank(store_path: Path, folder: Path) -> None:
    """Train as one of two processes, in several ways; save the weights of each."""
    from ecgstore.models.distributed import is_first_process, process_group

    torch.set_num_threads(1)
    results: dict[str, Any] = {}
    with process_group() as device, ecgstore.open(store_path) as store:
        for name, (rows, held_out, is_rich, changes) in RANK_CASES.items():
            network = Tiny(is_rich)
            epochs: list[str] = []
            history = fit(
                network,
                store.select(rows=rows),
                None if held_out is None else store.select(rows=held_out),
                TrainingSettings(**{**FAST, "batch_size": 4, **changes}),
                device=device,
                on_epoch=noting(network, epochs),
            )
            assert bool(epochs) == is_first_process()
            results[name] = network.state_dict(), values_of(history)
        rows, held_out, is_rich, changes = RANK_CASES["rich"]
        told = TrainingSettings(**{**FAST, "batch_size": 4, **changes})
        selections = store.select(rows=rows), store.select(rows=held_out)
        state_file = folder / "last.pt"
        try:
            fit(stopping(Tiny(), 1), *selections, told, state_file=state_file)
        except Stopped:
            network = Tiny()
            history = fit(network, *selections, told, state_file=state_file)
            results["resumed"] = network.state_dict(), values_of(history)
        train_into(
            folder / "run",
            *selections,
            ModelSettings(model="cnn", fs=100.0),
            replace(told, epochs=1),
        )
        mine = folder / f"rank_{os.environ['RANK']}.pt"
        torch.save(results, mine)


RANK_CASES: dict[str, tuple[Any, Any, bool, dict[str, Any]]] = {
    "plain": (range(0, 32, 2), range(33, 43, 2), False, {}),
    "uneven": (range(7), None, False, {}),
    "rich": (range(0, 32, 2), range(33, 43, 2), True, {"average_decay": 0.5}),
    "no validation": (range(0, 32, 2), None, True, {}),
}


@pytest.fixture(scope="module")
def ranks(
    sample_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[dict[str, Any]]]:
    """The folder and the results of two processes."""
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "2",
        "CUDA_VISIBLE_DEVICES": "",
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, HERE, sample_store, folder],
            env={**environment, "RANK": rank, "LOCAL_RANK": rank},
        )
        for rank in ("0", "1")
    ]
    try:
        assert [each.wait(timeout=240) for each in processes] == [0, 0]
    finally:
        for each in processes:
            each.kill()
    return folder, [
        torch.load(folder / f"rank_{rank}.pt", weights_only=True) for rank in (0, 1)
    ]


@pytest.mark.parametrize("case", [*RANK_CASES, "resumed"])
def test_processes_end_with_the_same_bits(
    ranks: tuple[Path, list[dict[str, Any]]], case: str
) -> None:
    _, (first, second) = ranks
    assert digest(first[case]) == digest(second[case])


def test_two_processes_resume_exactly(
    ranks: tuple[Path, list[dict[str, Any]]],
) -> None:
    _, (first, _) = ranks
    assert digest(first["resumed"][0]) == digest(first["rich"][0])
    for mine, its in zip(first["resumed"][1], first["rich"][1], strict=True):
        for name, value in mine.items():
            assert float(value) == pytest.approx(float(its[name]), nan_ok=True), name


@pytest.mark.parametrize("case", ["plain", "uneven"])
def test_two_processes_learn_what_one_does(
    ranks: tuple[Path, list[dict[str, Any]]], store: Store, case: str
) -> None:
    rows, held_out, is_rich, changes = RANK_CASES[case]
    network = Tiny(is_rich)
    history = fit(
        network,
        store.select(rows=rows),
        None if held_out is None else store.select(rows=held_out),
        TrainingSettings(**{**FAST, "batch_size": 8, **changes}),
    )
    weights, epochs = ranks[1][0][case]
    for name, each in network.state_dict().items():
        torch.testing.assert_close(weights[name], each, rtol=1e-5, atol=1e-5)
    if case == "uneven":  # a process's loss is weighted by the size of its own part
        return
    for mine, its in zip(epochs, values_of(history), strict=True):
        for name, value in its.items():
            assert float(mine[name]) == pytest.approx(
                float(value), rel=1e-4, nan_ok=True
            ), name


def test_another_number_of_processes_is_refused(
    ranks: tuple[Path, list[dict[str, Any]]], store: Store, tmp_path: Path
) -> None:
    shutil.copy(ranks[0] / "last.pt", tmp_path)
    rows, held_out, is_rich, changes = RANK_CASES["rich"]
    with pytest.raises(EcgStoreError, match="its processes is 2, now it is None"):
        fit(
            Tiny(is_rich),
            store.select(rows=rows),
            store.select(rows=held_out),
            TrainingSettings(**{**FAST, "batch_size": 4, **changes}),
            state_file=tmp_path / "last.pt",
        )


def test_only_the_first_process_writes(
    ranks: tuple[Path, list[dict[str, Any]]],
) -> None:
    folder, _ = ranks
    names = sorted(each.name for each in folder.iterdir())
    assert names == ["last.pt", "rank_0.pt", "rank_1.pt", "run"]
    assert {each.name for each in (folder / "run").iterdir()} >= {
        "best.pt",
        "last.pt",
        "history.csv",
        "curves.png",
    }


# (g) The folder of a training.

MODEL = ModelSettings(model="cnn", fs=100.0, leads=("I", "II", "V2"))


@pytest.fixture(scope="module")
def folder(
    training: Selection,
    validation: Selection,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    path = tmp_path_factory.mktemp("trainings") / "a" / "first"
    told = TrainingSettings(**{**FAST, "augment": True, "batch_size": 8})
    train_into(path, training, validation, MODEL, told)
    return path


def test_a_folder_has_history_and_curves(folder: Path) -> None:
    with (folder / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert b"\r" not in (folder / "history.csv").read_bytes()
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(float(row["training_loss"]) > 0 for row in rows)
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert not list(folder.glob("*.partial")) + list(folder.glob(".*"))


def test_a_folder_with_a_training_is_not_overwritten(
    folder: Path, training: Selection, validation: Selection
) -> None:
    told = TrainingSettings(**{**FAST, "augment": True, "batch_size": 8})
    with pytest.raises(EcgStoreError, match="go on with --resume"):
        train_into(folder, training, validation, MODEL, told)
    content = (folder / "best.pt").read_bytes()
    (folder / "best.pt").unlink()
    history = train_into(folder, training, validation, MODEL, told, resume=True)
    assert len(history.epochs) == 2
    assert digest(Checkpoint.load(folder).weights) == digest(
        Checkpoint.load(_written(folder.parent / "before.pt", content)).weights
    )
    other = replace(MODEL, normalise_by="lead")
    with pytest.raises(EcgStoreError, match="its model per is record, now it is lead"):
        train_into(folder, training, validation, other, told, resume=True)


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_folder_that_cannot_be_made(
    training: Selection, validation: Selection, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x")
    told = TrainingSettings(**FAST)
    with pytest.raises(EcgStoreError, match="cannot be made"):
        train_into(tmp_path / "file" / "run", training, validation, MODEL, told)


# (h) Precision.


def test_bfloat16_on_a_processor(training: Selection, validation: Selection) -> None:
    full = trained(training, validation)
    half = trained(training, validation, precision="bfloat16")
    assert digest(half) != digest(full)
    for name, each in half.items():
        assert torch.isfinite(each).all()
        assert each.dtype == full[name].dtype
    assert digest(half) == digest(trained(training, validation, precision="bfloat16"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_gpu_gives_the_same_bits_again(
    training: Selection, validation: Selection, tmp_path: Path, precision: str
) -> None:
    told = TrainingSettings(**{**FAST, "precision": precision})
    before = torch.cuda.get_rng_state()
    results = []
    for name in ("whole.pt", "stopped.pt"):
        path = tmp_path / name
        if name == "stopped.pt":
            with pytest.raises(Stopped):
                fit(
                    stopping(Tiny(), 2),
                    training,
                    validation,
                    told,
                    device="cuda",
                    state_file=path,
                )
        network = Tiny()
        history = fit(
            network, training, validation, told, device="cuda", state_file=path
        )
        results.append((digest(network.state_dict()), values_of(history)))
    assert results[0] == results[1]
    assert torch.equal(torch.cuda.get_rng_state(), before)


# (i) Checkpoints.


@pytest.fixture(scope="module")
def checkpoint(folder: Path) -> Checkpoint:
    return Checkpoint.load(folder / "best.pt")


def test_a_checkpoint_is_what_was_trained(
    checkpoint: Checkpoint, training: Selection, validation: Selection, tmp_path: Path
) -> None:
    told = TrainingSettings(**{**FAST, "augment": True, "batch_size": 8})
    made, history = train_extractor(training, validation, MODEL, told)
    assert digest(made.weights) == digest(checkpoint.weights)
    made.save(tmp_path / "again.pt")
    again = Checkpoint.load(tmp_path / "again.pt")
    assert again.model == MODEL
    assert again.config == training.store.config
    assert again.label_names == training.store.label_names
    assert again.fingerprint == training.store.fingerprint
    assert digest(again.origin) == digest(made.origin)
    for part, selection in (("training", training), ("validation", validation)):
        rows = again.origin[f"{part}_rows"]
        signals = again.origin[f"{part}_signals"]
        assert rows.dtype == torch.int64
        assert signals.dtype == torch.uint8
        assert rows.tolist() == selection.rows.tolist()
        hashes = selection.store.records["sha256"].iloc[selection.rows]
        assert [bytes(each).hex() for each in signals.tolist()] == [
            each[:16] for each in hashes
        ]
    again.check(training.store)
    best = history.epochs[history.best - 1]
    found = run_network(
        again.network(), validation, transform=[again.decimate()], leads=MODEL.leads
    )
    labels = torch.from_numpy(validation.store.labels(rows=found.rows)).double()
    loss = nn.functional.binary_cross_entropy_with_logits(
        torch.from_numpy(found.logits).double(), labels
    )
    assert best.validation_loss == pytest.approx(float(loss), rel=1e-5)


def test_a_checkpoint_is_found_in_its_folder(
    folder: Path, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    assert digest(Checkpoint.load(folder).weights) == digest(checkpoint.weights)
    for path in (tmp_path, tmp_path / "none.pt"):
        with pytest.raises(EcgStoreError, match="expected an ecgstore model"):
            Checkpoint.load(path)
    with pytest.raises(SchemaError, match="no ecgstore model"):
        Checkpoint.load(folder / "last.pt")


def test_a_checkpoint_of_another_version_is_refused(
    folder: Path, tmp_path: Path
) -> None:
    content = torch.load(folder / "best.pt", weights_only=True)
    path = tmp_path / "best.pt"
    torch.save({**content, "version": 1}, path)
    with pytest.raises(SchemaError, match=r"version 1; this ecgstore reads version 2"):
        Checkpoint.load(tmp_path)
    for name in content:
        torch.save({key: content[key] for key in content if key != name}, path)
        with pytest.raises(SchemaError, match=r"best\.pt: "):
            Checkpoint.load(path)


class Malicious:
    def __reduce__(self) -> Any:
        return os.mkdir, ("planted",)


def test_a_checkpoint_runs_no_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = {"format": "ecgstore model", "version": 2, "model": Malicious()}
    torch.save(content, tmp_path / "best.pt")
    with pytest.raises(SchemaError, match="no ecgstore model"):
        Checkpoint.load(tmp_path)
    assert not (tmp_path / "planted").exists()


def test_an_old_file_stays_until_the_new_one_is_whole(
    tmp_path: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "best.pt"
    checkpoint.save(path)
    content = path.read_bytes()

    def half(_: object, file: Any) -> None:
        file.write(content[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(EcgStoreError, match="No space left"):
        checkpoint.save(path)
    assert path.read_bytes() == content
    assert [each.name for each in tmp_path.iterdir()] == ["best.pt"]
    with pytest.raises(EcgStoreError, match="cannot be written"):
        write_torch_file(tmp_path / "none" / "a.pt", {})


def test_a_checkpoint_refuses_other_stores(
    checkpoint: Checkpoint, store: Store
) -> None:
    names = (*checkpoint.label_names[:-1], "other")
    with pytest.raises(EcgStoreError, match="build the store with the same --classes"):
        replace(checkpoint, label_names=names).check(store)
    config = replace(store.config, high_hz=100.0)
    with pytest.raises(EcgStoreError, match=r"its high_hz is 40.0; .* 100.0"):
        replace(checkpoint, config=config).check(store)
    replace(checkpoint, config=replace(store.config, duration_s=5.0)).check(store)


# Settings.


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"learning_rate": math.nan},
        {"weight_decay": -1.0},
        {"patience": 0},
        {"average_decay": 1.0},
        {"seed": -1},
        {"save_every": -1},
        {"precision": "float16"},
    ],
)
def test_settings_outside_their_range(change: dict[str, Any]) -> None:
    (name,) = change
    with pytest.raises(ConfigError, match=f"{name} is .*; expected"):
        TrainingSettings(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "vgg"},
        {"normalise_by": "batch"},
        {"fs": 0.0},
        {"fs": math.nan},
        {"leads": ()},
        {"leads": ("I", "I")},
        {"leads": ("I", "X")},
    ],
)
def test_model_settings_outside_their_range(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        ModelSettings(**change)
