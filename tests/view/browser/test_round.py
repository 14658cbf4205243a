"""The label round, by what a person does."""

import csv
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from ecgstore.errors import EcgStoreError
from ecgstore.storage.review_file import review_file_path
from ecgstore.view.browse.worst import severities

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

    from ecgstore.storage import Store


class Round:
    """The page, and what a person does in the label round."""

    def __init__(self, driver: "Chrome", viewer: Any) -> None:
        self.driver = driver
        self.entry = viewer.entry
        self.shown = viewer.shown
        self.store: Store = viewer.shown.store

    def open(self, row: int = 0, **state: object) -> None:
        pairs = {"row": row, "round": 1, **state}
        self.driver.get("about:blank")
        hash_ = "&".join(f"{key}={value}" for key, value in pairs.items())
        self.driver.get(f"{self.entry}#{hash_}")
        self.until_on(row)

    def until(self, condition: Callable[[], Any]) -> Any:
        wait = WebDriverWait(
            self.driver, 15, ignored_exceptions=[StaleElementReferenceException]
        )
        return wait.until(lambda _: condition())

    def until_on(self, row: int) -> None:
        """Wait until a record is open, and its decision is shown."""
        name = self.store.column("record_id")[row]
        self.until(lambda: self.one("#record h2").text == name)
        self.until(lambda: self.button("Accept").is_enabled())

    def one(self, selector: str) -> "WebElement":
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def button(self, begin: str) -> "WebElement":
        buttons = self.driver.find_elements(By.CSS_SELECTOR, "#round button")
        [found] = [one for one in buttons if one.text.startswith(begin)]
        return found

    def label(self, name: str) -> "WebElement":
        return self.one(f'.round-label[data-name="{name}"]')

    def press(self, *keys: str) -> None:
        ActionChains(self.driver).send_keys(*keys).perform()

    def until_said(self, part: str) -> None:
        self.until(lambda: part in self.one(".round-status").text)

    def lines(self) -> dict[str, dict[str, str]]:
        """Return what is on the disk, by the name of the record."""
        path = review_file_path(self.store.path)
        if not path.exists():
            return {}
        with path.open(encoding="utf-8", newline="") as file:
            return {line["record_id"]: line for line in csv.DictReader(file)}

    def name(self, row: int) -> str:
        return str(self.store.column("record_id")[row])


@pytest.fixture
def page(
    driver: "Chrome",
    serve_viewer: Callable[..., Any],
    sample_store: Path,
    tmp_path: Path,
) -> Iterator[Round]:
    """Serve a copy of the sample; the page must not have complained in the end."""
    copy = Path(shutil.copy(sample_store, tmp_path / "copy.h5"))
    viewer = serve_viewer(copy)
    driver.get_log("browser")  # type: ignore[no-untyped-call]
    page = Round(driver, viewer)
    page.open()
    yield page
    messages = driver.get_log("browser")  # type: ignore[no-untyped-call]
    driver.get("about:blank")
    assert not messages, messages


def test_accept_and_reject_by_keys_go_on_to_the_next(page: Round) -> None:
    page.press("a")
    page.until_on(1)
    assert page.lines()[page.name(0)]["review"] == "accepted"
    page.until_said("saved as accepted")
    page.press("r")
    page.until_on(2)
    assert page.lines()[page.name(1)]["review"] == "rejected"
    page.until(
        lambda: (
            page.one(".round-counts").text
            == "2 of 44 reviewed (1 accepted, 1 rejected)"
        )
    )
    assert page.one("#round progress").get_attribute("value") == "2"


def test_buttons_do_the_same_and_staying_is_possible(page: Round) -> None:
    page.one("#round input[type=checkbox]").click()
    page.button("Reject").click()
    page.until_said("saved as rejected")
    assert page.one(".round-state").text == "Rejected"
    assert page.button("Reject").get_attribute("aria-pressed") == "true"
    page.button("Accept").click()
    page.until_said("saved as accepted")
    assert page.lines()[page.name(0)]["review"] == "accepted"
    assert page.one("#record h2").text == page.name(0)


