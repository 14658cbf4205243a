"""URLs of the Hub, redirects, signatures, names with special characters."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import ecgstore
from bench.common.range_server import Server
from ecgstore.errors import EcgStoreError
from ecgstore.storage.remote.hub import http_of_hub

RESOLVED = "/datasets/me/ecg/resolve/main/my/store.h5"


@pytest.fixture
def own(sample_store: Path, tmp_path: Path) -> Iterator[tuple[Server, Path]]:
    """Serve a copy of the sample store with a difficult name."""
    folder = tmp_path / "served"
    folder.mkdir()
    copy = folder / "a b%+ä.h5"
    shutil.copy(sample_store, copy)
    server = Server(folder)
    yield server, copy
    server.close()


@pytest.mark.parametrize(
    "name", ["a b%+ä.h5", "a%20b%25+%C3%A4.h5", "a%20b%25%2B%C3%A4.h5"]
)
def test_names_are_found_as_browsers_write_them(
    own: tuple[Server, Path], name: str
) -> None:
    server, _ = own
    with ecgstore.open(server.url(name)) as store:
        assert store.signals([40]).any()


def test_a_signature_is_sent_and_never_shown(
    own: tuple[Server, Path], cache: Path
) -> None:
    server, copy = own
    shutil.copy(copy, copy.parent / "store.h5")
    signed = server.url("store.h5?signature=a%2Fsecret&x=1")
    with ecgstore.open(signed) as store:
        assert store.signals([40]).any()
        assert "secret" not in repr(store)
    assert {path for path, _ in server.asked} == {"/store.h5?signature=a%2Fsecret&x=1"}
    again = server.url("store.h5?signature=another")
    n_bytes = server.n_bytes
    with ecgstore.open(again) as store:  # what was fetched is used again
        assert store.signals([40]).any()
    assert server.n_bytes - n_bytes <= 1 << 20
    for path in cache.rglob("*"):
        assert "secret" not in path.name
        assert path.is_dir() or b"secret" not in path.read_bytes()
    (copy.parent / "store.h5").unlink()
    with pytest.raises(EcgStoreError, match="no such object") as error:
        ecgstore.open(signed)
    assert "secret" not in str(error.value)
    server.close()
    with pytest.raises(EcgStoreError, match="after 9 attempts") as error:
        ecgstore.open(signed.replace("http://", "http://me:password@"))
    assert "secret" not in str(error.value)
    assert "password" not in str(error.value)


def test_the_hub_is_asked_with_the_token_and_leads_elsewhere(
    own: tuple[Server, Path], sample_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere, copy = own
    shutil.copy(copy, copy.parent / "blob")
    hub = Server(copy.parent)
    # Another host, so that the token must stay here.
    target = elsewhere.url("blob?signature=1").replace("127.0.0.1", "localhost")
    hub.moved[RESOLVED] = target
    monkeypatch.setenv("HF_ENDPOINT", hub.url(""))
    monkeypatch.setenv("HF_TOKEN", "hf_token")
    try:
        with (
            ecgstore.open("hf://datasets/me/ecg/my/store.h5") as store,
            ecgstore.open(sample_store) as local,
        ):
            assert (store.signals([40]) == local.signals([40])).all()
            assert str(store.place) == "hf://datasets/me/ecg/my/store.h5"
    finally:
        hub.close()
    assert set(hub.asked) == {(RESOLVED, "Bearer hf_token")}
    assert set(elsewhere.asked) == {("/blob?signature=1", "")}
    assert set(elsewhere.conditions) == {""}


def test_the_token_is_also_found_in_a_file(
    own: tuple[Server, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, copy = own
    served = copy.parent / RESOLVED.lstrip("/")
    served.parent.mkdir(parents=True)
    shutil.copy(copy, served)
    (tmp_path / "token").write_text("from_file\n")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("HF_ENDPOINT", server.url("").rstrip("/"))
    with ecgstore.open("hf://datasets/me/ecg/my/store.h5") as store:
        assert store.signals([40]).any()
    assert set(server.asked) == {(RESOLVED, "Bearer from_file")}


@pytest.mark.parametrize(
    ("scheme", "status", "message"),
    [
        ("http", "401", r"credentials are missing.*user:password@host.*signed URL"),
        ("http", "403", r"access is denied, or there is no such object"),
        ("hf", "401", r"credentials are missing.*HF_TOKEN.*`hf auth login`"),
        ("hf", "403", r"access is denied.*HF_TOKEN"),
    ],
)
def test_who_gives_access_is_named_as_the_url_needs_it(
    own: tuple[Server, Path],
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    status: str,
    message: str,
) -> None:
    server, copy = own
    served = copy.parent / RESOLVED.lstrip("/")
    served.parent.mkdir(parents=True)
    shutil.copy(copy, served)
    monkeypatch.setenv("HF_ENDPOINT", server.url("").rstrip("/"))
    server.faults = {status: 1.0}
    url = "hf://datasets/me/ecg/my/store.h5" if scheme == "hf" else server.url("a.h5")
    shutil.copy(copy, copy.parent / "a.h5")
    with pytest.raises(EcgStoreError, match=message) as error:
        ecgstore.open(url)
    assert "AWS" not in str(error.value)
    assert len(server.asked) == 1


def test_revisions_are_part_of_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    assert http_of_hub("hf://datasets/me/ecg@v1/a.h5").endswith("/resolve/v1/a.h5")


@pytest.mark.parametrize(
    "url",
    ["hf://me/ecg/a.h5", "hf://datasets/me/a.h5", "hf://datasets/me/ecg/", "hf://x"],
)
def test_other_places_of_the_hub_are_refused(url: str) -> None:
    with pytest.raises(EcgStoreError, match="names no file of a data set on the Hub"):
        ecgstore.open(url)


@pytest.mark.parametrize("url", ["ftp://host/a.h5", "file:///a.h5", "gcs://b/a.h5"])
def test_other_urls_are_named(url: str) -> None:
    with pytest.raises(
        EcgStoreError, match=r"are not known; expected a path, or a URL"
    ):
        ecgstore.open(url)


def test_a_scheme_may_be_in_capitals(own: tuple[Server, Path]) -> None:
    server, _ = own
    url = server.url("a%20b%25+%C3%A4.h5").replace("http", "HTTP")
    with ecgstore.open(url) as store:
        assert store.signals([40]).any()
