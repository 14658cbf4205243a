"""The record panel, and what a person does with it."""

import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from ecgstore.arrays import FloatArray
from ecgstore.storage import Store

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement


SVG = "{http://www.w3.org/2000/svg}"


class Page:
    """The page, and what a person does on its record panel."""

    def __init__(self, driver: "Chrome", url: str, store: Store) -> None:
        self.driver = driver
        self.url = url
        self.store = store

    def open(self, name: str | None = None, **state: object) -> None:
        """Open a record, and wait until it is drawn."""
        row = 0 if name is None else self.store.row(name)
        pairs = {"row": row, **state}
        self.driver.get("about:blank")
        self.driver.get(
            self.url + "#" + "&".join(f"{key}={value}" for key, value in pairs.items())
        )
        self.until_drawn(row)

    def until_drawn(self, row: int) -> None:
        self.until(
            lambda: self.run(
                "return app.record?.row === arguments[0] && app.paper.layout !== null "
                "&& app.paper.stored?.record === app.record "
                "&& Boolean(app.paper.stored.first) && Boolean(app.paper.median)",
                row,
            )
        )
        self.settle()

    def settle(self) -> None:
        """Wait until the view is in the address, and said."""
        self.run("await new Promise((done) => setTimeout(done, 600))")

    def run(self, script: str, *arguments: object) -> Any:
        """Run a script, in which `app` is that of the page."""
        whole = (
            "const done = arguments[arguments.length - 1]; (async (...arguments) => {"
            "const { app } = await import('/main.js');" + script + "})(...arguments)"
            ".then(done, (error) => done({ error: String(error) }))"
        )
        found = self.driver.execute_async_script(whole, *arguments)
        assert not (isinstance(found, dict) and "error" in found), found
        return found

    def until(self, condition: Callable[[], Any]) -> Any:
        return WebDriverWait(self.driver, 15).until(lambda _: condition())

    def one(self, selector: str) -> "WebElement":
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list["WebElement"]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def button(self, text: str) -> "WebElement":
        [found] = [one for one in self.all(".rec button") if one.text == text]
        return found

    def check(self, label: str) -> "WebElement":
        [found] = [one for one in self.all(".rec-tools label") if one.text == label]
        return found.find_element(By.TAG_NAME, "input")

    def keys(self, *keys: str) -> None:
        ActionChains(self.driver).send_keys(*keys).perform()
        self.settle()

    def delay(self, part: str) -> None:
        """Let answers to addresses with a part take a second longer."""
        self.run(
            "const { fetch } = window; window.fetch = async (address, ...others) => {"
            "if (String(address).includes(arguments[0])) await new Promise((done) =>"
            "setTimeout(done, 1000)); return fetch(address, ...others); }",
            part,
        )

    def saved(self, button: str) -> bytes:
        """Press a button that saves a file, and return its content."""
        self.run(
            "URL.createObjectURL = (blob) => { window.saved = blob; return '#'; };"
            "HTMLAnchorElement.prototype.click = () => {}; window.saved = null;"
        )
        self.button(button).click()
        self.until(lambda: self.run("return window.saved !== null"))
        return bytes(
            self.run("return [...new Uint8Array(await window.saved.arrayBuffer())]")
        )

    def description(self) -> str:
        return str(self.one(".rec-sheet canvas[role=img]").get_attribute("aria-label"))

    def panels(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.run("return app.paper.layout.panels")
        return found


def curves_of(svg: bytes) -> list[FloatArray]:
    """Return the points of the curves of a drawing: x and y in mm."""
    found = []
    for group in ET.fromstring(svg).iter(f"{SVG}g"):
        for path in group.iter(f"{SVG}path"):
            d = path.get("d", "")
            if path.get("fill") != "none" or d.count("L") < 100:
                continue
            moved = path.get("transform", "translate(0 0)")[10:-1].split()
            points = [part.split() for part in d.replace("L", "M").split("M")[1:]]
            found.append(np.array(points, float) + np.array(moved, float))
    return found
