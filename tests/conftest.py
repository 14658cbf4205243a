"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

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
