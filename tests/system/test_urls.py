"""URLs are told from paths, and lead nowhere else."""

import pytest

from ecgstore.errors import SchemaError
from ecgstore.system.urls import beside

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
    ],
)
def test_parts_elsewhere_are_refused(path: str) -> None:
    with pytest.raises(SchemaError, match="below the same host"):
        beside(URL, path)
