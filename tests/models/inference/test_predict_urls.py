"""Predict records at URLs: the same as those of their folder."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bench.common.range_server import Server
from ecgstore.cli import main
from ecgstore.errors import EcgStoreError
from ecgstore.models.checkpoint import Checkpoint
from ecgstore.models.inference.prediction import Prediction, predict
from ecgstore.storage.remote import attempts

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def server(
    few_records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """Serve a folder with a list of its records."""
    pytest.importorskip("obstore")
    monkeypatch.setenv("ECGSTORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(attempts, "FIRST_PAUSE_S", 0.001)
    names = (path.relative_to(few_records) for path in few_records.rglob("*.hea"))
    (few_records / "RECORDS").write_text(
        "".join(f"{name.with_suffix('').as_posix()}\n" for name in names)
    )
    server = Server(few_records.parent)
    yield server
    server.close()


@pytest.fixture(scope="module")
def model(sample_checkpoint: Path) -> Checkpoint:
    return Checkpoint.load(sample_checkpoint)


def assert_same(
    here: list[Prediction], there: list[Prediction], folder: Path, url: str
) -> None:
    """Check that predictions differ in their places only."""
    assert here
    for one, other in zip(here, there, strict=True):
        assert other.path == one.path.replace(str(folder), url)
        assert other.detail == one.detail.replace(str(folder), url)
        assert (other.record_id, other.status) == (one.record_id, one.status)
        assert np.array_equal(one.probabilities, other.probabilities)  # type: ignore[arg-type]


@pytest.mark.parametrize("cache", ["on", "off"])
def test_records_of_a_url_are_predicted_as_those_of_the_folder(
    server: Server,
    model: Checkpoint,
    few_records: Path,
    monkeypatch: pytest.MonkeyPatch,
    cache: str,
) -> None:
    if cache == "off":
        monkeypatch.setenv("ECGSTORE_CACHE", "off")
    next(few_records.rglob("*.mat")).unlink()  # its detail names a path
    url = server.url("training")
    here = [*predict(model, few_records)]
    assert_same(here, [*predict(model, url)], few_records, url)


@pytest.mark.parametrize("suffix", ["", ".hea", ".mat"])
def test_one_record_beside_a_folder(
    server: Server, model: Checkpoint, few_records: Path, suffix: str
) -> None:
    header = next(few_records.rglob("*.hea"))
    name = header.relative_to(few_records).with_suffix(suffix).as_posix()
    url = server.url("training")
    here = [*predict(model, few_records)]
    *there, last = predict(model, [few_records, f"{url}/{name}"])
    assert_same(here, there, few_records, str(few_records))
    assert_same([*predict(model, header)], [last], few_records, url)


def test_a_record_that_cannot_be_fetched_is_told(
    server: Server, model: Checkpoint, few_records: Path
) -> None:
    url = server.url("training")
    with (few_records / "RECORDS").open("a") as file:
        file.write("nobody\n")
    unreadable: list[tuple[str, str]] = []
    predictions = predict(
        model, url, on_unreadable=lambda *problem: unreadable.append(problem)
    )
    assert len([*predictions]) == len([*few_records.rglob("*.hea")])
    [(path, problem)] = unreadable
    assert path == f"{url}/nobody.hea"
    assert "there is no such object" in problem
    with pytest.raises(EcgStoreError, match=r"nobody\.hea: cannot be used"):
        predict(model, url)
    with pytest.raises(EcgStoreError, match=r"nobody\.hea: there is no such object"):
        predict(model, f"{url}/nobody.hea")


def test_the_command_takes_urls(
    server: Server,
    sample_checkpoint: Path,
    few_records: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = server.url("training")
    with pytest.raises(SystemExit) as exit_:
        main(["predict", str(sample_checkpoint), url, "--quiet"])
    assert not exit_.value.code
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len([*few_records.rglob("*.hea")])
    assert all(f",{url}/" in line for line in lines[1:])
