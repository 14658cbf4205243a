"""Two processes train a network as one does, and all end with the same bits."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from ecgstore.errors import EcgStoreError
from ecgstore.models.training.fit import fit
from ecgstore.pipes.testing import digest
from ecgstore.storage import Store
from tests.models.training.small_trainings import values_of
from tests.models.training.train_in_ranks import BATCH_SIZE, CASES

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.usefixtures("one_thread")


class Ranks(NamedTuple):
    """The folder and the results of two processes."""

    folder: Path
    results: list[dict[str, Any]]


@pytest.fixture(scope="module")
def ranks(sample_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Ranks:
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
    program = "tests.models.training.train_in_ranks"
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", program, sample_store, folder],
            cwd=ROOT,
            env={**environment, "RANK": rank, "LOCAL_RANK": rank},
        )
        for rank in ("0", "1")
    ]
    try:
        assert [process.wait(timeout=240) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    results = [
        torch.load(folder / f"rank_{rank}.pt", weights_only=True) for rank in (0, 1)
    ]
    return Ranks(folder, results)


@pytest.mark.parametrize("case", [*CASES, "resumed"])
def test_processes_end_with_the_same_bits(ranks: Ranks, case: str) -> None:
    first, second = ranks.results
    assert digest(first[case]) == digest(second[case])


def test_two_processes_resume_exactly(ranks: Ranks) -> None:
    resumed_weights, resumed_epochs = ranks.results[0]["resumed"]
    weights, epochs = ranks.results[0]["averaged"]
    assert digest(resumed_weights) == digest(weights)
    for resumed, epoch in zip(resumed_epochs, epochs, strict=True):
        for name, value in epoch.items():
            expected = pytest.approx(float(value), nan_ok=True)
            assert float(resumed[name]) == expected, name


@pytest.mark.parametrize("name", ["plain", "uneven"])
def test_two_processes_train_as_one_does(ranks: Ranks, store: Store, name: str) -> None:
    case = CASES[name]
    network = case.network()
    settings = case.settings(2 * BATCH_SIZE)
    history = fit(network, *case.selections(store), settings)
    weights, epochs = ranks.results[0][name]
    for key, weight in network.state_dict().items():
        torch.testing.assert_close(weights[key], weight, rtol=1e-5, atol=1e-5)
    if name == "uneven":  # a process's loss is weighted by the size of its own part
        return
    for epoch, expected in zip(epochs, values_of(history), strict=True):
        for key, value in expected.items():
            close = pytest.approx(float(value), rel=1e-4, nan_ok=True)
            assert float(epoch[key]) == close, key


def test_another_number_of_processes_is_refused(
    ranks: Ranks, store: Store, tmp_path: Path
) -> None:
    shutil.copy(ranks.folder / "last.pt", tmp_path)
    case = CASES["averaged"]
    with pytest.raises(EcgStoreError, match="processes was 2, now it is None"):
        fit(
            case.network(),
            *case.selections(store),
            case.settings(BATCH_SIZE),
            state_file=tmp_path / "last.pt",
        )


def test_only_the_first_process_writes(ranks: Ranks) -> None:
    names = sorted(path.name for path in ranks.folder.iterdir())
    assert names == ["last.pt", "rank_0.pt", "rank_1.pt", "run"]
    assert {path.name for path in (ranks.folder / "run").iterdir()} >= {
        "model.safetensors",
        "last.pt",
        "history.csv",
        "curves.png",
    }
