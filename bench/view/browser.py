"""A viewer in a process of its own, and a browser that looks at it."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

_ARGUMENTS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def served(store: Path, *options: str) -> Iterator[str]:
    """Serve a store by ``ecgstore view``, and yield the address with its token."""
    command = [sys.executable, "-m", "ecgstore", "view", str(store), *options]
    command += ["--no-browser", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            lines = iter(process.stdout or ())
            words = (word for line in lines for word in line.split())
            url = next((word for word in words if word.startswith("http://")), None)
            if url is None:
                raise SystemExit(f"{' '.join(command)} did not say where it serves")
            yield url
        finally:
            process.terminate()


@contextmanager
def browser(width: int, height: int) -> Iterator["Chrome"]:
    """Start Chromium without a window, of a size in CSS pixels."""
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        raise SystemExit("needs chromium and chromedriver on the PATH")
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        options = ChromeOptions()
        options.binary_location = chromium
        for argument in (*_ARGUMENTS, f"--user-data-dir={folder}"):
            options.add_argument(argument)
        driver = Chrome(options, Service(executable_path=chromedriver))
        try:
            driver.set_script_timeout(300)
            driver.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride",
                {
                    "width": width,
                    "height": height,
                    "deviceScaleFactor": 1,
                    "mobile": False,
                },
            )
            yield driver
        finally:
            driver.quit()


def run(driver: "Chrome", script: str, *arguments: object) -> Any:
    """Run a script in the page, in which `app` is what its panels share.

    It may await, and returns its result.
    """
    whole = (
        "const done = arguments[arguments.length - 1]; (async (...arguments) => {"
        f"const {{ app }} = await import('/main.js'); {script} }})(...arguments)"
        ".then(done, (error) => done({ failed: String(error.stack) }))"
    )
    found = driver.execute_async_script(whole, *arguments)
    if isinstance(found, dict) and "failed" in found:
        raise RuntimeError(found["failed"])
    return found
