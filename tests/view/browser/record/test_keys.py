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


def help_of(page: Page) -> dict[str, str]:
    """Press "?", and return what the keys do."""
    page.keys("?")
    keys, texts = (
        [one.text for one in page.all(f".rec-help {tag}")] for tag in ("dt", "dd")
    )
    assert len({*keys}) == len(keys)
    return dict(zip(keys, texts, strict=True))


def test_help_lists_the_keys_once(page: Page) -> None:
    page.open()
    keys = help_of(page)
    assert keys["j"] == "next record"
    assert keys["r"] == "raw signal on, off"
    assert {"/", "f", "e", "?", "← →"} <= {*keys}
    assert "reject" not in keys.values()
    page.keys(Keys.ESCAPE)
    assert not page.all(".rec-help")


def test_help_in_the_label_round_lists_its_keys(page: Page) -> None:
    page.open(round=1)
    keys = help_of(page)
    assert page.one(".rec-help h2").text == "Keys in the label round"
    assert (keys["r"], keys["c"]) == ("reject", "comment")
    assert {"/", "f", "e", "j", "1 to 7"} <= {*keys}
    assert not {"raw signal on, off", "calipers on, off"} & {*keys.values()}
