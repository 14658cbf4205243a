"""What the page shows of a model, by what a person does."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = pytest.mark.usefixtures("one_thread")

_CURVES = "return document.querySelector('#record canvas[role=img]').toDataURL()"


@pytest.fixture(scope="module")
def viewer(
    serve_viewer: Callable[..., Any],
    sample_store: Path,
    sample_checkpoint: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Any:
    """Serve a copy of the sample with a model."""
    folder = tmp_path_factory.mktemp("model")
    copy = Path(shutil.copy(sample_store, folder / "copy.h5"))
    return serve_viewer(copy, sample_checkpoint)


@pytest.fixture
def page(driver: "Chrome", viewer: Any) -> Iterator["Chrome"]:
    """Open the page; it must not have complained in the end."""
    driver.get_log("browser")  # type: ignore[no-untyped-call]
    show(driver, viewer, 0)
    yield driver
    messages = driver.get_log("browser")  # type: ignore[no-untyped-call]
    driver.get("about:blank")
    assert not messages, messages


def until(driver: "Chrome", condition: Callable[[], Any]) -> Any:
    wait = WebDriverWait(
        driver, 30, ignored_exceptions=[StaleElementReferenceException]
    )
    return wait.until(lambda _: condition())


def show(driver: "Chrome", viewer: Any, row: int, more: str = "") -> None:
    """Open a record, and wait for its prediction."""
    driver.get("about:blank")
    driver.get(f"{viewer.entry}#row={row}{more}")
    until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, "#model tbody tr"))


def texts(driver: "Chrome", selector: str) -> list[str]:
    return [one.text for one in driver.find_elements(By.CSS_SELECTOR, selector)]


def test_probabilities_thresholds_and_labels_are_a_table(
    page: "Chrome", viewer: Any
) -> None:
    page.set_window_size(1920, 900)
    said = viewer.shown.model.of(0)["classes"]
    assert texts(page, "#model tbody th") == [one["name"] for one in said]
    rows = page.find_elements(By.CSS_SELECTOR, "#model tbody tr")
    for row, one in zip(rows, said, strict=True):
        cells = [cell.text for cell in row.find_elements(By.TAG_NAME, "td")]
        probability = float(cells[1].removesuffix(" %")) / 100
        assert probability == pytest.approx(one["probability"], abs=0.006)
        assert cells[2] == "50 %"
        assert cells[3:5] == [
            "yes" if one[name] else "no" for name in ("predicted", "label")
        ]
        assert cells[5].startswith("≠") == one["disagrees"]
        fill = row.find_element(By.CSS_SELECTOR, ".model-fill")
        track = row.find_element(By.CSS_SELECTOR, ".model-track")
        share = fill.size["width"] / track.size["width"]
        assert share == pytest.approx(one["probability"], abs=0.02)
    assert "No thresholds were chosen" in texts(page, "#model caption")[0]
    page.set_window_size(1280, 900)
    narrow = texts(page, "#model tbody tr:first-child td")
    assert narrow[2:5] == ["", "", ""]
    assert narrow[5].startswith("≠") == said[0]["disagrees"]


def test_it_is_said_what_the_model_has_seen(page: "Chrome", viewer: Any) -> None:
    folds = viewer.shown.store.column("fold")
    for fold, words in ((0, "was trained on this patient"), (9, "has not seen")):
        row = int(np.flatnonzero(folds == fold)[0])
        show(page, viewer, row)
        assert words in texts(page, ".model-seen")[0]


def test_why_highlights_the_curves(page: "Chrome", viewer: Any) -> None:
    until(page, lambda: page.execute_script(_CURVES) != "data:,")
    until(page, lambda: page.find_elements(By.CSS_SELECTOR, ".rec-median"))
    plain = page.execute_script(_CURVES)
    name = viewer.shown.store.label_names[1]
    button = f'#model button[data-name="{name}"]'
    page.find_element(By.CSS_SELECTOR, button).click()
    until(page, lambda: f"Why {name}" in " ".join(texts(page, ".model-why h3")))
    until(page, lambda: page.execute_script(_CURVES) != plain)
    assert f"why={name}" in page.current_url
    assert "signal, all leads" in texts(page, ".model-why li")[0]
    assert page.find_element(By.CSS_SELECTOR, button).get_attribute("aria-pressed") == (
        "true"
    )
    show(page, viewer, 0, f"&why={name}")
    until(page, lambda: texts(page, ".model-why h3"))
    page.find_element(By.CSS_SELECTOR, button).click()
    until(page, lambda: not texts(page, ".model-why h3"))
    until(page, lambda: page.execute_script(_CURVES) == plain)


def test_an_order_of_disagreement_is_offered(page: "Chrome", viewer: Any) -> None:
    show(page, viewer, 0, "&round=1")
    order = Select(page.find_elements(By.CSS_SELECTOR, "#round select")[0])
    order.select_by_visible_text("model and labels disagree first")
    until(page, lambda: "sort=disagreement" in page.current_url)


@pytest.mark.parametrize("width", [360, 1280, 3840])
def test_nothing_is_cut_off(page: "Chrome", viewer: Any, width: int) -> None:
    page.set_window_size(width, 900)
    try:
        show(page, viewer, 0)
        wide, room = page.execute_script(
            "const e = document.getElementById('model');"
            "return [e.scrollWidth, e.clientWidth]"
        )
        assert wide <= room
        assert not page.execute_script(
            "const e = document.querySelector('.model-wide');"
            "return e.scrollWidth > e.clientWidth"
        )
    finally:
        page.set_window_size(1280, 900)
