"""The table and the filters, by what a person does."""

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

    from ecgstore.storage import Store


class Page:
    """The page, and what a person does on it."""

    def __init__(self, driver: "Chrome", entry: str, store: "Store") -> None:
        self.driver = driver
        self.entry = entry
        self.store = store

    def open(self, **state: object) -> None:
        pairs = (
            f"{name}={quote(value if isinstance(value, str) else json.dumps(value))}"
            for name, value in state.items()
        )
        self.driver.get("about:blank")
        self.driver.get(f"{self.entry}#{'&'.join(pairs)}")
        self.until(lambda: self.count())
        self.until(lambda: self.find(".facet") or self.one("#query-error").text)

    def until(self, condition: Callable[[], Any]) -> Any:
        wait = WebDriverWait(
            self.driver, 15, ignored_exceptions=[StaleElementReferenceException]
        )
        return wait.until(lambda _: condition())

    def find(self, selector: str) -> list["WebElement"]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> "WebElement":
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def count(self) -> str:
        return self.one(".tab-count").get_attribute("textContent") or ""

    def rows(self) -> list[str]:
        """Return the names in the rows that are seen."""
        script = """return [...document.querySelectorAll('.tab-rows [role=row]')]
            .map((row) => row.firstChild.textContent)"""
        names: list[str] = self.driver.execute_script(script)
        return names

    def opened(self) -> str:
        return self.one("#record h2").text

    def chips(self) -> list[str]:
        return [chip.text.partition("\n")[0] for chip in self.find(".chip")]

    def bar(self, facet: str, value: str) -> "WebElement":
        return self.one(f'[aria-label="{facet}"] [data-value="{value}"]')

    def focused(self) -> "WebElement":
        return self.driver.switch_to.active_element

    def press(self, *keys: str) -> None:
        ActionChains(self.driver).send_keys(*keys).perform()

    def query(self) -> "WebElement":
        return self.one("#query")


@pytest.fixture
def page(driver: "Chrome", viewer: Any) -> Iterator[Page]:
    driver.get_log("browser")  # type: ignore[no-untyped-call]
    driver.set_window_size(1280, 900)
    driver.get(viewer.entry)
    yield Page(driver, viewer.url, viewer.shown.store)
    messages = driver.get_log("browser")  # type: ignore[no-untyped-call]
    driver.get("about:blank")
    unexpected = [one for one in messages if "400 (Bad Request)" not in one["message"]]
    assert not unexpected


def test_a_bar_is_a_filter_and_a_chip_removes_it(page: Page) -> None:
    page.open()
    assert page.count() == "44 records"
    page.bar("Class", "AF").click()
    page.until(lambda: page.count() == "9 of 44 records")
    assert page.bar("Class", "AF").get_attribute("aria-pressed") == "true"
    page.until(lambda: page.chips() == ["Class: AF: atrial fibrillation"])
    # Bars of the same count stay; others count what is selected.
    assert page.bar("Class", "NSR").text.endswith("17")
    is_af = page.store.labels()[:, page.store.label_names.index("AF")] > 0
    males = (page.store.column("sex") == "male") & is_af
    page.until(lambda: page.bar("Sex", "male").text.endswith(f"{males.sum()}"))
    page.bar("Sex", "male").click()
    page.until(lambda: page.count() == f"{males.sum()} of 44 records")
    page.bar("Class", "NSR").click()  # a second class: in either
    page.until(lambda: len(page.chips()) == 3)
    page.find(".chip")[0].click()
    page.until(lambda: len(page.chips()) == 2)
    page.one(".chips .link").click()
    page.until(lambda: page.count() == "44 records")
    assert page.chips() == []
    page.driver.back()
    page.until(lambda: len(page.chips()) == 2)


def test_bars_and_histograms_are_used_by_keyboard(page: Page) -> None:
    page.open()
    bar = page.bar("Source", "ptb-xl")
    page.driver.execute_script("arguments[0].focus()", bar)
    page.press(Keys.ENTER)
    page.until(lambda: page.count() == "17 of 44 records")
    assert page.focused().get_attribute("data-value") == "ptb-xl"
    page.press(Keys.SPACE)
    page.until(lambda: page.count() == "44 records")

    ages = page.store.column("age")
    first = page.one('[aria-label="Age"] .column[tabindex="0"]')
    page.driver.execute_script("arguments[0].focus()", first)
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT, Keys.END)
    label = page.focused().get_attribute("aria-label") or ""
    low = float(label.partition(" to ")[0])
    page.press(Keys.ENTER)
    page.until(lambda: page.count() == f"{(ages >= low).sum()} of 44 records")
    with_shift = ActionChains(page.driver).key_down(Keys.SHIFT)
    with_shift.send_keys(Keys.ARROW_LEFT).key_up(Keys.SHIFT).perform()
    label = page.until(
        lambda: (
            (page.focused().get_attribute("aria-label") or "") != label
            and page.focused().get_attribute("aria-label")
        )
    )
    wider = float(label.partition(" to ")[0])
    assert wider < low
    page.until(lambda: page.count() == f"{(ages >= wider).sum()} of 44 records")


