"""A browser for the playground's tests; without Playwright or Chromium they are skipped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from emitter_stream.server import LocalServer

PATIENCE = 120_000  # milliseconds
NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = os.environ.get("EMITTER_STREAM_CHROMIUM") or next(
    filter(None, map(shutil.which, NAMES)), None
)
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--disable-dev-shm-usage",
)


@pytest.fixture(scope="module")  # its event loop is this thread's while it is there
def chromium() -> Iterator[Any]:
    """Start the browser, with a profile of its own that goes away."""
    driver = pytest.importorskip("playwright.sync_api", reason="no Playwright here")
    if CHROMIUM is None:
        pytest.skip("no Chromium here")
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*ARGUMENTS], timeout=PATIENCE
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium) -> Iterator[Callable[..., Any]]:
    """Open the page of a server, each in a context of its own.

    Afterwards no script may have failed, nothing may have been stopped by the page's policy, and no
    other server may have been asked. What the API refused a test allows by its status, what the policy
    stopped by `stopped`.
    """
    problems: list[str] = []
    contexts: list[Any] = []

    def watch(page: Any, base: str, refused: tuple[int, ...], stopped: bool) -> None:
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))

        def on_console(message: Any) -> None:
            known = any(
                f"the server responded with a status of {n} " in message.text for n in refused
            )
            known |= stopped and "The action has been blocked" in message.text
            if message.type in ("error", "warning") and not known:
                problems.append(f"console: {message.text}")

        def on_request(request: Any) -> None:
            if not request.url.startswith((base, "blob:")):
                problems.append(f"asked: {request.url}")

        page.on("console", on_console)
        page.on("request", on_request)

    def open_page(
        server: LocalServer,
        fragment: str = "",
        *,
        refused: tuple[int, ...] = (),
        stopped: bool = False,
        ready: bool = True,
        **options: Any,
    ) -> Any:
        parts = urlsplit(server.base_url)
        base = f"{parts.scheme}://{parts.netloc}/"
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        watch(page, base, refused, stopped)
        page.goto(base + fragment)
        if ready:
            page.wait_for_selector("body[data-ready]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []
