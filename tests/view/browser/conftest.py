"""A viewer that is served, and a browser that looks at it."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import uvicorn

from ecgstore.storage import Store
from ecgstore.view.app import application
from ecgstore.view.guard import TOKEN, Guard
from ecgstore.view.server import listening, uvicorn_config
from ecgstore.view.shown import Shown

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

_TOKEN = "token-of-the-tests"

_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Viewer(NamedTuple):
    """A viewer that is served in this process."""

    url: str
    """Address without the token."""

    shown: Shown

    @property
    def entry(self) -> str:
        """Address with the token."""
        return f"{self.url}?{TOKEN}={_TOKEN}"


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Chrome"]:
    """Start a browser without a window; skip where there is none."""
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        missing = "no chromium and chromedriver on this machine"
        if os.environ.get("ECGSTORE_NEEDS_BROWSER"):  # set by continuous integration
            pytest.fail(missing)
        pytest.skip(missing)
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = chromium
    for argument in _ARGUMENTS:
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('browser')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options, Service(executable_path=chromedriver))
    driver.set_window_size(1280, 900)
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def serve_viewer() -> Iterator[Callable[..., Viewer]]:
    """Return a function that serves a store and returns the viewer.

    It takes the path of the store, that of a trained model, and the further arguments
    of `Shown`.
    """
    with ExitStack() as stack:

        def serve(store: str | Path, model: Path | None = None, **given: Any) -> Viewer:
            opened = stack.enter_context(Store(store))
            trained = None
            if model is not None:
                from ecgstore.view.model.predictions import Predictions

                trained = stack.enter_context(Predictions(opened, model, "cpu"))
                trained.start()
            shown = Shown(opened, model=trained, **given)
            socket = stack.enter_context(listening("127.0.0.1", 0))
            config = uvicorn_config(Guard(application(shown), _TOKEN))
            server = uvicorn.Server(config)
            thread = Thread(target=server.run, args=([socket],), daemon=True)
            thread.start()

            def stop() -> None:
                server.should_exit = True
                thread.join()

            stack.callback(stop)
            return Viewer(f"http://127.0.0.1:{socket.getsockname()[1]}/", shown)

        yield serve


@pytest.fixture(scope="session")
def viewer(serve_viewer: Callable[..., Viewer], sample_store: Path) -> Viewer:
    """Serve the sample."""
    return serve_viewer(sample_store)


@pytest.fixture
def browser(driver: "Chrome", viewer: Viewer) -> Iterator["Chrome"]:
    """Open the page of the sample; it must not have complained in the end."""
    driver.get_log("browser")  # type: ignore[no-untyped-call]
    driver.get(viewer.entry)
    yield driver
    messages = driver.get_log("browser")  # type: ignore[no-untyped-call]
    driver.get("about:blank")
    assert not messages, messages