def test_a_range_is_typed_or_drawn(page: Page) -> None:
    page.open()
    ages = page.store.column("age")
    low, high = page.find('[aria-label="Age"] .limits input')
    low.send_keys("50", Keys.ENTER)
    page.until(lambda: page.count() == f"{(ages >= 50).sum()} of 44 records")
    high.send_keys("70", Keys.ENTER)
    within = ((ages >= 50) & (ages < 70)).sum()
    page.until(lambda: page.count() == f"{within} of 44 records")
    assert page.chips() == ["Age: 50 to below 70"]
    columns = page.find('[aria-label="Age"] .column')
    ActionChains(page.driver).click_and_hold(columns[0]).move_to_element(
        columns[-1]
    ).release().perform()
    page.until(lambda: page.count() == f"{(ages >= 0).sum()} of 44 records")


def test_a_wrong_query_is_told_beside_its_box(page: Page) -> None:
    page.open()
    page.query().send_keys("ages < 40", Keys.ENTER)
    problem = page.until(lambda: page.one("#query-error").text)
    assert "query 'ages < 40' failed" in problem
    assert page.query().get_attribute("aria-invalid") == "true"
    assert page.count() == "44 records"
    page.query().clear()
    page.query().send_keys("age < 40 and sex == 'male'", Keys.ENTER)
    found = page.store.select(query="age < 40 and sex == 'male'")
    page.until(lambda: page.count() == f"{len(found)} of 44 records")
    assert page.one("#query-error").text == ""


def test_a_link_with_a_wrong_query_says_so(page: Page) -> None:
    page.open(filter={"query": "age.to_csv('x') == 1"})
    problem = page.until(lambda: page.one("#query-error").text)
    assert "'to_csv' is none of the methods" in problem


def test_records_are_found_by_name(page: Page) -> None:
    page.open()
    page.press("/")
    page.press("hr0000")
    page.until(lambda: page.rows() == ["HR00001", "HR00008"])
    page.one("#search").clear()
    page.one("#search").send_keys("no such", Keys.ENTER)
    page.until(lambda: page.one(".tab-nothing").is_displayed())


def test_the_table_is_used_by_keyboard(page: Page) -> None:
    page.open()
    names = page.store.column("record_id").tolist()
    grid = page.one("[role=grid]")
    page.driver.execute_script("arguments[0].focus()", grid)
    page.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_UP, Keys.ENTER)
    page.until(lambda: page.opened() == names[1])
    page.press(Keys.END)

    def active() -> str:
        id_ = grid.get_attribute("aria-activedescendant")
        return page.one(f"#{id_}").text.partition("\n")[0] if id_ else ""

    page.until(lambda: active() == names[-1])
    page.press(Keys.ENTER)
    page.until(lambda: page.opened() == names[-1])
    selected = page.one('.tab-rows [aria-selected="true"]')
    assert selected.get_attribute("aria-rowindex") == "45"
    page.press(Keys.HOME, Keys.PAGE_DOWN, Keys.PAGE_UP, Keys.SPACE)
    page.until(lambda: page.opened() == names[0])


def test_the_table_tells_what_it_is(page: Page) -> None:
    page.open()
    grid = page.one("[role=grid]")
    assert grid.get_attribute("aria-rowcount") == "45"  # with the head
    assert grid.get_attribute("aria-colcount") == "6"
    head = [cell.text for cell in page.find("[role=columnheader]")]
    assert head == ["Record", "Classes", "age", "sex", "source", "fold"]
    first = page.one(".tab-rows [role=row]")
    assert first.get_attribute("aria-rowindex") == "2"
    assert len(first.find_elements(By.CSS_SELECTOR, "[role=gridcell]")) == 6
    assert page.one(".tab-count").get_attribute("aria-live") == "polite"


