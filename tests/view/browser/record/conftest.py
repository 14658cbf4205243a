"""The record panel of a viewer in a browser."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ecgstore.sample import sample_folder
from ecgstore.storage import Store

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

from tests.view.browser.record.page import Page


@pytest.fixture(scope="session")
def address(serve_viewer: Callable[..., Any], sample_store: Path) -> tuple[str, Store]:
    """Serve the sample with the folder of its records."""
    viewer = serve_viewer(sample_store, folders=[sample_folder()])
    return viewer.entry, viewer.shown.store


@pytest.fixture
def page(driver: "Chrome", address: tuple[str, Store]) -> Iterator[Page]:
    """Open the viewer; it must not have complained in the end."""
    driver.get_log("browser")  # type: ignore[no-untyped-call]
    driver.set_window_size(1280, 900)
    driver.set_script_timeout(20)
    driver.get(address[0])
    yield Page(driver, address[0].partition("?")[0], address[1])
    messages = driver.get_log("browser")  # type: ignore[no-untyped-call]
    driver.get("about:blank")
    assert not messages, messages


@pytest.fixture
def page_of(
    driver: "Chrome", serve_viewer: Callable[..., Any]
) -> Callable[[Path], Page]:
    """Return a function that opens the viewer of another store."""

    def opened(path: Path) -> Page:
        viewer = serve_viewer(path)
        driver.set_window_size(1280, 900)
        driver.set_script_timeout(20)
        driver.get(viewer.entry)
        return Page(driver, viewer.url, viewer.shown.store)

    return opened
