"""The next record, and the keys."""

from typing import TYPE_CHECKING

from selenium.webdriver.common.keys import Keys

if TYPE_CHECKING:
    pass

from tests.view.browser.record.page import Page


def test_next_and_previous_by_keyboard(page: Page) -> None:
    page.open()
    names = page.store.column("record_id").tolist()
    page.until(lambda: page.run("return app.paper.neighbours?.after === 1"))
    page.keys("j")
    page.until_drawn(1)
    assert page.one(".rec-head h2").text == names[1]
    page.until(lambda: page.run("return app.paper.neighbours?.before === 0"))
    page.keys("k")
    page.until_drawn(0)
    assert page.one(".rec-head h2").text == names[0]
    page.until(lambda: page.button("Next →").is_enabled())
    assert not page.button("← Previous").is_enabled()


def test_the_next_record_is_there_before_it_is_asked_for(page: Page) -> None:
    page.open()
    page.until(lambda: page.run("return app.paper.neighbours?.after === 1"))
    page.settle()
    page.run("performance.clearResourceTimings()")
    page.keys("j")
    page.until_drawn(1)
    asked = page.run(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    )
    assert not [one for one in asked if one.endswith("/api/record/1")]
    assert not [one for one in asked if "/api/signal/1?" in one]


def test_help_lists_the_keys(page: Page) -> None:
    page.open()
    page.keys("?")
    assert "next, previous record" in page.one(".rec-help").text
    page.keys(Keys.ESCAPE)
    assert not page.one(".rec-help").is_displayed()