def test_undo_takes_the_last_decision_back(page: Round) -> None:
    page.press("r")
    page.until_on(1)
    page.press("u")
    page.until_on(0)
    page.until_said("undone")
    assert page.lines()[page.name(0)]["review"] == ""
    assert page.one(".round-state").text == "Not reviewed"
    assert not page.button("Undo").is_enabled()


def test_records_that_are_reviewed_are_left_out(page: Round) -> None:
    page.open(1)
    page.press("a")
    page.until(lambda: page.name(1) in page.lines())
    page.open(0)
    page.press("a")
    page.until_on(2)


def test_a_comment_is_saved_by_enter(page: Round) -> None:
    page.press("c")
    page.press("arc = noise", Keys.ENTER)
    page.until_said("saved")
    line = page.lines()[page.name(0)]
    assert (line["review"], line["review_comment"]) == ("", "arc = noise")
    assert page.driver.switch_to.active_element == page.button("Accept")
    page.open(0)
    assert page.one("#round textarea").get_attribute("value") == "arc = noise"


def test_a_comment_that_was_not_saved_is_saved_on_leaving(page: Round) -> None:
    page.press("c")
    page.press("left behind")
    page.driver.execute_script("location.hash = '#round=1&row=3'")
    page.until_on(3)
    page.until(lambda: page.name(0) in page.lines())
    assert page.lines()[page.name(0)]["review_comment"] == "left behind"
    assert page.one("#round textarea").get_attribute("value") == ""


def test_escape_gives_a_comment_up(page: Round) -> None:
    page.press("c")
    page.press("never mind", Keys.ESCAPE)
    assert page.one("#round textarea").get_attribute("value") == ""
    page.press("a")
    page.until_on(1)
    assert page.lines()[page.name(0)]["review_comment"] == ""


def test_labels_are_corrected_and_corrections_taken_back(page: Round) -> None:
    number = page.store.label_names.index("AF")
    before = bool(page.store.labels()[0, number])
    page.press(str(number + 1))
    page.until_said("saved")
    corrected = page.label("AF")
    assert corrected.get_attribute("aria-pressed") == str(not before).lower()
    assert "corrected" in corrected.text
    assert page.lines()[page.name(0)]["AF"] == str(int(not before))
    assert page.lines()[page.name(0)]["review"] == ""
    page.label("AF").click()
    page.until(lambda: page.lines()[page.name(0)]["AF"] == "")
    page.until(lambda: "corrected" not in page.label("AF").text)
    assert page.label("AF").get_attribute("aria-pressed") == str(before).lower()


