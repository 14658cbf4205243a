"""Commands that read a store take a URL, and do with it what they do with the file."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.common.range_server import Server

Run = Callable[..., tuple[int, str, str]]

pytestmark = pytest.mark.usefixtures("one_thread")

COMMANDS = {
    "info": "info STORE --records",
    "verify": "verify STORE",
    "plot": "plot STORE HR00001 -o out/a.png",
    "classes": "plot STORE --classes -o out/classes.png",
    "report": "report STORE -o out/report.html --quiet --no-checksum",
    "export": "export STORE out",
    "subset": "subset STORE -o out/part.h5 --folds 0-3",
    "extract": "extract MODEL STORE -o out/a.features.h5 --device cpu --quiet",
    "evaluate": "evaluate MODEL STORE --device cpu --quiet",
}

TRAINING = {
    "network": "train STORE -o run --model cnn --fs 100 --epochs 1 --device cpu",
    "hybrid": "train STORE -o run --inputs handcrafted --workers 2 --device cpu "
    "--n-inner-folds 2",
    "compare": "compare STORE -o run --quick --n-folds 2 --n-inner-folds 2 --epochs 1 "
    "--protocols patients --n-seeds 1 --workers 2 --model cnn --device cpu",
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is fetched in a folder of the test's own."""
    monkeypatch.setenv("ECGSTORE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def server(sample_store: Path) -> Iterator[Server]:
    """Serve the sample store."""
    pytest.importorskip("obstore")
    served = Server(sample_store.parent)
    yield served
    served.close()


@pytest.fixture
def url(server: Server, sample_store: Path) -> str:
    """Return the URL of the sample store."""
    return server.url(sample_store.name)


def files_in(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder that the same input makes the same."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.suffix in (".csv", ".h5", ".html", ".safetensors", ".png")
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_does_the_same_with_a_url(
    run: Run,
    url: str,
    sample_store: Path,
    sample_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    results = []
    for name, store in (("local", sample_store), ("remote", url)):
        folder = tmp_path / name
        (folder / "out").mkdir(parents=True)
        monkeypatch.chdir(folder)
        words = {"STORE": str(store), "MODEL": str(sample_checkpoint)}
        given = [words.get(word, word) for word in COMMANDS[command].split()]
        code, printed, errors = run(*given)
        assert code == 0, errors
        results.append((printed.replace(str(store), "STORE"), files_in(folder / "out")))
    (printed, files), (remote_printed, remote_files) = results
    assert remote_printed == printed
    assert remote_files.keys() == files.keys()
    for name, content in files.items():
        assert remote_files[name] == content, name


@pytest.mark.parametrize("command", TRAINING)
def test_a_url_is_trained_on(
    run: Run,
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    """In several processes, too; shuffled as URLs are, which is another order."""
    monkeypatch.chdir(tmp_path)
    words = TRAINING[command].replace("STORE", url).split()
    code, _, errors = run(*words, "--quiet")
    assert code == 0, errors
    name = "patients.json" if command == "compare" else "model.safetensors"
    assert (tmp_path / "run" / name).exists()


def test_info_says_what_was_transferred(run: Run, url: str, server: Server) -> None:
    code, printed, errors = run("info", url)
    assert code == 0, errors
    assert len(server.ranges) == 1
    assert f"transferred {server.n_bytes / 1e6:.1f} MB in 1 request\n" in printed


def test_an_interrupted_training_finds_the_url_again(
    run: Run, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ecgstore.cli.commands.train._print_epoch", stop)
        words = ("train", url, "-o", out, "--model", "cnn", "--fs", "100")
        code, _, errors = run(*words, "--epochs", "2", "--device", "cpu")
        assert code == 130, errors
    code, _, errors = run("train", "-o", out, "--resume", "--quiet", "--device", "cpu")
    assert code == 0, errors
