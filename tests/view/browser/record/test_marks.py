"""Marks, the raw signal and the median beat."""

from typing import TYPE_CHECKING

import numpy as np

from ecgstore.record import LEADS

if TYPE_CHECKING:
    pass

from tests.view.browser.record.page import Page


def test_marks_lie_where_the_store_has_them(page: Page) -> None:
    page.open("HR00001")
    record = page.store["HR00001"]
    found = page.run(
        "return app.paper.stored.first.marks.map((lead) => lead.map((beat) => beat))"
    )
    np.testing.assert_array_equal(np.array(found), record.fiducials)
    assert "P, QRS and T waves marked" in page.description()
    page.keys("m")
    assert "marks hidden" in page.description()
    assert "QRS" not in page.one(".rec-legend").text
    assert not page.check("Marks").is_selected()


def test_the_raw_signal_is_drawn_behind(page: Page) -> None:
    page.open("HR00001")
    page.check("Raw").click()
    page.until(lambda: page.run("return Boolean(app.paper.raw?.first)"))
    page.settle()
    assert "raw signal behind" in page.description()
    header, *lines = page.saved("CSV").decode().splitlines()
    names = header.split(",")
    assert names[1:] == [f"{lead}_mv" for lead in LEADS] + [
        f"{lead}_raw_mv" for lead in LEADS
    ]
    values = np.array([line.split(",") for line in lines], float)
    difference = values[:, 1] - values[:, 13]
    assert 0.001 < np.std(difference) < 0.5


def test_the_median_beats_of_all_leads(page: Page) -> None:
    page.open("HR00001")
    titles = page.all(".rec-median svg > title")
    assert len(titles) == 12
    n_used = page.run("return app.paper.median.n_used")
    assert f"{n_used} of {len(page.store['HR00001'].r_peaks)} beats" in (
        page.one(".rec-median").text
    )