def test_a_click_on_a_head_sorts(page: Page) -> None:
    page.open()
    ages, names = page.store.column("age"), page.store.column("record_id")
    head = "[role=columnheader]:nth-child(3)"
    page.one(f"{head} button").click()
    youngest = names[ages.argsort(kind="stable")[0]]
    page.until(lambda: page.rows()[0] == youngest)
    assert page.one(head).get_attribute("aria-sort") == "ascending"
    page.one(f"{head} button").click()
    page.until(lambda: page.one(head).get_attribute("aria-sort") == "descending")
    oldest = names[(-ages).argsort(kind="stable")[0]]
    page.until(lambda: page.rows()[0] == oldest)
    page.one(f"{head} button").click()
    page.until(lambda: page.rows()[0] == names[0])
    Select(page.one("#table select")).select_by_visible_text("Worst quality first")
    page.until(lambda: page.rows()[0] != names[0])


def test_a_link_shows_the_same(page: Page) -> None:
    state = {
        "filter": {"in": {"sex": ["male"]}, "between": {"age": [50, 70]}},
        "sort": "age",
        "descending": "1",
        "row": "8",
    }
    page.open(**state)
    page.until(lambda: page.opened() == page.store.column("record_id")[8])
    page.until(lambda: page.chips() == ["Sex: male", "Age: 50 to below 70"])
    rows = page.until(page.rows)
    page.driver.execute_script("window.open(location.href)")
    page.driver.switch_to.window(page.driver.window_handles[-1])
    page.until(lambda: page.rows() == rows)
    assert page.opened() == page.store.column("record_id")[8]
    page.driver.close()
    page.driver.switch_to.window(page.driver.window_handles[0])


def test_columns_are_chosen(page: Page) -> None:
    page.open()
    [button] = [one for one in page.find("#table .bar button") if "Columns" in one.text]
    button.click()
    page.one("dialog input[type=search]").send_keys("mean_hr")
    box = page.until(lambda: page.one("dialog .choices input"))
    box.click()
    page.one("dialog .primary").click()
    page.until(lambda: "mean_hr" in page.find("[role=columnheader]")[-1].text)
    cell = page.until(lambda: page.find(".tab-rows [role=row]")[0].text.split("\n")[-1])
    assert float(cell) == pytest.approx(page.store.column("mean_hr")[0], rel=1e-3)
    assert "columns=" in page.driver.current_url


def test_another_column_is_counted(page: Page) -> None:
    page.open()
    Select(page.one("#facets .bar select")).select_by_value("mean_hr")
    page.until(lambda: page.find('[aria-label="mean_hr"] .column'))
    page.one('[aria-label="Hide mean_hr"]').click()
    page.until(lambda: not page.find('[aria-label="mean_hr"]'))


def test_ten_million_rows_are_reached_by_the_bar_and_row_by_row(
    page: Page, driver: "Chrome"
) -> None:
    """Browsers limit the height of elements to less than that of so many rows."""
    fake = """
        const real = window.fetch;
        window.fetch = async (path, options) => {
          if (!String(path).startsWith('/api/rows')) return real(path, options);
          const query = new URLSearchParams(String(path).split('?')[1]);
          const [from, to] = [Number(query.get('from')), Number(query.get('to'))];
          const rows = [];
          for (let row = from; row < Math.min(to, 1e7); row++)
            rows.push({row: row % 44, record_id: `R${row}`, classes: []});
          const body = JSON.stringify({n_selected: 1e7, from, rows});
          return new Response(body, {headers: {'Content-Type': 'application/json'}});
        };"""
    script = driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": fake}
    )
    try:
        page.open()
        page.until(lambda: page.rows()[0] == "R0")
        grid = page.one("[role=grid]")
        assert grid.get_attribute("aria-rowcount") == "10000001"
        page.driver.execute_script("arguments[0].focus()", grid)
        page.press(Keys.END)
        page.until(lambda: page.rows()[-1] == "R9999999")
        page.press(Keys.ARROW_UP, Keys.HOME)
        page.until(lambda: page.rows()[0] == "R0")
        scroll = "arguments[0].scrollTop = arguments[1]"
        # A wheel turns by rows ...
        page.driver.execute_script(scroll, grid, 260)
        page.until(lambda: page.rows()[0] == "R10")
        page.until(
            lambda: driver.execute_script("return arguments[0].scrollTop", grid) < 9
        )
        # ... the bar itself goes to its part of all rows.
        height = driver.execute_script(
            "return arguments[0].scrollHeight - arguments[0].clientHeight", grid
        )
        page.driver.execute_script(scroll, grid, height / 2)
        page.until(lambda: len(page.rows()[0]) == len("R5000000"))
        assert abs(int(page.rows()[0][1:]) - 5_000_000) < 10_000
        page.driver.execute_script(scroll, grid, height)
        page.until(lambda: page.rows()[-1] == "R9999999")
    finally:
        driver.execute_cdp_cmd(
            "Page.removeScriptToEvaluateOnNewDocument",
            {"identifier": script["identifier"]},
        )


