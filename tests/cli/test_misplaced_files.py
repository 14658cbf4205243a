"""A file of ecgstore in a wrong place: one line says what it is and what takes it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ecgstore.models import Checkpoint, extract
from ecgstore.models.array_files import write_arrays
from ecgstore.models.hybrid.file import FORMAT as HYBRID
from ecgstore.models.torch_files import write_torch_file
from ecgstore.models.training.state import FORMAT as STATE
from ecgstore.storage import Store

Run = Callable[..., tuple[int, str, str]]

KINDS = {
    "store": "is a store; ",
    "features": "is deep features that `ecgstore extract` wrote; store.attach(...)",
    "model": "is a checkpoint; `ecgstore evaluate`",
    "hybrid": "is a hybrid; `ecgstore evaluate`",
    "state": "is the state of a training; `ecgstore train",
    "outputs": "is outputs of an extractor, which `ecgstore compare` keeps",
    "fold": "is predictions of a fold, which `ecgstore compare` keeps",
    "predictions": "is the predictions of a comparison",
    "journal": "is the journal of an unfinished build; the same `ecgstore build`",
    "training": "is the folder of a training; `ecgstore evaluate`",
    "unfinished": "is the folder of a training that is not finished; `ecgstore train",
    "comparison": "is the folder of a comparison",
}
PLACES = {
    "info FILE": {"store"},
    "verify FILE": {"store"},
    "train FILE -o out": {"store"},
    "evaluate MODEL FILE": {"store"},
    "evaluate FILE STORE": {"model", "hybrid", "training"},
    "build FILE -o out.h5": {"training", "unfinished", "comparison"},
    "predict MODEL FILE": {"training", "unfinished", "comparison"},
    "explain MODEL FILE": {"training", "unfinished", "comparison"},
}
"""By command, the kinds that are taken, or searched for records as any folder."""


@pytest.fixture(scope="module")
def files(
    sample_store: Path,
    sample_checkpoint: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    """Return a file or folder of each kind."""
    folder = tmp_path_factory.mktemp("kinds")
    files = {"store": sample_store, "model": sample_checkpoint}
    files["features"] = folder / "a.features.h5"
    with Store(sample_store) as store:
        extract(store, Checkpoint.load(sample_checkpoint), files["features"])
    files["hybrid"] = folder / "hybrid.safetensors"
    write_arrays(files["hybrid"], HYBRID, {}, {})
    files["unfinished"] = folder / "unfinished"
    files["training"] = sample_checkpoint.parent
    files["comparison"] = folder / "comparison"
    files["outputs"] = files["comparison"] / "extracted" / "a.npz"
    files["outputs"].parent.mkdir(parents=True)
    arrays = dict.fromkeys(("rows", "logits", "features"), np.zeros(3))
    np.savez(files["outputs"], **arrays)  # type: ignore[arg-type]
    files["fold"] = files["comparison"] / "predicted" / "a.npz"
    files["fold"].parent.mkdir()
    arrays = dict.fromkeys(("names", "probabilities", "thresholds"), np.zeros(3))
    np.savez(files["fold"], **arrays)  # type: ignore[arg-type]
    files["predictions"] = files["comparison"] / "patients.json"
    files["predictions"].write_text(json.dumps({"format": "ecgstore comparison"}))
    files["state"] = files["unfinished"] / "last.pt"
    files["unfinished"].mkdir()
    write_torch_file(files["state"], STATE, {})
    files["journal"] = folder / "a.h5.partial.scan"
    files["journal"].write_bytes(b"SQLite format 3\0")
    return files


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", PLACES)
def test_one_line_says_what_the_file_is(
    run: Run,
    files: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    kind: str,
) -> None:
    if kind in PLACES[command]:
        return
    monkeypatch.chdir(tmp_path)
    words = {"FILE": files[kind], "STORE": files["store"], "MODEL": files["model"]}
    code, printed, errors = run(*(words.get(word, word) for word in command.split()))
    assert (code, printed) == (1, "")
    assert errors.startswith(f"ecgstore: {files[kind]}: {KINDS[kind]}")
    assert errors.count("\n") == 1
    assert [*tmp_path.iterdir()] == []


def test_a_store_is_not_attached(files: dict[str, Path]) -> None:
    with Store(files["store"]) as store:
        for kind in ("store", "model", "comparison"):
            with pytest.raises(Exception, match=r" is (a|the) .*; expected (a|feat)"):
                store.attach(files[kind])
