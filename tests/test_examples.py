"""The examples run as documented, and resume after a kill."""

import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from bench.common.range_server import Server

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

KILLED = """
import os, runpy, signal, sys, torch

if "CACHES" in os.environ:  # as on another machine
    os.environ["ECGSTORE_CACHE"] = f"{os.environ['CACHES']}/{os.getpid()}"
n_saves, saves = int(sys.argv[1]), []
save = torch.save

def save_and_die(*arguments):
    save(*arguments)
    saves.append(arguments)
    if len(saves) == n_saves:
        os.kill(os.getpid(), signal.SIGKILL)

torch.save = save_and_die
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

SEVERAL_RUNS = """
import runpy, sys

for line in sys.stdin.read().splitlines():
    sys.argv = line.split("\\t")
    runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Compute with one thread in all processes: the same bits, and faster."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(params=["file", "url"])
def place(
    request: pytest.FixtureRequest,
    sample_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    """Return a store: a file, or a URL that every process caches for itself."""
    if request.param == "file":
        yield str(sample_store)
        return
    pytest.importorskip("obstore")
    monkeypatch.setenv("CACHES", str(tmp_path / "caches"))
    monkeypatch.setenv("ECGSTORE_CACHE", str(tmp_path / "cache"))
    server = Server(sample_store.parent)
    yield server.url(sample_store.name)
    server.close()


def run_here(
    monkeypatch: pytest.MonkeyPatch, name: str, *arguments: str | Path
) -> None:
    """Run an example in this process."""
    monkeypatch.setattr(sys, "argv", [str(EXAMPLES / name), *map(str, arguments)])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def run(
    *arguments: str | Path, text: str = "", cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_train_loop_killed_mid_epoch_ends_with_the_same_bits(
    place: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = [place, "--epochs", "2"]
    options += ["--batch-size", "8", "--save-every", "2"]
    whole, killed = tmp_path / "whole.pt", tmp_path / "killed.pt"
    run_here(monkeypatch, "train_loop.py", *options, "--checkpoint", whole)
    assert capsys.readouterr().out.count("loss of the last batch") == 2

    program = tmp_path / "killed.py"
    program.write_text(KILLED)
    # Epochs of 5 steps, saved after steps 2, 4 and 5: the process dies in the fifth
    # save, in epoch 1, before that file becomes the checkpoint.
    example = EXAMPLES / "train_loop.py"
    done = run(program, "5", example, *options, "--checkpoint", killed)
    assert done.returncode == -signal.SIGKILL, done.stderr
    state = torch.load(killed)["loader"]
    assert (state["epoch"], state["consumed"]) == (1, 16)

    run_here(monkeypatch, "train_loop.py", *options, "--checkpoint", killed)
    expected, resumed = torch.load(whole), torch.load(killed)
    assert resumed["loader"] == expected["loader"]
    assert resumed["loader"]["epoch"] == 2
    for part in ("model", "optimizer"):
        torch.testing.assert_close(resumed[part], expected[part], rtol=0, atol=0)
    capsys.readouterr()

    run_here(monkeypatch, "train_loop.py", *options, "--checkpoint", killed)
    assert capsys.readouterr().out == ""  # all epochs are done


def test_ddp_killed_resumes_with_another_number_of_ranks(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    one_rank = {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 1, "MASTER_PORT": port}
    for name, value in {**one_rank, "MASTER_ADDR": "127.0.0.1"}.items():
        monkeypatch.setenv(name, str(value))
    options = [place, "--epochs", "1", "--save-every", "2"]
    whole, killed = tmp_path / "whole.pt", tmp_path / "killed.pt"
    alone = ["--batch-size", "8"]
    run_here(monkeypatch, "ddp.py", *options, *alone, "--checkpoint", whole)

    program = tmp_path / "killed.py"
    program.write_text(KILLED)
    two_ranks: list[str | Path] = ["-m", "torch.distributed.run", "--standalone"]
    two_ranks += ["--nproc-per-node=2", program, "2", EXAMPLES / "ddp.py"]
    half = ["--batch-size", "4"]
    done = run(*two_ranks, *options, *half, "--checkpoint", killed)
    assert done.returncode, done.stderr
    state = torch.load(killed)["loader"]
    assert (state["epoch"], state["consumed"]) == (0, 16), done.stderr

    run_here(monkeypatch, "ddp.py", *options, *alone, "--checkpoint", killed)
    expected, resumed = torch.load(whole), torch.load(killed)
    assert resumed["loader"] == expected["loader"]
    # Two ranks add gradients in another order than one does.
    torch.testing.assert_close(resumed["network"], expected["network"])


def test_ddp_without_torchrun_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with pytest.raises(SystemExit) as error:
        run_here(monkeypatch, "ddp.py", "challenge.h5")
    message = str(error.value)
    assert "torchrun --nproc-per-node=2 examples/ddp.py challenge.h5" in message
    assert "\n" not in message


def test_lightning_resumes_within_an_epoch_and_at_its_end(
    sample_store: Path, tmp_path: Path
) -> None:
    pytest.importorskip("lightning")
    # Epochs of 4 steps.
    runs = [("whole", 11), ("stopped", 4), ("stopped", 6), ("stopped", 11)]
    options = [str(sample_store), "--batch-size", "8", "--save-every", "1"]
    text = "\n".join(
        "\t".join(
            [
                str(EXAMPLES / "lightning_module.py"),
                *(*options, "--folder", folder, "--steps", str(n_steps)),
            ]
        )
        for folder, n_steps in runs
    )
    done = run("-c", SEVERAL_RUNS, text=text, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    whole, stopped = (
        torch.load(tmp_path / folder / "last.ckpt") for folder in ("whole", "stopped")
    )
    assert whole["global_step"] == stopped["global_step"] == 11
    assert whole["EcgData"] == stopped["EcgData"]
    assert (whole["EcgData"]["epoch"], whole["EcgData"]["consumed"]) == (2, 24)
    torch.testing.assert_close(
        stopped["state_dict"], whole["state_dict"], rtol=0, atol=0
    )


def test_missing_lightning_is_an_error(sample_store: Path) -> None:
    hidden = "import sys; sys.modules['lightning'] = None"
    text = f"{EXAMPLES / 'lightning_module.py'}\t{sample_store}"
    done = run("-c", f"{hidden}\n{SEVERAL_RUNS}", text=text)
    assert done.returncode == 1
    assert done.stderr == "this example needs Lightning: pip install lightning\n"


def test_an_own_network_trains_evaluates_and_predicts(
    sample_store: Path,
    few_records: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_here(monkeypatch, "own_network.py", sample_store, few_records, tmp_path / "run")
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("<Checkpoint of Mine, classes 7 (")
    assert printed[1].startswith("{'macro_auroc': ")
    assert any(line.startswith("A0001 ok [") for line in printed)
    assert (tmp_path / "run" / "own_network.py").exists()
    page = (EXAMPLES.parent / "docs" / "models.md").read_text()
    network = (EXAMPLES / "own_network.py").read_text().partition("class Mine")[2]
    layers = network[network.index("        self.layers") : network.index("    def f")]
    assert layers in page  # the page shows the network of the example
