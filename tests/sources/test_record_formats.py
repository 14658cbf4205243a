"""A record format is an entry of a table: everything else follows from it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pytest

import ecgstore
from ecgstore.arrays import FloatArray
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError, RecordError
from ecgstore.reasons import Reason
from ecgstore.record import LEADS
from ecgstore.sources import (
    FORMATS,
    ChooseLeads,
    RecordFormat,
    RecordSignal,
    chosen_signal,
    find_headers,
    formats,
    given_headers,
    read_header,
    read_record,
)

N_SAMPLES = 5000


@dataclass(frozen=True)
class JsonHeader:
    """The header of a record that is one JSON file with microvolts."""

    record_id: str
    dx: tuple[str, ...]
    fs: float = 500.0
    age: float = 50.0
    sex: str = "male"
    hospital_id: str = ""
    dx_unknown: tuple[str, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()

    def files(self, path: Path) -> list[str]:
        return [path.name]


def read_json(path: str) -> tuple[JsonHeader, Any]:
    try:
        content = json.loads(Path(path).read_text())
        return JsonHeader(Path(path).stem, tuple(content["dx"])), content["uv"]
    except ValueError as error:
        raise RecordError(Reason.UNREADABLE_HEADER, f"{path}: no JSON") from error


def read_json_header(path: str) -> JsonHeader:
    return read_json(path)[0]


class JsonSignal:
    """The signal of such a record."""

    def __init__(self, microvolts: Any) -> None:
        self.checksum_differs = np.zeros(len(microvolts), bool)
        self.first_value_differs = self.checksum_differs
        self._signal = np.array(microvolts, np.float64) / 1000
        self.n_samples = self._signal.shape[1]

    def read(self, begin: int, end: int) -> FloatArray:
        return self._signal[:, begin:end]


class JsonChannel(NamedTuple):
    """A channel of such a record."""

    name: str
    unit: str = "uV"


def open_json_record(path: str, choose: ChooseLeads) -> tuple[JsonHeader, RecordSignal]:
    header, microvolts = read_json(path)
    leads = choose([JsonChannel(lead) for lead in LEADS], path)
    channels = [microvolts[channel] for channel in leads.channels]
    return header, chosen_signal(JsonSignal(channels), leads)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Add a format, and return a folder with a record and a broken file of it."""
    formats = cast(dict[str, RecordFormat], FORMATS)
    new = RecordFormat((".uv",), read_json_header, open_json_record)
    monkeypatch.setitem(formats, ".json", new)
    folder = tmp_path / "records"
    folder.mkdir()
    noise = np.random.default_rng(5).integers(-900, 900, (len(LEADS), N_SAMPLES))
    content = {"dx": ["164889003"], "uv": noise.tolist()}
    (folder / "B1.json").write_text(json.dumps(content))
    (folder / "B1.uv").write_text("a signal file beside it")
    (folder / "B2.json").write_text("not JSON")
    return folder


def test_records_of_a_new_format_are_found_and_read(folder: Path) -> None:
    path = folder / "B1.json"
    assert [*find_headers(folder)] == [path, folder / "B2.json"]
    assert [*find_headers(path)] == [path]
    assert given_headers([folder / "B1.uv", path]) == [path]
    assert read_header(path).record_id == "B1"
    assert read_record(path, max_samples=10).signal.shape == (12, 10)
    with pytest.raises(RecordError, match="no JSON"):
        read_header(folder / "B2.json")


def test_a_build_stores_records_of_all_formats(folder: Path, write_record: Any) -> None:
    write_record("A0001", folder="records")
    out = folder.parent / "out.h5"
    report = ecgstore.build_store(
        [folder], out, Config(beats="none"), n_workers=1, quiet=True
    )
    assert report.reasons == {Reason.UNREADABLE_HEADER: 1}
    with ecgstore.open(out) as store:
        assert sorted(store) == ["A0001", "B1"]
        assert store["B1"].labels["AF"]
        assert store.records.loc["B1", "path"] == "records/B1.json"


class FakeEntryPoint:
    """An entry point of an installed package."""

    def __init__(self, name: str, loaded: Any) -> None:
        self.name, self.value, self._loaded = name, "package:FORMAT", loaded

    def load(self) -> Any:
        if isinstance(self._loaded, Exception):
            raise self._loaded
        return self._loaded


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Return a function that seems to install a package with a format."""

    def do_install(name: str, loaded: Any) -> None:
        entries = [FakeEntryPoint(name, loaded)]
        monkeypatch.setattr("importlib.metadata.entry_points", lambda group: entries)
        formats._of_other_packages.cache_clear()

    yield do_install
    formats._of_other_packages.cache_clear()


def test_an_installed_package_adds_a_format(
    tmp_path: Path, install: Callable[..., None]
) -> None:
    install(".ECGX", RecordFormat((), read_json_header, open_json_record))
    content = {"dx": [], "uv": [[1.0] * 9 for _ in LEADS]}
    (tmp_path / "B1.ecgx").write_text(json.dumps(content))
    assert [*find_headers(tmp_path)] == [tmp_path / "B1.ecgx"]
    assert read_record(tmp_path / "B1.ecgx").signal.shape == (12, 9)


@pytest.mark.parametrize(
    ("name", "loaded", "message"),
    [
        (".hea", None, "no suffix of its own"),
        ("hea2", None, "no suffix of its own"),
        (".x", ImportError("no such module"), r"cannot be loaded \(ImportError\)"),
    ],
)
def test_a_package_with_a_wrong_format_is_named(
    tmp_path: Path, install: Callable[..., None], name: str, loaded: Any, message: str
) -> None:
    install(name, loaded)
    with pytest.raises(EcgStoreError, match=f"package:FORMAT.*{message}"):
        [*find_headers(tmp_path)]


@pytest.mark.parametrize("name", ["A0001.mat", "A0001", "A0001.xyz"])
def test_other_files_are_no_headers(tmp_path: Path, name: str) -> None:
    for read in (read_header, read_record):
        with pytest.raises(RecordError, match=r"expected a \.hea, ") as caught:
            read(tmp_path / name)
        assert caught.value.reason is Reason.UNREADABLE_HEADER
