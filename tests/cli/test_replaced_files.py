"""Tables and plots replace older ones, but no file that a command reads."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import ecgstore
from ecgstore.storage.review_file import Decision, review_file_path

Run = Callable[..., tuple[int, str, str]]

COMMANDS = (
    "predict MODEL RECORDS -o FILE",
    "evaluate MODEL STORE --json FILE",
    "evaluate MODEL STORE --csv FILE",
    "extract MODEL STORE --csv FILE",
    "explain MODEL RECORDS -o FILE",
    "explain MODEL RECORDS --csv FILE",
    "plot STORE HR00001 -o FILE",
    "report STORE -o FILE",
    "report STORE --croissant FILE",
    "report STORE --card FILE",
    "beats STORE -o FILE",
)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", ["store", "model"])
def test_a_store_or_a_model_is_not_replaced(
    run: Run,
    sample_store: Path,
    sample_checkpoint: Path,
    tmp_path: Path,
    command: str,
    kind: str,
) -> None:
    original = {"store": sample_store, "model": sample_checkpoint}[kind]
    file = Path(shutil.copy(original, tmp_path / "named-by-mistake.csv"))
    before = file.read_bytes()
    words = {
        "FILE": file,
        "MODEL": sample_checkpoint,
        "STORE": sample_store,
        "RECORDS": tmp_path,
    }
    code, printed, errors = run(*(words.get(word, word) for word in command.split()))
    assert (code, printed, errors.count("\n")) == (1, "", 1)
    found = {"store": "a store", "model": "a checkpoint"}[kind]
    assert errors.startswith(f"ecgstore: {file}: is {found}; ")
    assert "choose another name for the output" in errors
    assert file.read_bytes() == before


def test_decisions_of_a_label_round_are_not_replaced(
    run: Run, sample_store: Path, tmp_path: Path
) -> None:
    store = Path(shutil.copy(sample_store, tmp_path / "q.h5"))
    with ecgstore.open(store) as opened:
        opened.review.save(0, Decision("rejected", "an hour's work"))
    decisions = review_file_path(store)
    other = Path(shutil.copy(decisions, tmp_path / "second reader.csv"))
    before = decisions.read_bytes()
    for file in (decisions, other):
        code, printed, errors = run("report", store, "-o", file)
        assert (code, printed, errors.count("\n")) == (1, "", 1)
        assert f"{file}: is the decisions of a label round; " in errors
        assert file.read_bytes() == before


def test_a_table_and_a_plot_are_replaced(
    run: Run, sample_store: Path, tmp_path: Path
) -> None:
    for command, name in (("beats --quiet --record", "a.csv"), ("plot", "a.png")):
        file = tmp_path / name
        file.write_text("older")
        first, *option = command.split()
        code, _, errors = run(first, sample_store, *option, "HR00001", "-o", file)
        assert (code, errors.strip()) == (0, ""), errors
        assert file.stat().st_size > 1000
