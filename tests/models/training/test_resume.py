"""A stopped training is resumed exactly: the same bits as without the stop."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ecgstore.models.networks.network import Network
from ecgstore.models.tabular.fusion import FusionNetwork
from ecgstore.models.tabular.table import read_table
from ecgstore.models.training import fit as fit_module
from ecgstore.models.training.fit import fit
from ecgstore.pipes.testing import digest
from ecgstore.storage import Selection
from tests.models.training.small_trainings import (
    AUGMENTATION,
    N_CLASSES,
    StoppedError,
    TinyNetwork,
    count_batches,
    fast_settings,
    result_of,
    stopping,
    values_of,
)

pytestmark = pytest.mark.usefixtures("one_thread")

Case = tuple[Callable[[Selection], Network], dict[str, Any], dict[str, Any]]


def fusion_network(training: Selection) -> Network:
    table = read_table(training, ("handcrafted",), None)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        network = FusionNetwork(("handcrafted",), table.shape[1], N_CLASSES)
    network.table_input.fit(table)
    return network


# Each has a function that makes the network, changed settings, and options of `fit`.
CASES: dict[str, Case] = {
    "plain": (lambda _: TinyNetwork(has_state=False), {}, {}),
    "augmented": (
        lambda _: TinyNetwork(),
        {"save_every": 2},
        {"augmentation": AUGMENTATION},
    ),
    "averaged": (lambda _: TinyNetwork(), {"average_decay": 0.8}, {}),
    "early stopping": (lambda _: TinyNetwork(), {"patience": 1, "epochs": 4}, {}),
    "fusion": (fusion_network, {"average_decay": 0.5}, {}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_training_stopped_at_any_batch_is_resumed_exactly(
    training: Selection,
    validation: Selection,
    tmp_path: Path,
    case: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_network, changes, options = CASES[case]
    settings = fast_settings(**changes)
    state_file = tmp_path / "whole.pt"
    if case == "early stopping":  # every epoch is worse than the one before
        scores = [(0.5, 0.1 * n) for n in range(9, 0, -1)]
        monkeypatch.setattr(
            fit_module, "validation_scores", lambda *_: scores[n_epochs(state_file)]
        )
    batches: list[int] = []
    network = count_batches(make_network(training), batches.append)
    history = fit(
        network, training, validation, settings, state_file=state_file, **options
    )
    expected = result_of(network, history, state_file)
    if case == "early stopping":
        assert len(history.epochs) == 2
    for at in range(1, len(batches)):
        state_file = tmp_path / f"stopped_{at}.pt"
        with pytest.raises(StoppedError):
            fit(
                stopping(make_network(training), at),
                training,
                validation,
                settings,
                state_file=state_file,
                **options,
            )
        network = make_network(training)
        history = fit(
            network, training, validation, settings, state_file=state_file, **options
        )
        assert result_of(network, history, state_file) == expected, at


def n_epochs(state_file: Path) -> int:
    """Return the number of finished epochs in a state file."""
    if not state_file.exists():
        return 0
    state = torch.load(state_file, weights_only=True)
    return len(state["progress"]["history"]["epochs"])


def test_a_training_stopped_at_every_step_is_resumed_exactly(
    training: Selection, validation: Selection, tmp_path: Path
) -> None:
    settings = fast_settings(average_decay=0.8)
    whole, pieces = tmp_path / "whole.pt", tmp_path / "pieces.pt"
    network = TinyNetwork()
    history = fit(network, training, validation, settings, state_file=whole)
    n_stops = 0
    while True:
        resumed = stopping(TinyNetwork(), 2)  # one step, or the last one and validation
        try:
            resumed_history = fit(
                resumed, training, validation, settings, state_file=pieces
            )
            break
        except StoppedError:
            n_stops += 1
            assert n_stops < 12
    assert n_stops >= 3
    expected = result_of(network, history, whole)
    assert result_of(resumed, resumed_history, pieces) == expected


def test_a_finished_training_is_only_read(
    training: Selection, validation: Selection, tmp_path: Path
) -> None:
    settings, state_file = fast_settings(), tmp_path / "last.pt"
    network = TinyNetwork()
    history = fit(network, training, validation, settings, state_file=state_file)
    content = state_file.read_bytes()
    again = stopping(TinyNetwork(seed=1), 0)
    assert fit(again, training, validation, settings, state_file=state_file) == history
    assert state_file.read_bytes() == content
    assert digest(again.state_dict()) == digest(network.state_dict())


@pytest.mark.parametrize("save_every", [0, 2])
def test_save_every_may_change(
    training: Selection, validation: Selection, tmp_path: Path, save_every: int
) -> None:
    whole, resumed, path = TinyNetwork(), TinyNetwork(), tmp_path / "last.pt"
    fit(whole, training, validation, fast_settings())
    with pytest.raises(StoppedError):
        fit(
            stopping(TinyNetwork(), 2),
            training,
            validation,
            fast_settings(),
            state_file=path,
        )
    settings = fast_settings(save_every=save_every)
    fit(resumed, training, validation, settings, state_file=path)
    assert digest(resumed.state_dict()) == digest(whole.state_dict())


def test_saving_does_not_change_the_weights(
    training: Selection, validation: Selection, tmp_path: Path
) -> None:
    never_saved, saved = TinyNetwork(), TinyNetwork()
    fit(
        never_saved,
        training,
        validation,
        fast_settings(save_every=0),
        augmentation=AUGMENTATION,
    )
    fit(
        saved,
        training,
        validation,
        fast_settings(save_every=1),
        augmentation=AUGMENTATION,
        state_file=tmp_path / "last.pt",
    )
    assert digest(saved.state_dict()) == digest(never_saved.state_dict())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_training_on_a_gpu_is_resumed_exactly(
    training: Selection, validation: Selection, tmp_path: Path, precision: str
) -> None:
    settings = fast_settings(precision=precision)
    before = torch.cuda.get_rng_state()
    results = []
    for name in ("whole.pt", "stopped.pt"):
        path = tmp_path / name
        if name == "stopped.pt":
            with pytest.raises(StoppedError):
                fit(
                    stopping(TinyNetwork(), 2),
                    training,
                    validation,
                    settings,
                    device="cuda",
                    state_file=path,
                )
        network = TinyNetwork()
        history = fit(
            network, training, validation, settings, device="cuda", state_file=path
        )
        results.append((digest(network.state_dict()), values_of(history)))
    assert results[0] == results[1]
    assert torch.equal(torch.cuda.get_rng_state(), before)
