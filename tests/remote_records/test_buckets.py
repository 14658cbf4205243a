"""Records in a bucket, which a server of this machine plays."""

import filecmp
from collections.abc import Iterator
from pathlib import Path

import pytest

import ecgstore
from ecgstore.config import Config
from ecgstore.errors import EcgStoreError
from ecgstore.remote_records import download

FAST = Config(beats="none", select="all")


@pytest.fixture
def bucket(served: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the URL of a folder in a bucket with the records."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0)
    boto3 = pytest.importorskip("boto3")
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT": f"http://{host}:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client(
        "s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1"
    )
    client.create_bucket(Bucket="ecg")
    for path in served.rglob("*"):
        if path.is_file() and path.name != "RECORDS":
            key = f"data/training/{path.relative_to(served).as_posix()}"
            client.upload_file(str(path), "ecg", key)
    client.put_object(Bucket="ecg", Key="bad/../out.hea", Body=b"x")
    client.put_object(Bucket="ecg", Key="data/training2/x.hea", Body=b"x")
    yield "s3://ecg/data/training"
    server.stop()


def test_a_bucket_gives_the_bytes_of_the_folder(
    bucket: str, served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place, out in ((bucket, "url.h5"), (served, "folder.h5")):
        ecgstore.build_store(place, tmp_path / out, FAST, n_workers=1, quiet=True)
    assert filecmp.cmp(tmp_path / "url.h5", tmp_path / "folder.h5", shallow=False)
    fetched: list[str] = []
    replace = download.Download._replace

    def note(self: download.Download, target: Path, name: str) -> None:
        fetched.append(name)
        replace(self, target, name)

    monkeypatch.setattr(download.Download, "_replace", note)
    ecgstore.build_store(bucket, tmp_path / "again.h5", FAST, n_workers=1, quiet=True)
    assert fetched == []
    assert filecmp.cmp(tmp_path / "again.h5", tmp_path / "folder.h5", shallow=False)


def test_one_record_of_a_bucket(bucket: str, served: Path, tmp_path: Path) -> None:
    header = next(served.rglob("*.hea"))
    name = header.relative_to(served).with_suffix("").as_posix()
    config = FAST
    for suffix in ("", ".hea", ".mat"):
        out = tmp_path / f"one{suffix}.h5"
        url = f"{bucket}/{name}{suffix}"
        report = ecgstore.build_store(url, out, config, n_workers=1, quiet=True)
        assert report.n_selected == 1


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://ecg/data/nowhere", "lists no records"),
        ("s3://ecg/bad", r"illegal character sequence \"..\""),
        ("s3://nobody/data", "s3://nobody/data"),
    ],
)
def test_other_folders_are_refused(
    bucket: str, tmp_path: Path, url: str, message: str
) -> None:
    with pytest.raises(EcgStoreError, match=message):
        ecgstore.build_store(url, tmp_path / "store.h5", FAST, n_workers=1, quiet=True)
