"""URLs are told from paths, and lead nowhere else."""

import pytest

from ecgstore.errors import EcgStoreError, SchemaError
from ecgstore.system.urls import beside, divided

URL = "https://host/ecg/all.h5"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.h5", "https://host/ecg/a.h5"),
        ("all.h5.parts/a b.h5", "https://host/ecg/all.h5.parts/a b.h5"),
        ("../a.h5", "https://host/a.h5"),
        ("https://host/other/a.h5", "https://host/other/a.h5"),
    ],
)
def test_parts_are_found_beside_a_collection(path: str, expected: str) -> None:
    assert beside(URL, path) == expected


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../../other.h5",
        "https://other/a.h5",
        "https://host.other/a.h5",
        "s3://host/a.h5",
        "..\\a.h5",
        "https://host/ecg/../../etc/a.h5",
    ],
)
def test_parts_elsewhere_are_refused(path: str) -> None:
    with pytest.raises(SchemaError, match="below the same host"):
        beside(URL, path)


@pytest.mark.parametrize(
    "name",
    ["..%2F..%2Fx.h5", "%2Fetc%2Fpasswd", "..", "%2e%2e", "a%00", "a%5Cb", "%0a"],
)
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(EcgStoreError, match="no name of a file"):
        divided(f"https://host/ecg/{name}")
