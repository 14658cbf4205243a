"""The page as a whole, in a browser."""

from typing import TYPE_CHECKING, Any

from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from ecgstore.view.server import leading_to

if TYPE_CHECKING:
    from selenium.webdriver import Chrome


def test_the_page_lists_the_records_and_opens_the_first(browser: "Chrome") -> None:
    wait = WebDriverWait(browser, 10)
    rows = wait.until(
        lambda page: page.find_elements(By.CSS_SELECTOR, "#table [role=row]")
    )
    assert "Q0002" in " ".join(row.text for row in rows)
    wait.until(
        lambda page: page.find_element(By.CSS_SELECTOR, "#record h2").text == "A0001"
    )
    assert "token" not in browser.current_url


def test_a_file_leads_the_browser_to_the_page(driver: "Chrome", viewer: Any) -> None:
    """The cookie must come along, though the file is of another site."""
    driver.get(viewer.url)
    driver.delete_all_cookies()
    driver.get("about:blank")
    with leading_to(viewer.entry) as page:
        driver.get(page)
        WebDriverWait(driver, 10).until(
            lambda page: page.find_elements(By.CSS_SELECTOR, "#record h2")
        )
    assert driver.current_url.partition("#")[0] == viewer.url
    driver.get("about:blank")
