"""Fixtures shared by the tests of the file format."""

from collections.abc import Callable

import h5py
import pytest


@pytest.fixture(scope="session")
def datasets() -> Callable[[h5py.File], dict[str, h5py.Dataset]]:
    """Return a function that returns every dataset of a file by its path."""

    def by_path(file: h5py.File) -> dict[str, h5py.Dataset]:
        result: dict[str, h5py.Dataset] = {}

        def visit(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset):
                result[name] = item

        file.visititems(visit)
        return result

    return by_path