def test_a_narrow_window_shows_one_part_at_a_time(page: Page, driver: "Chrome") -> None:
    metrics = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        page.open()
        assert page.one("#table").is_displayed()
        assert not page.one("#facets").is_displayed()
        filters, records, record = page.find("#panels button")
        filters.click()
        page.until(lambda: page.bar("Class", "AF").is_displayed())
        page.bar("Class", "AF").click()
        records.click()
        page.until(lambda: page.count() == "9 of 44 records")
        page.find(".tab-rows [role=row]")[1].click()
        page.until(lambda: page.one("#record").is_displayed())
        assert record.get_attribute("aria-pressed") == "true"
        for panel in ("facets", "table", "record"):
            page.open(panel=panel)
            wide = "return document.documentElement.scrollWidth"
            assert driver.execute_script(wide) <= 360
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_colours_are_chosen_and_kept(page: Page, driver: "Chrome") -> None:
    page.open()
    ground = "return getComputedStyle(document.body).backgroundColor"
    colours = set()
    for theme in ("dark", "light"):
        Select(page.one("#theme")).select_by_value(theme)
        colours.add(driver.execute_script(ground))
        page.open()
        assert driver.execute_script(ground) in colours
    assert len(colours) == 2
    Select(page.one("#theme")).select_by_value("")


def test_focus_is_seen_wherever_it_goes(page: Page) -> None:
    page.open()
    page.until(lambda: page.opened())
    seen = set()
    for _ in range(80):
        page.press(Keys.TAB)
        focused = page.focused()
        seen.add(focused.get_attribute("class") or focused.get_attribute("id"))
        script = """const style = getComputedStyle(arguments[0]);
            return [style.outlineStyle, parseFloat(style.outlineWidth)]"""
        if focused.get_attribute("id") == "splitter":
            break
        outline, width = page.driver.execute_script(script, focused)
        assert outline != "none", focused.get_attribute("outerHTML")
        assert width >= 1
    assert {"search", "query", "facet-head", "bar-button", "column", "tab-grid"} <= seen


def test_texts_have_contrast(page: Page, driver: "Chrome") -> None:
    """WCAG AA: 4.5 to 1, in light and in dark."""
    script = """
        const canvas = document.createElement('canvas').getContext('2d',
          {willReadFrequently: true});
        const rgba = (colour) => {
          canvas.clearRect(0, 0, 1, 1);
          canvas.fillStyle = colour;
          canvas.fillRect(0, 0, 1, 1);
          return [...canvas.getImageData(0, 0, 1, 1).data];
        };
        const light = ([r, g, b]) => {
          const [R, G, B] = [r, g, b].map((v) => (v /= 255) <= 0.03928
            ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
          return 0.2126 * R + 0.7152 * G + 0.0722 * B;
        };
        const ground = (element) => {
          for (; element; element = element.parentElement) {
            const colour = rgba(getComputedStyle(element).backgroundColor);
            if (colour[3] === 255) return colour;
          }
          return [255, 255, 255, 255];
        };
        const poor = [];
        const parts = document.querySelectorAll('#head *, #facets *, #table *');
        for (const element of parts) {
          const own = [...element.childNodes].some(
            (node) => node.nodeType === 3 && node.data.trim());
          if (!own || !element.checkVisibility()) continue;
          const bar = element.parentElement.querySelector(':scope > .bar-fill');
          const grounds = [ground(element)];
          if (bar) grounds.push(rgba(getComputedStyle(bar).backgroundColor));
          const text = light(rgba(getComputedStyle(element).color));
          for (const colour of grounds) {
            const both = [text, light(colour)];
            const ratio = (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
            if (ratio < 4.5) poor.push([element.className, element.textContent, ratio]);
          }
        }
        return poor;"""
    page.open(filter={"in": {"sex": ["male"]}, "query": "age < 60"})
    for theme in ("dark", "light"):
        Select(page.one("#theme")).select_by_value(theme)
        assert driver.execute_script(script) == []
    Select(page.one("#theme")).select_by_value("")


def test_the_width_of_the_table_is_changed_by_keyboard(page: Page) -> None:
    page.open()
    before = page.one("#table").size["width"]
    page.driver.execute_script("document.getElementById('splitter').focus()")
    page.press(Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert page.one("#table").size["width"] == pytest.approx(before - 48, abs=2)
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)


def test_nothing_is_asked_from_elsewhere(page: Page) -> None:
    page.open()
    page.until(lambda: page.opened())
    names = page.driver.execute_script(
        "return performance.getEntriesByType('resource').map((one) => one.name)"
    )
    assert len(names) > 10
    assert all(name.startswith(page.entry) for name in names)
