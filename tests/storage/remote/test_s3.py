"""Stores in a bucket of a service that speaks S3 are the stores of files."""

from pathlib import Path

import numpy as np
import pytest

import ecgstore
from ecgstore.errors import EcgStoreError
from ecgstore.storage.verify import verify
from tests.bucket_server import BucketServer


@pytest.fixture
def objects(bucket_server: BucketServer, sample_store: Path, tmp_path: Path) -> Path:
    """Put a store, and a collection of two parts, into the bucket."""
    (tmp_path / "parts").mkdir()
    with ecgstore.open(sample_store) as store:
        for number in range(2):
            rows = store.select(rows=range(number, len(store), 2))
            ecgstore.write_subset(rows, tmp_path / "parts" / f"{number}.h5")
    (tmp_path / "one.h5").write_bytes(sample_store.read_bytes())
    ecgstore.collect(sorted((tmp_path / "parts").iterdir()), tmp_path / "all.h5")
    for path in tmp_path.rglob("*.h5"):
        key = path.relative_to(tmp_path).as_posix()
        bucket_server.put(f"ecg/{key}", path.read_bytes())
    bucket_server.asked.clear()
    return tmp_path


@pytest.mark.parametrize("cache", ["default", None])
@pytest.mark.parametrize("name", ["one.h5", "all.h5"])
def test_all_tables_are_those_of_the_file(
    objects: Path, bucket_server: BucketServer, name: str, cache: str | None
) -> None:
    url = bucket_server.url(f"ecg/{name}")
    with ecgstore.open(url, cache=cache) as remote, ecgstore.open(objects / name) as at:
        assert len(bucket_server.asked) == 1
        for table in at.tables:
            np.testing.assert_array_equal(remote.table(table)[:], at.table(table)[:])
        rows = np.random.default_rng(0).permutation(len(at))
        assert (remote.signals(rows) == at.signals(rows)).all()
        assert remote.records.equals(at.records)
        assert remote.fingerprint == at.fingerprint
    assert not [*verify(url)]
    assert {one.method for one in bucket_server.asked} == {"GET"}
    assert all("range" in one.headers for one in bucket_server.asked)


@pytest.mark.parametrize("key", ["one.h5", "parts/1.h5"])
def test_an_object_that_was_replaced_is_refused(
    objects: Path, bucket_server: BucketServer, key: str
) -> None:
    """Also by one of the same size; each request says which ETag it expects."""
    name = "one.h5" if key == "one.h5" else "all.h5"
    with ecgstore.open(bucket_server.url(f"ecg/{name}"), cache=None) as store:
        store.signals([len(store) - 1])
        content = bytearray((objects / key).read_bytes())
        content[-1] ^= 1
        bucket_server.put(f"ecg/{key}", bytes(content))
        with pytest.raises(EcgStoreError, match=rf"{key}: was replaced by another"):
            store.signals([len(store) - 4])
    assert any("if-match" in one.headers for one in bucket_server.asked)


def test_missing_objects_and_buckets_are_named(bucket_server: BucketServer) -> None:
    for url in (bucket_server.url("ecg/none.h5"), "s3://nobody/one.h5"):
        with pytest.raises(EcgStoreError, match=f"{url}: there is no such object"):
            ecgstore.open(url)
        assert len(bucket_server.asked) == 1  # it is not asked again
        bucket_server.asked.clear()


def test_a_store_is_fetched_with_its_parts(
    objects: Path, bucket_server: BucketServer, tmp_path: Path
) -> None:
    out = tmp_path / "copy" / "all.h5"
    out.parent.mkdir()
    ecgstore.fetch(bucket_server.url("ecg/all.h5"), out, quiet=True)
    assert out.read_bytes() == (objects / "all.h5").read_bytes()
    assert not [*verify(out)]
