# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports of the CIS audit, and a browser."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from lab import packages

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / ".venv" / "collections"))

from tests.reports import sample

PACKAGES = ("chromium", "chromium-driver", "fonts-dejavu-core")
Browser: TypeAlias = webdriver.Chrome


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless; installed if it is missing."""
    packages.install(PACKAGES)
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    # The browser itself requests nothing with this profile; the log has the requests of the page.
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Directory with all files of a report by its kind; each is created once."""
    made: dict[str, Path] = {}

    def get(kind: str) -> Path:
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp("report") / "cis"
            sample.write(kind, made[kind])
        return made[kind]

    return get
