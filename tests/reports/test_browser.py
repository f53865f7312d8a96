# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTML report in a browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

Browser: TypeAlias = webdriver.Chrome
CHECKS = 131


class Page:
    """The report in the browser."""

    def __init__(self, browser: Browser, directory: Callable[[str], Path]) -> None:
        self.browser = browser
        self._directory = directory

    def open(self, kind: str, fragment: str = "") -> None:
        """Load a report again."""
        self.browser.get("about:blank")
        for name in ("browser", "performance"):
            self.browser.get_log(name)
        self.browser.get(f"file://{self._directory(kind)}/cis.html{fragment}")
        WebDriverWait(self.browser, 60).until(
            lambda driver: driver.execute_script("return document.readyState") == "complete"
        )

    def script(self, text: str, *arguments: Any) -> Any:
        """Run a script in the page, and return its result."""
        return self.browser.execute_script(text, *arguments)

    def one(self, selector: str) -> WebElement:
        """The first element that matches."""
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def shown(self) -> list[str]:
        """Ids of the checks that are shown."""
        found: list[str] = self.script(
            "return [...document.querySelectorAll('.check')].filter((e) => !e.hidden).map((e) => e.dataset.id)"
        )
        return found

    def search(self, text: str) -> list[str]:
        """Type into the search box; returns the ids that match."""
        box = self.one("#search")
        box.clear()
        box.send_keys(text, Keys.END)
        # It waits a moment for more input.
        self.rest(300)
        return self.shown()

    def rest(self, milliseconds: int) -> None:
        """Wait until the page has rendered."""
        self.browser.execute_async_script(f"setTimeout(arguments[0], {milliseconds})")

    def data(self) -> dict[str, Any]:
        """Text of the page."""
        found: dict[str, Any] = json.loads(self.script("return document.getElementById('data').textContent"))
        return found

    def problems(self) -> list[Any]:
        """Messages of the console."""
        return list(self.browser.get_log("browser"))

    def requested(self) -> list[str]:
        """Addresses that the page requested."""
        messages = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]


@pytest.fixture
def page(browser: Browser, directory: Callable[[str], Path]) -> Page:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    browser.set_window_size(1280, 1000)
    return Page(browser, directory)


def statuses(page: Page, check: str, host: int | None = None) -> set[str]:
    data = page.data()
    return {data["statuses"][row[1]] for row in data["rows"][check] if host in (None, row[0])}


@pytest.mark.parametrize("kind", ["small", "large", "hostile"])
def test_nothing_is_asked_for_and_nothing_goes_wrong(page: Page, kind: str) -> None:
    page.open(kind)
    assert page.script("return document.documentElement.dataset.ready") == "true"
    assert len(page.shown()) == CHECKS
    page.one("#fold").click()
    page.rest(1500)
    assert page.problems() == []
    requested = page.requested()
    assert all(url.startswith(("file:///", "data:")) for url in requested), requested
    assert sum(url.startswith("file:") for url in requested) == 1
    assert page.script("return window.attacked") is None


def test_searching(page: Page) -> None:
    page.open("small")
    assert page.search("anonymous requests") == ["1.2.1", "4.2.1"]
    assert page.one("#count").text == "2 of 131 checks"
    # A host, and a text of evidence that is in no title.
    assert set(page.search("w2 timed")) == {f"4.1.{n}" for n in range(1, 11)} | {
        f"4.2.{n}" for n in range(1, 15)
    } | {"4.3.1"}
    assert page.search("--setting-of-2-7") == ["2.7"]
    assert page.search("--SETTING-of-2-7 CP1") == ["2.7"]
    assert page.search("nowhere-at-all") == []
    assert page.one("#none").is_displayed()
    assert not page.one("section.part").is_displayed()
    page.one("#clear").click()
    assert len(page.shown()) == CHECKS


def test_filters(page: Page) -> None:
    page.open("small")
    page.one("[data-status=fail]").click()
    failing = page.shown()
    assert failing and all("fail" in statuses(page, check) for check in failing)
    assert page.one("[data-status=fail]").get_attribute("aria-pressed") == "true"
    page.one("[data-status=exempt]").click()
    both = page.shown()
    assert set(failing) < set(both)
    page.one("[data-status=exempt]").click()
    assert page.shown() == failing
    page.one("[data-status=fail]").click()
    Select(page.one("#level")).select_by_visible_text("Level 2")
    assert len(page.shown()) == 15
    Select(page.one("#section")).select_by_value("5.2")
    assert page.shown() == ["5.2.7", "5.2.9"]
    page.one("#clear").click()
    Select(page.one("#host")).select_by_visible_text("w1")
    assert {check.split(".")[0] for check in page.shown()} == {"4"}
    page.one("#clear").click()
    Select(page.one("#host")).select_by_visible_text("cluster prod-a")
    assert len(page.shown()) == 37
    page.one("#clear").click()
    page.one("#differs").click()
    assert set(page.shown()) <= {"1.2.1", "1.2.6", "1.2.29", "4.2.9"}
    page.one("#clear").click()
    page.one("#changed").click()
    changed = [check for check, rows in page.data()["rows"].items() if any(row[5] for row in rows)]
    assert page.shown() == changed


def test_badges_are_those_of_what_is_shown(page: Page) -> None:
    page.open("small")
    data = page.data()
    Select(page.one("#host")).select_by_visible_text("w1")
    number = data["hosts"].index("w1")
    for check in page.shown():
        (status,) = statuses(page, check, number)
        assert page.one(f"[id='check-{check}'] .badge").get_attribute("class") == f"badge b-{status}"