def test_a_decision_that_cannot_be_saved_is_shown_and_kept(
    page: Round, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise EcgStoreError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(page.store.review, "save", fail)
        page.press("r")
        problem = page.one("#round [role=alert]")
        page.until(lambda: "1 decision is not saved: the disk is full" in problem.text)
        assert page.one("#record h2").text == page.name(0)
        assert "saved as" not in page.one(".round-status").text
        page.driver.execute_script("location.hash = '#round=1&row=1'")
        page.until_on(1)
        page.driver.execute_script("location.hash = '#round=1&row=0'")
        page.until_on(0)
        assert page.one(".round-state").text == "Rejected"
        assert page.lines() == {}
    page.button("Try again").click()
    page.until(lambda: not page.one("#round [role=alert]").text)
    assert page.lines()[page.name(0)]["review"] == "rejected"
    # The browser says itself that an answer was an error.
    log = page.driver.get_log("browser")  # type: ignore[no-untyped-call]
    assert all("400" in one["message"] for one in log)


def test_keys_decide_nothing_outside_the_round(page: Round) -> None:
    page.press("e")
    page.until(lambda: not page.one(".round-body").is_displayed())
    page.press("a", "r", "u", "1")
    page.press("e")
    page.until(lambda: page.one(".round-body").is_displayed())
    assert "round=1" in page.driver.current_url
    assert page.lines() == {}


def test_the_round_shows_records_of_one_state(page: Round) -> None:
    page.press("r")
    page.until_on(1)
    show = page.driver.find_elements(By.CSS_SELECTOR, "#round select")[1]
    Select(show).select_by_visible_text("rejected")
    page.until(lambda: "rejected" in page.driver.current_url)
    Select(show).select_by_visible_text("all records")
    page.until(lambda: "filter" not in page.driver.current_url)


def test_the_order_is_in_the_address(page: Round) -> None:
    order = page.driver.find_elements(By.CSS_SELECTOR, "#round select")[0]
    options = [one.text for one in Select(order).options]
    assert options == ["as in the table", "worst signals first"]
    Select(order).select_by_visible_text("worst signals first")
    page.until(lambda: "sort=worst" in page.driver.current_url)


@pytest.mark.parametrize("width", [360, 1280, 3840])
def test_nothing_is_cut_off(page: Round, width: int) -> None:
    page.driver.set_window_size(width, 900)
    try:
        page.open(panel="record")
        wide, room = page.driver.execute_script(
            "const e = document.getElementById('round');"
            "return [e.scrollWidth, e.clientWidth]"
        )
        assert wide <= room
        for button in page.driver.find_elements(By.CSS_SELECTOR, "#round button"):
            assert button.is_displayed()
    finally:
        page.driver.set_window_size(1280, 900)


@pytest.mark.parametrize("key", ["a", "n"])
def test_the_order_of_the_round_is_that_of_the_severities(
    page: Round, key: str
) -> None:
    """Equal ones, and those without a problem, stay in the order of the store."""
    expected = np.argsort(-severities(page.store), kind="stable").tolist()
    assert expected != sorted(expected)
    Select(page.one(".round-row select")).select_by_value("worst")
    page.until(lambda: "sort=worst" in page.driver.current_url)
    page.open(expected[0], sort="worst")
    for row in expected[1:6]:
        page.press(key)
        page.until_on(row)


def test_the_round_goes_by_disagreement_as_it_is_at_last(
    driver: "Chrome",
    serve_viewer: Callable[..., Any],
    sample_store: Path,
    sample_checkpoint: Path,
    tmp_path: Path,
) -> None:
    copy = Path(shutil.copy(sample_store, tmp_path / "copy.h5"))
    viewer = serve_viewer(copy, sample_checkpoint)
    model = viewer.shown.model
    page = Round(driver, viewer)
    page.until(lambda: model.state()["state"] == "ready")
    expected = np.argsort(-model.disagreement(), kind="stable").tolist()
    page.open(expected[0], sort="disagreement")
    for row in expected[1:5]:
        page.press("a")
        page.until_on(row)
    driver.get("about:blank")


class ArrivingModel:
    """Scores of half of the records, and of all when it is told to go on."""

    def __init__(self, n: int) -> None:
        self.scores = np.where(np.arange(n) < n // 2, np.arange(n), np.nan)
        self.is_ready = self.is_told = False

    def go_on(self) -> None:
        self.scores = np.arange(len(self.scores), dtype=float)
        self.is_ready = True

    def disagreement(self) -> Any:
        return self.scores

    def has_news(self) -> bool:
        told, self.is_told = self.is_told, self.is_ready
        return told != self.is_told

    def state(self) -> dict[str, Any]:
        state = "ready" if self.is_ready else "running"
        return {"state": state, "done": 22, "total": 44, "message": ""}

    def description(self) -> dict[str, Any]:
        return {"name": "arriving", "classes": [], "thresholds": None}

    def of(self, row: int) -> dict[str, Any]:
        return {"classes": [], "seen": "unknown"}


def test_table_and_round_follow_an_order_that_changes(page: Round) -> None:
    """By themselves, when the last predictions are there."""
    model: Any = ArrivingModel(44)
    page.shown.model = model
    page.shown.browsing.severities["disagreement"] = model.disagreement
    page.open(21, sort="disagreement")
    rows = ".tab-rows [role=row]"
    first = f"{rows}[data-index='0'] [role=gridcell]"
    page.until(lambda: page.one(first).text == page.name(21))
    page.press("n")
    page.until_on(20)
    model.go_on()
    page.until(lambda: page.one(first).text == page.name(43))
    page.press("n")
    page.until_on(43)
