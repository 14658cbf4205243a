"""A command that is refused leaves nothing behind: no file, and no empty folder."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ecgstore.sample import sample_folder

Run = Callable[..., tuple[int, str, str]]

REFUSED = [
    "build nowhere -o new.h5",
    "build STORE -o new.h5",
    "build --sample --exclude-sources cpsc_2018,cpsc_2018_extra,georgia,ptb,ptb-xl "
    "-o new.h5 --workers 1",
    "export nowhere.h5 new/folder",
    "export MODEL new/folder",
    "plot STORE HR99999 -o new.png",
    "plot STORE --worst 2 --dx AFX -o new.png",
    "train STORE -o new/run --fs 90",
    "train STORE -o new/run --device cuda:99",
    "train STORE -o new/run --resume",
    "train STORE -o new/run --leads I,X",
    "train MODEL -o new/run",
    "evaluate MODEL STORE --plots new/plots --folds 0-7",
    "evaluate MODEL STORE --plots new/plots --json new.json --csv new.csv --folds 8",
    "evaluate STORE STORE --plots new/plots",
    "evaluate MODEL nowhere.h5 --plots new/plots",
    "evaluate MODEL STORE --plots new/plots --device cuda:99",
    "evaluate MODEL STORE --plots new/plots --json nowhere/new.json",
    "extract MODEL STORE -o new.h5 --csv nowhere/new.csv",
    "extract MODEL nowhere.h5 -o new.h5 --csv new.csv",
    "extract STORE STORE -o new.h5",
    "convert MODEL -o new.pth",
    "convert MODEL -o nowhere/new.pt2",
    "convert STORE -o new.pt2",
    "convert nowhere -o new.pt2",
    "predict MODEL nowhere -o new.csv",
    "predict MODEL STORE -o new.csv",
    "explain MODEL nowhere -o new.png",
    "explain MODEL STORE -o new.png --csv new.csv",
    "explain MODEL RECORD -o new.png --class AFX",
    "explain MODEL RECORD -o new.png --csv nowhere/new.csv",
    "explain MODEL RECORD -o new.pdf --csv new.csv --device cpu",
    "explain MODEL RECORDS -o new.png",
    "compare STORE -o new/out --fs 90",
    "compare STORE -o new/out --device cuda:99",
    "compare MODEL -o new/out",
]


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("command", REFUSED)
def test_a_refused_command_leaves_nothing(
    run: Run,
    sample_store: Path,
    sample_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    words = {
        "STORE": sample_store,
        "MODEL": sample_checkpoint,
        "RECORD": next(sample_folder().rglob("HR00001.hea")),
        "RECORDS": sample_folder(),
    }
    code, printed, errors = run(*(words.get(word, word) for word in command.split()))
    assert (code, printed) == (1, "")
    assert errors.splitlines()[-1].startswith("ecgstore: ")
    assert [*tmp_path.rglob("*")] == []
    assert not list(sample_store.parent.glob("*.features.h5"))