def test_unfolding_evidence(page: Page) -> None:
    page.open("small")
    data = page.data()
    check = next(
        name
        for name, rows in data["rows"].items()
        if name.startswith("5.") and any(len(row[3]) == 60 for row in rows)
    )
    element = page.one(f"[id='check-{check}']")
    assert not element.find_elements(By.CSS_SELECTOR, "table")
    element.find_element(By.TAG_NAME, "summary").click()
    WebDriverWait(page.browser, 10).until(lambda _driver: element.find_elements(By.CSS_SELECTOR, "tbody tr"))
    # Fifty, and the others on request.
    assert len(element.find_elements(By.CSS_SELECTOR, "tbody tr")) == 50
    page.script(
        "arguments[0].querySelectorAll('details .more').forEach((e) => e.hidden || e.click())", element
    )
    assert len(element.find_elements(By.CSS_SELECTOR, "tbody tr")) == 60
    text = element.text
    assert "object 59 of" in text and "Evaluation" in text and "Remediation" in text
    element.find_element(By.TAG_NAME, "summary").click()
    WebDriverWait(page.browser, 10).until(lambda _driver: not element.find_elements(By.CSS_SELECTOR, "table"))


def test_exempt_evidence_has_its_reason(page: Page) -> None:
    page.open("small")
    page.one("[data-status=exempt]").click()
    assert page.shown()
    page.one("#fold").click()
    WebDriverWait(page.browser, 10).until(
        lambda _driver: page.browser.find_elements(By.CSS_SELECTOR, ".group")
    )
    page.script("document.querySelectorAll('.group details').forEach((e) => { e.open = true; })")
    WebDriverWait(page.browser, 10).until(
        lambda _driver: page.browser.find_elements(By.CSS_SELECTOR, ".group td")
    )
    assert "The lab is small. (Platform team, until 2027-06-30)" in page.one("main").text


def test_an_address_of_one_check(page: Page) -> None:
    page.open("small", "#check-2.7")
    assert page.one("[id='check-2.7']").get_attribute("open")


def test_a_host_of_the_table_is_a_filter(page: Page) -> None:
    page.open("small")
    page.script("document.querySelector('[data-host]').closest('details').open = true")
    page.one("td[data-host='0'] button").click()
    assert page.one("#host").get_attribute("value") == "0"
    assert len(page.shown()) == 94


def test_with_the_keyboard(page: Page) -> None:
    page.open("small")
    page.one("body").send_keys("/")
    assert page.browser.switch_to.active_element.get_attribute("id") == "search"
    summary = page.one("[id='check-1.1.1'] > summary")
    page.script("arguments[0].focus()", summary)
    page.browser.switch_to.active_element.send_keys(Keys.ENTER)
    assert page.one("[id='check-1.1.1']").get_attribute("open")
    tile = page.one("[data-status=pass]")
    page.script("arguments[0].focus()", tile)
    page.browser.switch_to.active_element.send_keys(Keys.SPACE)
    assert tile.get_attribute("aria-pressed") == "true"


def test_without_scripts(page: Page) -> None:
    page.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    page.open("small")
    assert not page.one("#tools").is_displayed()
    assert len(page.browser.find_elements(By.CSS_SELECTOR, ".check")) == CHECKS
    text = page.one("body").text
    assert "CIS audit of prod-a" in text and "of decided results pass" in text
    assert "1.36.4 is outside the declared scope" in text
    element = page.one("[id='check-4.2.1']")
    element.find_element(By.TAG_NAME, "summary").click()
    assert "The host could not be reached" in element.text and "w2" in element.text
    page.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize("kind", ["small", "hostile"])
def test_nothing_is_wider_than_a_small_screen(page: Page, kind: str) -> None:
    page.browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": False},
    )
    try:
        page.open(kind)
        page.script("[...document.querySelectorAll('.check')].slice(0, 5).forEach((e) => { e.open = true; })")
        page.rest(300)
        assert page.script("return document.scrollingElement.scrollWidth") <= 360
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_on_paper(page: Page) -> None:
    page.open("small")
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not page.one("#tools").is_displayed()
    assert page.script("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(page: Page, scheme: str) -> None:
    """Contrast of every badge and of dim text is at least 4.5 to 1 (WCAG AA)."""
    page.browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    page.open("small")
    colours = page.script(
        "return [...document.querySelectorAll('.badge, .dim, .tile b, .tag, summary .title')].map((e) => {"
        " let b = e; while (getComputedStyle(b).backgroundColor === 'rgba(0, 0, 0, 0)') b = b.parentElement;"
        " return [getComputedStyle(e).color, getComputedStyle(b).backgroundColor]; })"
    )

    def light(colour: str) -> float:
        parts = [int(part) / 255 for part in colour[4:-1].split(",")]
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    for one, other in {tuple(pair) for pair in colours}:
        low, high = sorted((light(one), light(other)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (one, other)


def test_500_hosts(page: Page) -> None:
    page.open("large")
    assert page.script("return document.querySelectorAll('*').length") < 15_000
    page.one("#search").send_keys("node-0042")
    page.rest(1500)
    assert len(page.shown()) == 94
    element = page.one("[id='check-1.1.1']")
    page.one("#clear").click()
    element.find_element(By.TAG_NAME, "summary").click()
    WebDriverWait(page.browser, 20).until(lambda _driver: element.find_elements(By.CSS_SELECTOR, ".group"))
    assert page.script("return document.querySelectorAll('*').length") < 16_000
    assert page.problems() == []
