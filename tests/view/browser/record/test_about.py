"""What is known of the record, in words and numbers."""

from typing import TYPE_CHECKING

from ecgstore.view.record.details import record_details

if TYPE_CHECKING:
    pass

from tests.view.browser.record.page import Page


def test_features_have_normal_ranges_and_arrows(page: Page) -> None:
    store = page.store
    rows = [record_details(store, row) for row in range(len(store))]
    wide = next(
        record
        for record in rows
        for one in record["features"]
        if one["name"] == "qrs_duration_ms" and one.get("side") == 1
    )
    page.open(wide["record_id"])
    page.one(".rec-values summary").click()
    page.settle()
    [row] = [
        one.text
        for one in page.all(".rec-values tr")
        if one.text.startswith("qrs_duration_ms")
    ]
    assert "▲" in row
    assert "to 110" in row
    arrow = page.one(".rec-values tr.rec-beyond span[role=img]")
    assert "normal range" in str(arrow.get_attribute("aria-label"))


def test_the_record_in_words(page: Page) -> None:
    page.open("HR00001")
    text = page.one(".rec-about").text
    assert "sinus rhythm" in text
    assert "SNOMED CT 426783006" in text
    assert "baseline wander" not in text
    assert "no problem found" in text
    page.one(".rec-about summary").click()
    assert "baseline wander" in page.one(".rec-about").text
    assert "female; 56 years" in page.one(".rec-subtitle").text
