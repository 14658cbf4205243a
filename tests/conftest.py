"""Fixtures shared by all tests."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import settings

import ecgstore
from ecgstore.arrays import Int16Array
from ecgstore.record import LEADS
from ecgstore.sample import patients_file, sample_folder

if TYPE_CHECKING:
    from tests.bucket_server import BucketServer

# The first call of a kernel compiles it, which takes longer than any deadline.
settings.register_profile("ecgstore", deadline=None)
settings.load_profile("ecgstore")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real records that is too large to bundle."""
    default = REPOSITORY.parent / "shared" / "data"
    folder = Path(os.environ.get("ECGSTORE_DATA", default))
    if not (folder / "challenge-2020" / "training").is_dir():
        pytest.skip(
            f"{folder} has no challenge-2020/training; set ECGSTORE_DATA to the "
            "folder that holds the real records"
        )
    return folder


@pytest.fixture(scope="session")
def sample_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the store of the bundled sample, with beats, built once."""
    out = tmp_path_factory.mktemp("sample") / "sample.h5"
    ecgstore.build_store(
        [sample_folder()], out, patients=patients_file(), n_workers=1, quiet=True
    )
    return out


@pytest.fixture(scope="session")
def sample_checkpoint(
    sample_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return a checkpoint of a nearly untrained network on the sample's store.

    Its epoch was chosen by fold 8, fold 9 it has not seen.
    """
    from ecgstore.models import ModelSettings, TrainingSettings, train_extractor

    with ecgstore.open(sample_store) as store, single_thread():
        checkpoint, _ = train_extractor(
            store.select(folds=range(8)),
            store.select(folds=[8]),
            ModelSettings(model="cnn", fs=100.0),
            TrainingSettings(epochs=1, batch_size=16, precision="float32"),
        )
    path = tmp_path_factory.mktemp("checkpoint") / "model.safetensors"
    checkpoint.save(path)
    return path


@contextmanager
def single_thread() -> Iterator[None]:
    """Let PyTorch use one thread: for so little work, two take longer."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Let PyTorch use one thread in a module of tests."""
    with single_thread():
        yield


@pytest.fixture(scope="session")
def dozen_records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a dozen records of the sample, for tests that only read."""
    folder = tmp_path_factory.mktemp("dozen") / "training"
    headers = sorted(sample_folder().rglob("*.hea"))
    for header in headers[::4]:
        target = folder / header.parent.parent.name / "g1"
        target.mkdir(parents=True, exist_ok=True)
        for path in (header, header.with_suffix(".mat")):
            shutil.copy(path, target)
    return folder


@pytest.fixture
def few_records(dozen_records: Path, tmp_path: Path) -> Path:
    """Return a folder with the same records, of this test's own."""
    return Path(shutil.copytree(dozen_records, tmp_path / "training"))


@pytest.fixture
def bucket_server(monkeypatch: pytest.MonkeyPatch) -> Iterator["BucketServer"]:
    """Start a service that speaks S3, to which this process has access."""
    pytest.importorskip("obstore")
    pytest.importorskip("moto")
    from tests.bucket_server import KEY, REGION, BucketServer

    server = BucketServer()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT", server.endpoint)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    yield server
    server.close()


WriteRecord = Callable[..., Path]


@pytest.fixture
def write_record(tmp_path: Path) -> WriteRecord:
    """Return a function that writes a Challenge record and returns its header."""

    def write(
        record_id: str,
        adc: Int16Array | None = None,
        *,
        fs: float = 500,
        dx: str = "426783006",
        folder: str = "records",
        gain: str = "1000/mV",
        leads: tuple[str, ...] = LEADS,
        suffixes: tuple[str, str] = (".hea", ".mat"),
    ) -> Path:
        if adc is None:
            seed = sum(record_id.encode())
            noise = np.random.default_rng(seed).integers(-900, 900, (len(leads), 5000))
            adc = noise.astype(np.int16)
        adc = np.asarray(adc, np.int16)
        path = tmp_path / folder / f"{record_id}{suffixes[0]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        name = f"{record_id}.mat"
        lines = [f"{record_id} {len(leads)} {fs:g} {adc.shape[1]}"]
        for lead, values in zip(leads, adc, strict=True):
            total = int(np.int64(values.astype(np.int64).sum()).astype(np.int16))
            lines.append(f"{name} 16+24 {gain} 16 0 {values[0]} {total} 0 {lead}")
        lines += ["#Age: 50", "#Sex: Female", f"#Dx: {dx}", ""]
        path.write_text("\n".join(lines), encoding="utf-8")
        head = np.array([30, len(leads), adc.shape[1], 0, 4], "<i4").tobytes()
        content = head + b"val\0" + adc.T.astype("<i2").tobytes()
        path.with_suffix(suffixes[1]).write_bytes(content)
        return path

    return write


@pytest.fixture(scope="session")
def features_file(
    sample_store: Path,
    sample_checkpoint: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Return the deep features of the sample's records, extracted once."""
    from ecgstore.models import Checkpoint, extract

    out = tmp_path_factory.mktemp("features") / "sample.cnn.features.h5"
    with ecgstore.open(sample_store) as store:
        return extract(store, Checkpoint.load(sample_checkpoint), out)
