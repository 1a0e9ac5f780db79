"""A browser for the quickstart's page; without Playwright or Chromium its test is skipped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

PATIENCE = 120_000  # milliseconds
NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture
def visit_page() -> Iterator[Callable[[str], Any]]:
    """Open a page; afterwards no script of it may have failed."""
    driver = pytest.importorskip("playwright.sync_api", reason="no Playwright here")
    path = os.environ.get("EMITTER_STREAM_CHROMIUM") or next(
        filter(None, map(shutil.which, NAMES)), None
    )
    if path is None:
        pytest.skip("no Chromium here")
    problems: list[str] = []
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
            timeout=PATIENCE,
        )

        def visit(address: str) -> Any:
            page = browser.new_page()
            page.set_default_timeout(PATIENCE)
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.goto(address)
            return page

        yield visit
        browser.close()
    assert problems == []
